"""The command line: every verb explains itself, every command that a text names exists, and what is missing is said."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.containers import build_images
from hack.verbs import cli

TEXTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / ".pre-commit-config.yaml"]
COMMAND = re.compile(r"(?<!`)(?:python3?|\.venv/bin/python) -m hack ([^`\n#&|>,()]*)")
SIZE = ["--model=meta-llama/Llama-3.1-8B", "--machine=gke-a3ultra", "--isl=9", "--osl=9", "--rate=1"]
# Without site-packages and environment: what a bare clone has.
BARE = [sys.executable, "-S", "-E"]


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group, with its words."""
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            child = group.get_command(context, name)
            assert child is not None
            yield from commands(child, (*path, name))


ALL = dict(commands(cli.program))
EXAMPLES = [line for command in ALL.values() for line in COMMAND.findall(command.epilog or "")]
DOCUMENTED = [line for text in TEXTS for line in COMMAND.findall(text.read_text())]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: {' '.join(['python3 -m hack', *words])}")
    assert (ALL[words].help or "").split("\n")[0][:30] in shown


def test_each_verb_shows_examples() -> None:
    assert [verb for verb in cli.VERBS if f"python3 -m hack {verb}" not in (ALL[verb,].epilog or "")] == []


@pytest.mark.parametrize("line", sorted({*EXAMPLES, *DOCUMENTED}))
def test_a_command_in_a_text_exists(line: str) -> None:
    words = shlex.split(line)
    depth = max(i for i in range(len(words) + 1) if tuple(words[:i]) in ALL)
    command = ALL[tuple(words[:depth])]
    assert not isinstance(command, click.Group) or words == words[:depth], f"{words} names no command"
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words[depth:] if word.startswith("-")} <= options


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_an_options_default_is_a_value_that_it_takes(words: tuple[str, ...]) -> None:
    context = click.Context(ALL[words])
    for option in ALL[words].params:
        default = option.get_default(context, call=False)
        if isinstance(default, int | float | str):
            assert option.type_cast_value(context, default) == default, option.name


def test_a_bare_clone_says_what_is_missing(tmp_path: Path) -> None:
    clone(tmp_path)
    done = subprocess.run(
        [*BARE, "-m", "hack", "validate", "my values.yaml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        r"error: the Python package \w+ is missing: run `make python`, "
        r"then `\.venv/bin/python -m hack validate 'my values\.yaml'`\n",
        done.stderr,
    )


def test_the_packages_of_make_python_are_found(tmp_path: Path) -> None:
    clone(tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "taken: $*"\n')
    python.chmod(0o755)
    done = subprocess.run([*BARE, "-m", "hack", "tools", "--list"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "taken: -m hack tools --list\n")


def test_a_mistake_ends_with_one_line(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "hack", "tools", "helmet"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith('error: unknown tool "helmet": choose from helm, ')


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["size", *SIZE, "--out"], "error: {folder}/text.yaml: "),
        (["bench", "arms", "--print", "-f"], "bin.yaml: not valid YAML: 'utf-8' codec"),
        (["alerts", "--kubeconfig"], "cannot read kubeconfig {folder}/text.yaml: "),
        (["preflight", "--kubeconfig"], "no cluster: "),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_file_that_cannot_be_used_is_named(arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "text.yaml").write_text("a text")
    (tmp_path / "bin.yaml").write_bytes(b"\xff\xfe")
    files = {"--out": tmp_path / "text.yaml" / "x.yaml", "-f": tmp_path / "bin.yaml"}
    given = [*arguments, str(files.get(arguments[-1], tmp_path / "text.yaml"))]
    done = subprocess.run([sys.executable, "-m", "hack", *given], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (1, 2)
    assert says.format(folder=tmp_path) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["alerts", "scaling", "overload", "reliability"])
def test_a_cluster_is_asked_before_anything_is_built_for_it(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a minute or more goes by before it says that nobody answers."""
    cluster, user = {"server": "https://127.0.0.1:1"}, {"token": "expired"}
    config = {
        **{"apiVersion": "v1", "kind": "Config", "current-context": "c"},
        "clusters": [{"name": "a", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "a", "user": "u"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setattr(build_images, "archives", lambda *_: pytest.fail("built"))
    with pytest.raises(UserError, match=r"no answer from the API server https://127\.0\.0\.1:1"):
        cli.run([verb, "--kubeconfig", str(tmp_path / "kubeconfig")])


@pytest.mark.parametrize(
    "arguments",
    [
        ["unknown"],
        ["cluster", "up", "--workers", "0"],
        ["reliability", "--requests", "0"],
        ["images", "list", "-f", "none"],
    ],
)
def test_a_usage_error_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.run(arguments)
    assert raised.value.code == 2
    assert "Error: " in capsys.readouterr().err


def clone(folder: Path) -> None:
    shutil.copytree(ROOT / "hack", folder / "hack", ignore=shutil.ignore_patterns("data", "__pycache__"))
