"""The pinned versions of hack/versions.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

VERSIONS_FILE = Path(__file__).with_name("versions.yaml")


@dataclass(frozen=True)
class Tool:
    """One pinned command-line tool and the Go package it is built from."""

    name: str
    version: str
    module: str
    package: str
    ldflags: str
    path_names: tuple[str, ...]
    version_args: tuple[str, ...]


@cache
def versions() -> dict[str, Any]:
    """The parsed versions file; treat it as read-only."""
    data: dict[str, Any] = yaml.safe_load(VERSIONS_FILE.read_text())
    return data


def tools() -> dict[str, Tool]:
    """The pinned tools by name, in the order they are built."""
    kubernetes_flags = str(versions()["kubernetes"]["ldflags"])
    return {
        name: Tool(
            name=name,
            version=str(entry["version"]),
            module=str(entry["module"]),
            package=str(entry["package"]),
            ldflags=kubernetes_flags if entry["module"] == "kubernetes" else str(entry.get("ldflags", "")),
            path_names=tuple(entry["names"]),
            version_args=tuple(entry["prints-version"]),
        )
        for name, entry in versions()["tools"].items()
    }
