"""docs/scenarios: what a page says of a scenario is what the chart renders.

The tables "Settings of <ids>" have a column "here": items in backticks, each perhaps followed by (scenarios and
roles) it holds for; without them it holds for all scenarios of the table and both worker roles. An item is a flag
(`--name value`), a variable (`NAME=value`), a value of the chart (`frontend.replicas: 9`), a kind of object, or a key
or text of the workload (`IPC_LOCK`, `cpu: 48`).
"""

import ast
import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.benchmark.arms import ARMS
from hack.benchmark.results import load
from hack.benchmark.verdict import verdict
from hack.chart import proofs, scenarios
from hack.chart.manifests import Manifests, PodTemplate, is_hook
from hack.chart.scenarios import NAMED, Scenario
from hack.docs.pages import matrix_row, readme_page

FOLDER = ROOT / "docs" / "scenarios"
PAGES = sorted(FOLDER.glob("*.md"))
SCENARIOS = {s.name: s for s in NAMED if s.files}
ROLES = ("frontend", "prefill", "decode")
BECAME = ("kept", "replaced", "added", "dropped")
ITEM = re.compile(r"`([^`]+)`(?: \(([^)]*)\))?")
VALUE = re.compile(r"(global|frontend|prefill|decode|etcd|nats)(\.\w[-\w]*)+(: .*)?")
# The chart's own variables and flags, which no source had or could have.
OWN = re.compile(r"POD_\w+|DYN_\w+|DYNAMO_\w+|TRANSFORMERS_OFFLINE")


