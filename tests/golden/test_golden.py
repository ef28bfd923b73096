"""What every values file renders, object by object, as it was when somebody last looked at it.

`make golden` accepts the current state; the diff of the golden files is what a reviewer reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.paths import ROOT
from tests.harness.manifests import Manifests, Object, object_id
from tests.harness.scenarios import FEATURES, NAMED, OVERLAY, Scenario

FOLDER = Path(__file__).parent
SCENARIOS = [
    *NAMED,
    *FEATURES,
    Scenario("a3u-multi+simulate", ("values/a3u-multi.yaml", OVERLAY)),
]


def neutral(item: Object) -> Object:
    """An object without the chart's version, which changes with every release and says nothing."""
    item["metadata"]["labels"].pop("helm.sh/chart", None)
    return item


def written(manifests: Manifests) -> list[Object]:
    """The objects in an order that does not depend on templates' names."""
    return sorted((neutral(item) for item in manifests), key=object_id)


def text(objects: list[Object]) -> str:
    """Golden text: readable in a diff."""
    return "".join(f"---\n{yaml.dump(o, Dumper=yaml.CSafeDumper, sort_keys=True, width=110)}" for o in objects)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_golden(scenario: Scenario, pytestconfig: pytest.Config) -> None:
    file = FOLDER / f"{scenario.name}.yaml"
    objects = written(scenario.render())
    if pytestconfig.getoption("update_golden"):
        file.write_text(text(objects))
    assert file.exists(), f"{file.relative_to(ROOT)} is missing: run `make golden` and look at it"
    golden: list[Any] = list(yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader))
    assert [object_id(o) for o in objects] == [object_id(o) for o in golden]
    for now, then in zip(objects, golden, strict=True):
        assert now == then, f"{object_id(now)} changed: if that is meant, run `make golden`"


def test_no_golden_file_is_left_over() -> None:
    assert {p.stem for p in FOLDER.glob("*.yaml")} == {s.name for s in SCENARIOS}
