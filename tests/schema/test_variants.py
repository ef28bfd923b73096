"""No false alarms: what users change in ordinary ways renders, to objects that Kubernetes takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.chart.render import Render

VARIANTS: list[dict[str, Any]] = yaml.load(
    (Path(__file__).parent / "variants.yaml").read_text(), Loader=yaml.CSafeLoader
)


@pytest.mark.parametrize("entry", VARIANTS, ids=lambda e: e["variant"])
def test_a_variant_is_accepted(entry: dict[str, Any], render: Render) -> None:
    render(entry["values"], entry.get("files", ()))
