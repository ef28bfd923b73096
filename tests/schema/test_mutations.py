"""Each key that a scenario sets, misspelled, of another type, or negative: none of it is accepted."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from hack.base.yamlfile import read_yaml
from hack.chart import scenarios
from hack.chart.manifests import merged
from hack.chart.renderer import Renderer
from hack.flags.files import data_file, known_versions
from hack.flags.programs import PROGRAMS
from hack.schema import flagtypes

Path = tuple[Any, ...]

# Maps whose keys are names of the user's own, or of something that the chart does not know.
FREE = {
    *("env", "nodeSelector", "labels", "podLabels", "annotations", "podAnnotations", "matchLabels"),
    *("volumes", "hostPaths", "claims", "extendedResources"),
}
FLAGS = {"args", "engineArgs"}
# Documents that an engine defines: what is in them is for the engine to judge. Of one the chart knows the fields.
DOCUMENTS = {
    name
    for program in PROGRAMS
    for name, flag in read_yaml(data_file(program, known_versions()[0]))["flags"]["properties"].items()
    if flagtypes.typed(flag) in ("json", "value") or name == "trtllm"
} - {"router-conditional-disagg-config"}


def own(scenario: scenarios.Scenario) -> dict[str, Any]:
    """What the files of a scenario say."""
    values: dict[str, Any] = {}
    for file in scenario.files:
        values = merged(values, scenarios.content(file))
    return values


def places(values: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every key and entry, with its value."""
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield (*path, key), value
        if isinstance(value, dict | list) and not (
            path and path[-1] in FLAGS and str(key).partition(".")[0] in DOCUMENTS
        ):
            yield from places(value, (*path, key))


def mutations(values: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Values with one mistake each, and what it is."""
    for path, value in places(values):
        *above, key = path
        where = ".".join(map(str, path))
        free = bool(above) and above[-1] in FREE
        document = len(path) > 1 and path[-2] in FLAGS and str(key).partition(".")[0] in DOCUMENTS
        if isinstance(key, str) and not free and not (document and "." in key):
            yield (
                f"{where}: misspelled",
                changed(values, path, value, f"{key[:-2]}{key[-1]}" if len(key) > 3 else f"{key}x"),
            )
        if value is None or document:
            continue
        for other in others(value):
            yield f"{where}: {other!r}", changed(values, path, other)


def others(value: Any) -> list[Any]:
    """Values of another type, and a negative number."""
    if isinstance(value, bool):
        return ["maybe", 7]
    if isinstance(value, int | float):
        return ["many", [value], -value] if value else ["many", [value], -1]
    if isinstance(value, dict):
        return ["text", [value]]
    return [{"a": 1}, ["a"], True] if isinstance(value, str) else ["text", 7]


def changed(values: dict[str, Any], path: Path, value: Any, key: str | None = None) -> dict[str, Any]:
    """A copy with another value, or another key, in one place."""
    result = copy.deepcopy(values)
    place: Any = result
    for part in path[:-1]:
        place = place[part]
    if key is not None:
        place.pop(path[-1])
    place[path[-1] if key is None else key] = value
    return result


SCENARIOS = [s for s in scenarios.NAMED if s.files]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_no_mistake_in_a_scenario_is_accepted(scenario: scenarios.Scenario, render_fast: Renderer) -> None:
    values = own(scenario)
    assert render_fast(values).error == ""
    tried = list(mutations(values))
    assert len(tried) > 30
    assert [what for what, wrong in tried if not render_fast(wrong).error] == []
