"""What the tests have shown of the scenarios in values/: tests/proofs.yaml."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml

FILE = ROOT / "tests" / "proofs.yaml"


def scheduled() -> dict[str, dict[str, Any]]:
    """Scenarios whose pods the scheduler has placed: pods by component, nodes, GPUs, seconds until all were placed."""
    return dict(read_yaml(FILE)["scheduled"])


def served() -> list[str]:
    """Scenarios that were installed, simulated, and answered requests."""
    return list(read_yaml(FILE)["served"])


def on_gpus() -> list[str]:
    """Scenarios that ran on real GPUs of their own machine type."""
    return list(read_yaml(FILE)["onGpus"])


def write_scheduled(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace what scheduled() returns."""
    text = "scheduled:\n"
    for name, row in sorted(rows.items()):
        text += f"  {name}: {yaml.safe_dump(dict(row), default_flow_style=True, sort_keys=False, width=1000)}"
    FILE.write_text(re.sub(r"(?m)^scheduled:\n(  .*\n)*", lambda _: text, FILE.read_text()))
