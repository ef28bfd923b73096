"""Templates as text: what they read exists in the schema, and what they include is defined, once."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from hack.base.paths import ROOT
from hack.chart.helm import Helm
from hack.schema import valueschema

CHARTS = [ROOT, *sorted(p for p in (ROOT / "charts").iterdir() if p.is_dir())]
TEMPLATES = [f for chart in CHARTS for f in sorted((chart / "templates").rglob("*")) if f.is_file()]
COMPONENTS = ("frontend", "prefill", "decode", "encode", "etcd", "nats")

COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
# .Values and the two names that every template of the suite gives to parts of it.
READ = re.compile(r"(\w*)((?:\.Values|\$values|\$global)(?:\.[A-Za-z][A-Za-z0-9]*)+)")
DEFINE = re.compile(r'define "([^"]+)"')
INCLUDE = re.compile(r'include "([^"]+)"')


def code(file: Path) -> str:
    """A template without its comments."""
    return COMMENT.sub("", file.read_text())


def owners(file: Path) -> tuple[str, ...]:
    """The components whose values `.Values` may be in a template."""
    chart = file.relative_to(ROOT).parts
    if chart[0] != "charts":
        # Through .Subcharts those of every component too.
        return ("", *COMPONENTS)
    return COMPONENTS if chart[1] == "common" else (chart[1],)


def is_value(path: tuple[str, ...], known: dict[tuple[str, ...], valueschema.Node]) -> bool:
    """Whether a path leads to a value, or into a map or Kubernetes type that is one."""
    for length in range(len(path), 0, -1):
        node = known.get(path[:length])
        if node is not None:
            return length == len(path) or not node.inner or node.foreign
    return False


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda f: str(f.relative_to(ROOT)))
def test_what_is_read_is_in_the_schema(file: Path) -> None:
    """A misspelled value in a template would read as nothing."""
    known = {n.path: n for n in valueschema.nodes()}
    unknown = []
    for passed, read in set(READ.findall(code(file))):
        head, *rest = read.removeprefix(".").split(".")
        if head == "$global":
            candidates = [("global", *rest)]
        elif rest[0] == "global":
            candidates = [tuple(rest)]
        else:
            # x.Values: a component's context that was handed on.
            whose = COMPONENTS if passed else owners(file)
            candidates = [tuple(filter(None, (owner, *rest))) for owner in whose]
            # Templates of common may be called with the root chart's values too.
            candidates.append(tuple(rest))
        if not any(is_value(path, known) for path in candidates):
            unknown.append(read)
    assert unknown == []


def defined() -> list[str]:
    return [name for file in TEMPLATES for name in DEFINE.findall(code(file))]


def test_names_are_defined_once_and_say_whose_they_are() -> None:
    """There is one space of names for all charts, and a wrapping chart's wins."""
    names = defined()
    assert [n for n, count in Counter(names).items() if count > 1] == []
    for file in TEMPLATES:
        for name in DEFINE.findall(code(file)):
            assert name.startswith("dynamo-disagg."), f"{file.relative_to(ROOT)}: {name}"


def test_what_is_included_is_defined() -> None:
    text = "\n".join(code(file) for file in TEMPLATES)
    assert set(INCLUDE.findall(text)) - set(defined()) == set()


def test_versions_are_equal() -> None:
    charts = [yaml.safe_load((chart / "Chart.yaml").read_text()) for chart in CHARTS]
    parent = charts[0]
    assert {c["version"] for c in charts} == {parent["version"]}
    # etcd and NATS have versions of their own.
    dynamo = [c["appVersion"] for c in charts if c["name"] not in ("etcd", "nats")]
    assert set(dynamo) == {parent["appVersion"]}
    assert {d["version"] for d in parent["dependencies"]} == {parent["version"]}
    assert {d["name"] for d in parent["dependencies"]} == {c["name"] for c in charts[1:]}


def test_the_lock_is_that_of_the_dependencies() -> None:
    dependencies = yaml.safe_load((ROOT / "Chart.yaml").read_text())["dependencies"]
    locked = yaml.safe_load((ROOT / "Chart.lock").read_text())["dependencies"]
    wanted = [{k: d[k] for k in ("name", "version", "repository")} for d in dependencies]
    assert sorted(locked, key=lambda d: str(d["name"])) == sorted(wanted, key=lambda d: str(d["name"]))


def test_lint(each_helm: Helm) -> None:
    each_helm.run("lint", str(ROOT), "--strict", "--quiet")