@dataclass(frozen=True)
class Row:
    """One setting of a source."""

    page: Path
    scenarios: tuple[str, ...]
    source: str
    became: str
    here: str
    remark: str

    def items(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """Items with the scenarios and roles each holds for."""
        for item, scope in ITEM.findall(self.here):
            words = scope.split()
            unknown = set(words) - {*self.scenarios, *ROLES}
            assert not unknown, f"{self.page.name}: {item}: ({scope}): not in this table: {unknown}"
            names = [w for w in words if w in self.scenarios] or list(self.scenarios)
            yield item, names, [w for w in words if w in ROLES]


def tables(page: Path, heading: str) -> Iterator[tuple[str, list[list[str]]]]:
    """(rest of the heading, rows) of each section with a table whose heading begins like this."""
    for section in page.read_text().split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title.startswith(heading):
            lines = [line for line in body.splitlines() if line.startswith("|")]
            yield title, [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def rows(page: Path) -> list[Row]:
    """All settings of a page."""
    found = []
    for title, lines in tables(page, "Settings of "):
        names = tuple(re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+", title))
        for line in lines:
            assert len(line) == 4, f"{page.name}: {line}: four cells"
            found.append(Row(page, names, *line))
    return found


ROWS = [row for page in PAGES for row in rows(page)]


@functools.cache
def rendered(name: str) -> Manifests:
    """The objects of a scenario."""
    return SCENARIOS[name].render()


def pods(name: str, roles: list[str]) -> list[PodTemplate]:
    """The pod templates that serve requests, of some roles, or of all worker roles there are."""
    found = [p for role in roles or ROLES[1:] for p in rendered(name).leaders(role) if not is_hook(p.owner)]
    assert found, f"{name} has no {roles}"
    return found


def facts(node: Any) -> Iterator[str]:
    """Keys, texts and `key: text` of an object, however deep; `key: text` for each entry of a list too."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            for entry in value if isinstance(value, list) else [value]:
                if not isinstance(entry, dict | list):
                    yield f"{key}: {entry}"
            yield from facts(value)
    elif isinstance(node, list):
        for entry in node:
            yield from facts(entry)
    else:
        yield str(node)


@functools.cache
def facts_of(name: str, role: str, part: str) -> frozenset[str]:
    """The facts of one pool's workload."""
    pod = next(p for p in pods(name, [role]) if p.part == part)
    return frozenset(facts(pod.owner))


def missing(item: str, name: str, roles: list[str]) -> list[str]:
    """Where an item is not as the page says."""
    if VALUE.fullmatch(item):
        path, _, wanted = item.partition(": ")
        node: Any = SCENARIOS[name].effective
        for key in path.split("."):
            if not isinstance(node, dict) or key not in node:
                return [f"{name}: there is no value {path}"]
            node = node[key]
        shown = str(node).lower() if isinstance(node, bool) else str(node)
        return [] if not wanted or shown == wanted else [f"{name}: {path} is {shown}"]
    if re.fullmatch(r"[A-Z][a-z]+([A-Z][a-z]+)*", item):
        return [] if rendered(name).all(item) else [f"{name}: no object of kind {item}"]
    found = []
    for pod in pods(name, roles):
        role = pod.labels["app.kubernetes.io/component"]
        at = f"{name}: {role}"
        if item.startswith("--"):
            flag, _, wanted = item.removeprefix("--").partition(" ")
            value = pod.container().flag(flag)
            if value is None or (wanted and value != wanted):
                found.append(f"{at}: --{flag} is {value}")
        elif re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+(=.*)?", item) and item != "IPC_LOCK":
            variable, _, wanted = item.partition("=")
            value = pod.container().env().get(variable)
            if value is None or (wanted and value != wanted):
                found.append(f"{at}: {variable} is {value}")
        elif item not in facts_of(name, role, pod.part):
            found.append(f"{at}: {item} is not in the workload")
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.page.stem}-{r.source[:40]}")
def test_a_setting_is_as_the_page_says(row: Row) -> None:
    assert row.became in BECAME
    items = list(row.items())
    if row.became == "dropped":
        assert not items, "a dropped setting is nowhere"
        assert row.remark, "say why it was dropped"
        return
    assert items, "say what it is here"
    assert [line for item, names, roles in items for name in names for line in missing(item, name, roles)] == []


@pytest.mark.parametrize(
    "item",
    [
        *("--tensor-parallel-size 5", "--no-such-flag", "LD_LIBRARY_PATH=/elsewhere", "NO_SUCH_VARIABLE"),
        *("global.router.mode: kv", "global.no.such", "sizeLimit: 81Gi", "SYS_ADMIN", "StatefulSet"),
    ],
)
def test_a_wrong_item_is_noticed(item: str) -> None:
    assert missing(item, "a3u-multi", [])


def test_each_values_file_has_one_page() -> None:
    named = [name for page in PAGES for title, _ in tables(page, "Settings of ") for name in title.split()]
    ids = sorted(word.strip(",") for word in named if word.strip(",") in SCENARIOS)
    assert ids == sorted(SCENARIOS)
    for row in ROWS:
        for name in row.scenarios:
            page = row.page.relative_to(ROOT)
            assert f"{page}\n" in (ROOT / SCENARIOS[name].files[0]).read_text(), f"{name} does not name {page}"


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda s: s.name)
def test_the_page_has_every_flag_and_variable(scenario: Scenario) -> None:
    """What is in the render and in no row would be a setting nobody can trace."""
    told: dict[str, set[str]] = {role: set() for role in ROLES[1:]}
    for row in ROWS:
        for item, names, roles in row.items():
            if scenario.name in names:
                for role in set(roles or told) & set(told):
                    told[role].add(re.split(r"[ =]", item)[0])
    for pod in pods(scenario.name, []):
        role = pod.labels["app.kubernetes.io/component"]
        flags = {a for a in pod.container().args() if a.startswith("--")}
        rank = {"--config", "--dist-init-addr", "--nnodes", "--node-rank"}
        assert flags - told[role] - rank == set()
        assert {v for v in pod.container().env() if not OWN.fullmatch(v)} - told[role] == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_pods_gpus_and_nodes_are_counted(page: Path) -> None:
    ((_, lines),) = tables(page, "What is installed")
    ids = {name for row in ROWS if row.page == page for name in row.scenarios}
    assert {line[0] for line in lines} == ids
    for name, *numbers in lines:
        found = [p for role in ROLES for p in rendered(name).pods(role) if not is_hook(p.owner)]
        counts = [sum(p.count for p in found if p.labels["app.kubernetes.io/component"] == role) for role in ROLES]
        limits = [(p, p.container().spec["resources"].get("limits", {})) for p in found]
        # Of the machine types whose claims give GPUs, NVIDIA's class.
        gpus = sum(
            p.count * (int(limit.get("nvidia.com/gpu", 0)) + rendered(name).claimed(p, "gpu.nvidia.com"))
            for p, limit in limits
        )
        nodes = matrix_row(ROOT / SCENARIOS[name].files[0])[6]
        assert numbers == [*map(str, counts), str(gpus), nodes], name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_install_commands_wait_long_enough(page: Path) -> None:
    commands = re.findall(r"-f values/([\w-]+)\.yaml.* --timeout (\d+)m", page.read_text())
    assert {name for name, _ in commands} == {name for row in ROWS if row.page == page for name in row.scenarios}
    for name, minutes in commands:
        for pod in pods(name, []):
            probe = pod.container().spec["startupProbe"]
            assert int(minutes) * 60 > probe["periodSeconds"] * probe["failureThreshold"], name


# What values/README.md says was proven

MATRIX = (ROOT / "values" / "README.md").read_text().splitlines()


def shown(*ends: str) -> set[str]:
    """The scenarios whose row of values/README.md ends like this."""
    return {line.split("]")[0].removeprefix("| [") for line in MATRIX if line.endswith(ends)}


def names_used(tier: str, function: str) -> set[str]:
    """The texts that a tier's tests give to a function of hack.chart.scenarios."""
    calls = [
        node
        for file in (ROOT / "tests" / tier).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function
    ]
    return {str(argument.value) for call in calls for argument in call.args if isinstance(argument, ast.Constant)}


def test_what_is_called_served_is_what_the_tests_install() -> None:
    assert names_used("e2e", "served") == set(proofs.served())
    with pytest.raises(KeyError, match=r"add it to tests/proofs\.yaml"):
        scenarios.served("a3u-single")


def test_what_is_called_scheduled_is_what_the_scheduling_tests_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown("| yes | yes |", "| yes | no |") == proofs.scheduled().keys()
    before = proofs.FILE.read_text()
    monkeypatch.setattr(proofs, "FILE", tmp_path / "proofs.yaml")
    proofs.FILE.write_text(before)
    rows = proofs.scheduled()
    proofs.write_scheduled(rows)
    assert proofs.FILE.read_text() == before
    proofs.write_scheduled({"aks-agg": rows["aks-agg"]})
    assert proofs.scheduled() == {"aks-agg": rows["aks-agg"]}


def test_what_is_called_served_is_shown() -> None:
    assert shown("| yes |") == set(proofs.served())


def test_what_ran_on_real_gpus_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "FILE", tmp_path / "proofs.yaml")
    text = (ROOT / "tests" / "proofs.yaml").read_text()
    proofs.FILE.write_text(text.replace("onGpus: []", "onGpus: [a3u-single]"))
    rows = [line for line in readme_page().splitlines() if line.startswith("| `gke-")]
    assert [line.split(" | ")[-1] for line in rows] == ["a3u-single |", "none |", "none |", "none |", "none |"]


