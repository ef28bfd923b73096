"""The pinned versions of hack/data/versions.yaml."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml

VERSIONS_FILE = ROOT / "hack" / "data" / "versions.yaml"


@dataclass(frozen=True)
class Tool:
    """One pinned command-line tool and the Go package it is built from."""

    name: str
    version: str
    module: str
    package: str
    ldflags: str
    tags: str
    path_names: tuple[str, ...]
    version_args: tuple[str, ...]
    on_demand: bool


@cache
def versions() -> dict[str, Any]:
    """The parsed versions file; treat it as read-only."""
    return read_yaml(VERSIONS_FILE)


def tools() -> dict[str, Tool]:
    """The pinned tools of a section by name, in the order they are built."""
    kubernetes_flags = str(versions()["kubernetes"]["ldflags"])
    return {
        name: Tool(
            name=name,
            version=str(entry["version"]),
            module=str(entry["module"]),
            package=str(entry["package"]),
            ldflags=kubernetes_flags if entry["module"] == "kubernetes" else str(entry.get("ldflags", "")),
            tags=str(entry.get("tags", "")),
            path_names=tuple(entry["names"]),
            version_args=tuple(entry["prints-version"]),
            on_demand=bool(entry.get("on-demand")),
        )
        for name, entry in versions()["tools"].items()
    }
