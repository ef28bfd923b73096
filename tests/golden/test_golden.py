"""What every values file renders, object by object, as it was when somebody last looked at it.

`make golden` accepts the current state; the diff of the golden files is what a reviewer reads (notation.py).
"""

from pathlib import Path

import pytest
import yaml

from hack.base.paths import ROOT
from hack.chart.manifests import object_id
from hack.chart.scenarios import FEATURES, NAMED, OVERLAY, Scenario
from tests.golden.notation import Map, expanded, keyed, plain, shortened, text

FOLDER = Path(__file__).parent
SCENARIOS = {
    scenario.name: scenario
    for scenario in [
        *NAMED,
        *FEATURES,
        Scenario("a3u-multi+simulate", ("values/a3u-multi.yaml", OVERLAY)),
    ]
}
# These are whole; any other file is a change of one of them, or of a nearer file that its `base` names.
BASES = ("defaults", "a3u-multi", "a4x-10p8d", "everything", "trtllm-statefulset")


SCRIPTS = {
    file.read_text().strip(): str(file.relative_to(ROOT)) for file in (ROOT / "files").rglob("*.*") if file.is_file()
}


def rendered(name: str) -> Map:
    """The objects of a scenario without what says nothing here: the chart's version, and the text of files, named."""
    manifests = SCENARIOS[name].render()
    for item in manifests:
        item["metadata"]["labels"].pop("helm.sh/chart", None)
        if item["kind"] == "ConfigMap":
            item["data"] = {key: SCRIPTS.get(value, value) for key, value in item["data"].items()}
    objects = {object_id(item): item for item in sorted(manifests, key=object_id)}
    assert len(objects) == len(manifests)
    return objects


def content(name: str) -> Map:
    """A golden file."""
    file = FOLDER / f"{name}.yaml"
    assert file.exists(), f"{file.relative_to(ROOT)} is missing: run `make golden` and look at it"
    held: Map = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
    return held


def golden(name: str) -> Map:
    """The objects of a golden file, those of its base changed."""
    held = content(name)
    return expanded(golden(held.pop("base")) if "base" in held else {}, held)


def written(name: str) -> Map:
    """What a golden file has to hold: a change of the base that it names, or of the nearest whole one."""
    objects = keyed(rendered(name))
    if name in BASES:
        return shortened({}, objects)
    known = (FOLDER / f"{name}.yaml").exists() and content(name).get("base")
    changes = {base: shortened(keyed(rendered(base)), objects) for base in ([known] if known in SCENARIOS else BASES)}
    base, change = min(changes.items(), key=lambda one: len(text(one[1])))
    return {"base": base, **change}


@pytest.mark.parametrize("name", SCENARIOS)
def test_golden(name: str, pytestconfig: pytest.Config) -> None:
    if pytestconfig.getoption("update_golden"):
        (FOLDER / f"{name}.yaml").write_text(text(written(name)))
        # Its base may not be written yet.
        return
    now, then = rendered(name), plain(golden(name))
    assert now.keys() == then.keys()
    for item in now:
        assert now[item] == then[item], f"{item} changed: if that is meant, run `make golden`"


def test_no_golden_file_is_left_over() -> None:
    assert {p.stem for p in FOLDER.glob("*.yaml")} == SCENARIOS.keys()
