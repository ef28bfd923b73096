"""The pinned tools that only a release or a mirror needs: crane, cosign, registry, actionlint."""

from __future__ import annotations

from pathlib import Path

from hack import tools
from hack.paths import TOOLS_BIN
from hack.versions import Tool, versions


def release_tools() -> dict[str, Tool]:
    """The tools of the section release-tools of hack/versions.yaml, by name."""
    return {
        name: Tool(
            name=name,
            version=str(entry["version"]),
            module=str(entry["module"]),
            package=str(entry["package"]),
            ldflags=str(entry["ldflags"]),
            path_names=tuple(entry["names"]),
            version_args=tuple(entry["prints-version"]),
        )
        for name, entry in versions()["release-tools"].items()
    }


def ensure(*names: str) -> dict[str, Path]:
    """Provide these tools in .tools/bin (from PATH, the cache, or built) and return their paths."""
    known = release_tools()
    for name in names:
        tools.provide(known[name])
    return {name: TOOLS_BIN / name for name in names}
