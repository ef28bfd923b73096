"""The rejection table: ordinary mistakes are refused with a message that says what to change."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness import chart, renderer, scenarios
from tests.harness.helm import STUMBLES, Helm
from tests.harness.manifests import merged
from tests.harness.renderer import Renderer

HERE = Path(__file__).parent


def table(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = yaml.load((HERE / name).read_text(), Loader=yaml.CSafeLoader)
    return entries


FLAGS = table("mistakes-flags.yaml")  # test_engine_flags.py
MISTAKES = [e for f in ("mistakes.yaml", "mistakes-rules.yaml", "mistakes-peers.yaml") for e in table(f)]
# Defects of other charts that values can express; the others are about files, manifests and documentation.
DEFECTS = {
    "gpu-recipes": {1, 4, 5, 6, 7, 8, 9},
    "tke": {1, 3, 4, 5, 6, 7, 8, 9, 10},
}


@pytest.mark.parametrize("entry", MISTAKES, ids=lambda e: e["mistake"])
def test_a_mistake_is_refused(entry: dict[str, Any], each_helm: Helm) -> None:
    result, objects = chart.attempt(
        entry["values"],
        entry.get("files", ()),
        release=entry.get("release", "demo"),
        helm=each_helm.name,
    )
    assert result.code, f"accepted, {len(objects)} objects rendered"
    missing = [part for part in entry["says"] if part not in result.stderr]
    assert not missing, f"the message lacks {missing}:\n{result.stderr}"
    assert not STUMBLES.search(result.stderr), result.stderr


def on_files(entry: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Values over those of the files of an entry."""
    base: dict[str, Any] = {}
    for file in entry.get("files", ()):
        base = merged(base, scenarios.content(file))
    return merged(base, values)


@pytest.mark.parametrize("entry", [e for e in MISTAKES if "instead" in e], ids=lambda e: e["mistake"])
def test_what_is_just_right_is_accepted(entry: dict[str, Any], render_fast: Renderer) -> None:
    result = render_fast(on_files(entry, entry["instead"]))
    assert result.error == ""
    assert renderer.problems(result.manifests) == []


@pytest.mark.parametrize("entry", MISTAKES, ids=lambda e: e["mistake"])
def test_the_fast_renderer_says_what_helm_says(entry: dict[str, Any], render_fast: Renderer) -> None:
    result = render_fast(on_files(entry, entry["values"]), release=entry.get("release", "demo"))
    said, _ = chart.attempt(entry["values"], entry.get("files", ()), release=entry.get("release", "demo"))
    # Of several problems with the schema either says any first.
    missing = [line for line in result.error.split("\n") if line.strip() not in said.stderr]
    assert missing == []


def test_every_mistake_is_another_one() -> None:
    for key in ("mistake", "values"):
        texts = Counter(
            json.dumps([e[key], e.get("files")], sort_keys=True) for e in MISTAKES if key != "values" or e[key]
        )
        assert [text for text, count in texts.items() if count > 1] == []
    assert len(MISTAKES) >= 150
    assert len(MISTAKES) + len(FLAGS) >= 200


def test_defects_of_other_charts_are_refused() -> None:
    seen: dict[str, set[int]] = {chart: set() for chart in DEFECTS}
    for entry in MISTAKES:
        name, _, number = entry.get("source", "").partition(" ")
        if number.isdigit():
            seen[name].add(int(number))
    assert seen == DEFECTS
