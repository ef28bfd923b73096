"""Write values for this chart from another deployment: a DynamoGraphDeployment (v1alpha1, v1beta1; recipe files with
claims, Jobs and ConfigMaps beside it too), a folder of AIConfigurator, the values of Google's A3 Ultra and A4X recipes
with the files of --set-file, or the values of Tencent's TKE chart. Flags that are gone are repaired, and what the chart
refuses is taken out: each change, loss and doubt is listed. docs/coming-from.md
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from hack.base.log import UserError
from hack.chart.machines import names as machine_names
from hack.convert import judge, outward, release, sources
from hack.convert.notes import Notes
from hack.convert.tree import Tree
from hack.verbs.cli import NEW_FILE, examples
from hack.verbs.validate import validate

CODES = """
Exits with 0 (converted; `validate` has nothing to change), 1 (not converted: the message says why), 2 (a usage error)
or 3 (written, and `validate` has something to change, which is listed). Values go to standard output or to -o, the
report to standard error, or to standard output where -o is given.
"""
TITLES = {"change": "Changed", "loss": "Lost", "doubt": "In doubt"}


def pairs(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE options as a map."""
    for pair in given:
        if "=" not in pair:
            raise click.BadParameter(f"{pair}: write KEY=VALUE")
    return {key: value for key, _, value in (pair.partition("=") for pair in given)}


def contents(files: dict[str, str]) -> dict[str, str]:
    """The files of --set-file, read."""
    found: dict[str, str] = {}
    for key, name in files.items():
        try:
            found[key] = Path(name).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--set-file {key}: {name}: {error}") from error
    return found


def inward(
    path: Path, name: str, settings: dict[str, str], files: dict[str, str], hardware: str
) -> tuple[Tree, Notes, list[str]]:
    """Values, what there is to say of them, and what `validate` would have changed."""
    notes = Notes()
    graph = sources.read(path, name, settings, files, notes)
    made = release.values(graph, notes, hardware, files)
    problems = judge.settled(made, notes)
    return made, notes, problems


def show(notes: Notes, problems: list[str], source: Path) -> str:
    """The report for people."""
    lines = [f"{source}"]
    for kind, title in TITLES.items():
        found = notes.of(kind)
        if found:
            lines.append(f"{title}:")
            lines += [f"  - {note.where}: {note.text}" for note in found]
    if problems:
        lines.append("To change before it can be installed:")
        lines += [f"  {problem}" for problem in problems]
    words = (("change", "change", "changes"), ("loss", "loss", "losses"), ("doubt", "doubt", "doubts"))
    counts = ", ".join(f"{(n := len(notes.of(kind)))} {one if n == 1 else many}" for kind, one, many in words)
    lines.append(f"{counts}; {f'{len(problems)} to change' if problems else 'validate has nothing to change'}")
    return "\n".join(lines)


def write(text: str, output: Path | None) -> None:
    """To the file, or to standard output."""
    if output is None:
        print(text, end="")
    else:
        output.write_text(text)


@click.command(
    short_help="Values from another deployment, or a DynamoGraphDeployment from values.",
    help=f"{__doc__}{CODES}",
    epilog=examples(
        "convert deploy.yaml -o mine.yaml",
        "convert results/disagg/top1 --hardware gke-a3ultra -o mine.yaml",
        "convert values_wo_deepep.yaml --set-file prefill_serving_config=p.yaml --set-file "
        "decode_serving_config=d.yaml",
        "convert --to dgd values/a4x-10p8d.yaml > deployment.yaml",
    ),
)
@click.argument("source", type=click.Path(exists=True, path_type=Path), metavar="FILE|FOLDER")
@click.option("-o", "--output", type=NEW_FILE, help="File to write instead of standard output.")
@click.option(
    "--to",
    type=click.Choice(["values", "dgd"]),
    default="values",
    show_default=True,
    help="dgd: DynamoGraphDeployment v1beta1.",
)
@click.option(
    "--hardware",
    type=click.Choice(machine_names()),
    metavar="NAME",
    default=None,
    help="Machine type (docs/machines.md).",
    show_default="nvidia",
)
@click.option("--name", default="", help="Which DynamoGraphDeployment of several; with --to dgd its name.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=pairs,
    metavar="KEY=VALUE",
    help="A value of the input chart, as for helm.",
)
@click.option(
    "--set-file",
    "files",
    multiple=True,
    callback=pairs,
    metavar="KEY=FILE",
    help="As for helm; or an engine's file by its path in the container.",
)
@click.option(
    "--report", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the report."
)
def command(
    source: Path, output: Path | None, to: str, hardware: str | None, name: str,
    settings: dict[str, str], files: dict[str, str], report: str,
) -> int:  # fmt: skip
    try:
        if to == "dgd":
            documents, notes, problems = outward.deployment(source, name or "demo")
            write("---\n".join(judge.dumped(document) for document in documents), output)
        else:
            made, notes, problems = inward(source, name, settings, contents(files), hardware or "")
            write(f"# From {source.name}, by `python3 -m hack convert`.\n{judge.dumped(made)}", output)
            problems = problems or judged(made)
    except UserError as error:
        if report == "json":
            print(
                json.dumps(data(source, Notes(), [str(error)], is_written=False), indent=2),
                file=sys.stdout if output else sys.stderr,
            )
            return 1
        raise
    text = show(notes, problems, source)
    if report == "json":
        text = json.dumps(data(source, notes, problems), indent=2)
    print(text, file=sys.stdout if output else sys.stderr)
    return 3 if problems else 0


def data(source: Path, notes: Notes, problems: list[str], *, is_written: bool = True) -> dict[str, Any]:
    """The report for pipelines."""
    return {
        "source": str(source),
        "written": is_written,
        "ok": not problems,
        "problems": problems,
        "notes": notes.as_data(),
    }


def judged(made: Tree) -> list[str]:
    """What `validate` would have changed, policies and nodes included."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "values.yaml"
        file.write_text(judge.dumped(made))
        return [f"by {by}: {text}" for by, text in validate([file]).problems]
