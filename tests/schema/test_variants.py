"""No false alarms: what users change in ordinary ways renders, to objects that Kubernetes takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness import renderer, scenarios
from tests.harness.manifests import merged
from tests.harness.renderer import Renderer

VARIANTS: list[dict[str, Any]] = yaml.load(
    (Path(__file__).parent / "variants.yaml").read_text(), Loader=yaml.CSafeLoader
)


@pytest.mark.parametrize("entry", VARIANTS, ids=lambda e: e["variant"])
def test_a_variant_is_accepted(entry: dict[str, Any], render_fast: Renderer) -> None:
    values: dict[str, Any] = {}
    for file in entry.get("files", ()):
        values = merged(values, scenarios.content(file))
    result = render_fast(merged(values, entry["values"]))
    assert result.error == ""
    assert renderer.problems(result.manifests) == []
