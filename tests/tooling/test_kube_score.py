"""kube-score over the objects of every scenario: what it finds is fixed, or reasoned in data/kube-score.yaml."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.base import process
from hack.base.paths import TOOLS_BIN
from hack.base.yamlfile import read_yaml
from hack.chart.manifests import COMPONENT, Manifests
from hack.chart.scenarios import ALL
from hack.tools import pinned

STAYS: dict[str, Any] = read_yaml(Path(__file__).parent / "data" / "kube-score.yaml")
# Grades are 1 (critical), 5 (warning), 7 (almost), 10 (all well).
WELL = 10


@pytest.fixture(scope="module", autouse=True)
def _tool() -> None:
    pinned.ensure(["kube-score"])


def findings(manifests: Manifests) -> Iterator[tuple[str, str]]:
    """Checks that found something, and the container, or component, that it is about."""
    text = "\n---\n".join(json.dumps(item) for item in manifests)
    options = ("--output-format=json", "--kubernetes-version=v1.36")
    done = process.run([TOOLS_BIN / "kube-score", "score", *options, "-"], stdin=text, timeout=60)
    scored = json.loads(done.stdout)
    assert scored, done.stderr
    labels = {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["labels"] for o in manifests}
    for item in scored:
        known = labels[f"{item['type_meta']['kind']}/{item['object_meta']['name']}"]
        for check in item["checks"]:
            if check["grade"] < WELL and not check["skipped"]:
                for comment in check["comments"] or [{"path": ""}]:
                    yield check["check"]["id"], comment["path"] or known[COMPONENT]


def test_what_it_finds_is_reasoned_and_nothing_else_is() -> None:
    found = {finding for scenario in ALL for finding in findings(scenario.render())}
    assert {(check, of) for check, of in found if of not in STAYS.get(check, {"of": []}).get("of", [of])} == set()
    stale = [check for check in STAYS if check not in {check for check, _ in found}]
    assert (
        stale + [(check, of) for check, one in STAYS.items() for of in one.get("of", []) if (check, of) not in found]
        == []
    )