# docs/sizing.md

SIZING = (ROOT / "docs" / "sizing.md").read_text()


def test_block_sizes_are_those_of_the_scenarios() -> None:
    told: dict[str, int] = {}
    for names, size in re.findall(r"(?m)^\| ([a-z0-9, -]+) \| (\d+) \| [^|]*\|$", SIZING[SIZING.index("## The KV") :]):
        told |= {name: int(size) for name in names.split(", ")}
    usual = told.pop("all others")
    sizes = {name: s.effective["global"]["kvCache"]["blockSize"] for name, s in SCENARIOS.items()}
    assert {name: told.get(name, usual) for name in sizes} == sizes
    assert told.keys() <= sizes.keys()


def test_the_example_is_calculated_right() -> None:
    """The worked example, from its inputs."""
    rate, prompt, answer, prefill, decode, latency, token = 12, 8192, 200, 38_700, 4_870, 0.0061, 131_072
    streams = round(rate * answer * latency)
    results = [
        f"{rate * prompt:,} / (0.7 x {prefill:,}) = {rate * prompt / (0.7 * prefill):.1f} "
        f"| {math.ceil(rate * prompt / (0.7 * prefill))} |",
        f"{rate * answer:,} / (0.7 x {decode:,}) = {rate * answer / (0.7 * decode):.1f} "
        f"| {math.ceil(rate * answer / (0.7 * decode))} |",
        f"| {streams} |",
        f"{streams} x {prompt + answer:,} x {token:,} bytes | {streams * (prompt + answer) * token / 1e9:.1f} GB |",
        f"| {rate * prompt * token / 1e9:.1f} GB/s of the 68 GB/s measured between two pods |",
        f"it would be {rate * prompt / prefill:.1f} and {rate * answer / decode:.1f}: five",
    ]
    assert [text for text in results if text not in SIZING] == []


def test_the_measured_tables_are_the_results_kept() -> None:
    """The figures, the pictures' arms and the verdict that the page names, from docs/results."""
    kept = [load(ROOT / "docs" / "results" / "two-h200" / arm) for arm in ARMS]
    rows = [
        f"| {arm.name} | {p.concurrency} | {p.requests_per_second:.2f} | {p.ttft[0]:,.0f} / {p.ttft[1]:,.0f} "
        f"| {p.tpot[0]:.1f} / {p.tpot[1]:.1f} |"
        for arm in kept
        for p in arm.points
    ]
    assert [row for row in rows if row not in SIZING] == []
    assert len(rows) == 15
    assert f'"{verdict(kept)[0].removesuffix(".")}"' in SIZING
