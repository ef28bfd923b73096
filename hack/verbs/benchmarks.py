"""`bench run`, `arms`, `fetch` and `compare`: measure releases with AIPerf, and say whether to disaggregate."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import click
import yaml

from hack.base.log import UserError, console, print_table
from hack.base.step import Step
from hack.base.yamlfile import read_yaml
from hack.benchmark import arms as ways
from hack.benchmark import job, local, report
from hack.benchmark.results import Result, load, named
from hack.benchmark.verdict import verdict
from hack.chart.helm import Values
from hack.chart.manifests import merged
from hack.verbs.cli import FILE, FOLDER, together

values_files = click.option(
    "-f", "--values", "files", multiple=True, type=FILE, help="As for helm install; may be repeated."
)
place_options = together(
    click.option("-n", "--namespace", default="default", show_default=True, help="Of the release."),
    click.option("--kubeconfig", type=FILE, show_default="$KUBECONFIG, else ~/.kube/config"),
    click.option("--context", show_default="the current one"),
)
aiperf_options = together(
    click.option("--aiperf", default="aiperf", show_default=True, help="The command, with --url."),
    click.option("--tokenizer", default="", help="Folder or name, with --url.", show_default="benchmark.tokenizer"),
)


# For the model, of an endpoint that is said to be there.
WAIT_SECONDS = 30
SCHEMES = ("http://", "https://")


def new_folder(out: Path | None, name: str) -> Path:
    """The one named, or one of this minute."""
    return out or Path("dist") / "bench" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def measure_url(url: str, files: Sequence[Path], values: Values, folder: Path, aiperf: str, tokenizer: str) -> None:
    """One endpoint, without a cluster."""
    if not url.startswith(SCHEMES):
        raise UserError(f"--url {url}: write it with http:// or https://")
    plan = ways.plan(ways.objects(files, merged(ways.NO_IMAGE, values), "demo", "default"))
    plan |= {"url": url.rstrip("/"), "frontends": "", "wait_seconds": WAIT_SECONDS}
    plan |= {"tokenizer": tokenizer} if tokenizer else {}
    try:
        command = shlex.split(aiperf)
    except ValueError as error:
        raise UserError(f"--aiperf {aiperf}: {error}: write it as for a shell") from error
    local.measure(plan, folder, command, Step("bench"))


def show(results: Sequence[Result]) -> None:
    """The table and the verdict, on the console."""
    print_table(report.HEAD, [cells for _, _, cells in report.rows(list(results))])
    for sentence in verdict(list(results)):
        console.print(sentence)


@click.command(name="run")
@click.argument("release", default="demo")
@values_files
@place_options
@click.option("--url", help="Measure this endpoint from here, with no cluster; -f says what serves there.")
@aiperf_options
@click.option("--out", type=FOLDER, show_default="dist/bench/RELEASE-time", help="The result folder.")
def run(
    release: str,
    files: tuple[Path, ...],
    namespace: str,
    kubeconfig: Path | None,
    context: str | None,
    url: str | None,
    aiperf: str,
    tokenizer: str,
    out: Path | None,
) -> None:
    """Measure RELEASE by a Job in its namespace; -f is over the values it was installed with."""
    folder = new_folder(out, release)
    if url:
        measure_url(url, files, {}, folder, aiperf, tokenizer)
    else:
        values = merged(*map(read_yaml, files))
        job.measure(job.Place(namespace, kubeconfig, context), release, values, folder, Step("bench"))
    show([load(folder)])
    console.print(f"written to {folder}")


@click.command(name="fetch")
@click.argument("release", default="demo")
@place_options
@click.option("--out", type=FOLDER, show_default="dist/bench/RELEASE-time", help="The result folder.")
def fetch(release: str, namespace: str, kubeconfig: Path | None, context: str | None, out: Path | None) -> None:
    """Write the result folder of a Job that has ended, from its log."""
    folder = new_folder(out, release)
    job.fetch(job.Place(namespace, kubeconfig, context), release, folder)
    show([load(folder)])
    console.print(f"written to {folder}")


def endpoints(given: Sequence[str]) -> dict[str, str]:
    """ARM=URL pairs."""
    found = dict(text.partition("=")[::2] for text in given)
    for name, url in found.items():
        if name not in ways.ARMS or not url.startswith(SCHEMES):
            raise UserError(f"--url {name}={url}: write ARM=URL, with one of the arms {', '.join(ways.ARMS)}")
    return found


@click.command(name="arms")
@values_files
@place_options
@click.option("--release", default="bench", show_default=True, help="The name; no such release may be there.")
@click.option("--arm", "names", multiple=True, type=click.Choice(ways.ARMS), show_default="all")
@click.option("--url", "urls", multiple=True, metavar="ARM=URL", help="Measure these endpoints from here instead.")
@aiperf_options
@click.option("--out", type=FOLDER, show_default="dist/bench/arms-time", help="A folder, with one for each arm.")
@click.option("--print", "only_print", is_flag=True, help="Write each arm's values file, and measure nothing.")
def arms(
    files: tuple[Path, ...],
    namespace: str,
    kubeconfig: Path | None,
    context: str | None,
    release: str,
    names: tuple[str, ...],
    urls: tuple[str, ...],
    aiperf: str,
    tokenizer: str,
    out: Path | None,
    only_print: bool,
) -> None:
    """Serve disaggregated values in three ways on the same GPUs, measure each, and compare.

    disaggregated is as the files say; aggregated has as many workers of decode's size as make the same GPUs;
    aggregated-small-chunks gives these 2,048 tokens a step, for an evener token rate.
    """
    at = endpoints(urls)
    folder = new_folder(out, "arms")
    if missing := [name for name in names if at and name not in at]:
        raise UserError(f"--arm {missing[0]}: it has no --url, and the others have: add --url {missing[0]}=URL")
    chosen = [name for name in ways.ARMS if name in (names or at or ways.ARMS)]
    made = {name: ways.arm_values(files, name, {}) for name in chosen}
    for name, values in made.items():
        # What Helm has against an arm is said before the first is measured.
        ways.objects(files, merged(ways.NO_IMAGE, values), release, namespace)
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "values.yaml").write_text(yaml.safe_dump(merged(*map(read_yaml, files), values)))
    if only_print:
        console.print(f"written to {folder}")
        return
    place = job.Place(namespace, kubeconfig, context)
    for name, values in made.items():
        if at:
            measure_url(at[name], files, values, folder / name, aiperf, tokenizer)
        else:
            in_cluster(place, release, files, values, folder / name)
    measured = [folder / name for name in chosen]
    if len(measured) > 1:
        conclude(measured, folder)
    else:
        show([load(measured[0])])


def in_cluster(place: job.Place, release: str, files: Sequence[Path], values: Values, folder: Path) -> None:
    """One arm: installed, measured, and removed whatever came of it."""
    step = Step(folder.name[:12])
    job.refuse_present(place, release)
    try:
        job.install(place, release, files, values, step)
        job.measure(place, release, {}, folder, step)
    finally:
        job.uninstall(place, release, job.component(release, merged(*map(read_yaml, files), values)))
        step.say("removed")


@click.command(name="compare")
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option("--out", type=FOLDER, default=Path("dist/bench/compare"), show_default=True, help="Page and pictures.")
def compare(folders: tuple[Path, ...], out: Path) -> None:
    """Compare two result folders or more: a table, pictures, a page, and a verdict."""
    conclude(folders, out)


def conclude(folders: Sequence[Path], out: Path) -> None:
    """Read, show and write."""
    if len(folders) < 2:
        raise UserError(f"{folders[0]} alone is no comparison: name two result folders or more")
    results = named([load(folder) for folder in folders], folders)
    show(results)
    console.print(f"written to {report.write(results, out)}")


COMMANDS: tuple[click.Command, ...] = (run, arms, fetch, compare)
