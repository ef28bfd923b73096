"""The rejection table: ordinary mistakes are refused with a message that says what to change."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness import chart
from tests.harness.helm import Helm

MISTAKES: list[dict[str, Any]] = yaml.load(
    (Path(__file__).parent / "mistakes.yaml").read_text(), Loader=yaml.CSafeLoader
)

# Signs of a template that stumbled over a value in place of checking it.
STUMBLES = re.compile(r"nil pointer|wrong type for value|can't evaluate|error calling|YAML parse error")


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


def test_every_mistake_is_listed_once() -> None:
    names = [entry["mistake"] for entry in MISTAKES]
    assert sorted(names) == sorted(set(names))
