"""Provide the pinned command-line tools under .tools/bin.

A tool of the right version on PATH is linked; else the cached build is; else it is built from its Go module.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from hack.base import process
from hack.base.log import UserError, print_table
from hack.base.paths import TOOLS_BIN
from hack.base.step import Step
from hack.base.versions import Tool, tools
from hack.tools import gobuild

VERSION_TIMEOUT_SECONDS = 10


def reported_version(executable: Path, tool: Tool) -> str | None:
    """The version an executable reports, such as "4.2.4", or None when it does not say."""
    try:
        answer = process.run([executable, *tool.version_args], timeout=VERSION_TIMEOUT_SECONDS)
    except (OSError, process.NotFinishedError):
        return None
    # A suffix such as -rc.1 makes it another version; build metadata (+g1a2b3c) does not.
    match = re.search(r"\bv?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)", answer.stdout)
    return match.group(1) if match and answer.returncode == 0 else None


def find_on_path(tool: Tool) -> Path | None:
    """The first executable on PATH that reports exactly the pinned version."""
    for folder in os.get_exec_path():
        for name in tool.path_names:
            candidate = Path(folder) / name
            if candidate.parent == TOOLS_BIN or not os.access(candidate, os.X_OK) or candidate.is_dir():
                continue
            if reported_version(candidate, tool) == tool.version:
                return candidate.absolute()
    return None


def built_path(tool: Tool) -> Path:
    """Where the cache keeps (or will keep) the build of a tool."""
    return gobuild.build_dir(tool.module, [tool.package], tool.ldflags, _names(tool), tool.tags) / tool.name


def is_current(tool: Tool) -> bool:
    """Whether .tools/bin already has this tool in its pinned version."""
    link = TOOLS_BIN / tool.name
    if not link.exists():
        return False
    # A link into the cache names the content it was built from; anything else is asked.
    return link.resolve() == built_path(tool).resolve() or reported_version(link, tool) == tool.version


def provide(tool: Tool) -> str:
    """Make .tools/bin/<name> the pinned version of a tool; returns in a few words where it came from."""
    if is_current(tool):
        return "ready"
    step = Step(tool.name)
    if found := find_on_path(tool):
        _link(tool, found)
        step.say(f"{tool.version} found at {found}")
        return f"from PATH ({found})"
    executable = built_path(tool)
    source = "cached build" if executable.exists() else "built"
    gobuild.build(tool.module, [tool.package], tool.ldflags, step, _names(tool), tool.tags)
    reported = reported_version(executable, tool)
    if reported != tool.version:
        raise UserError(
            f"{tool.name} built from hack/data/go/{tool.module} reports version {reported}, "
            f"hack/data/versions.yaml wants {tool.version}: make the two agree"
        )
    _link(tool, executable)
    step.say(f"{tool.version} ready ({source})")
    return source


def ensure(names: Iterable[str] | None = None) -> dict[str, Path]:
    """Provide the named tools (default: all but those on demand) and return their paths under .tools/bin."""
    known = tools()
    wanted = list(names) if names is not None else [name for name, tool in known.items() if not tool.on_demand]
    for name in wanted:
        if name not in known:
            raise UserError(f'unknown tool "{name}": choose from {", ".join(known)}')
    for name in wanted:
        provide(known[name])
    return {name: TOOLS_BIN / name for name in wanted}


def _names(tool: Tool) -> dict[str, str]:
    return {tool.package.rsplit("/", 1)[-1]: tool.name}


def _link(tool: Tool, target: Path) -> None:
    TOOLS_BIN.mkdir(parents=True, exist_ok=True)
    # Renaming a finished link over the old one: no moment without the tool.
    temporary = TOOLS_BIN / f".{tool.name}.{os.getpid()}"
    temporary.symlink_to(target)
    temporary.replace(TOOLS_BIN / tool.name)


def print_list() -> None:
    """Print the tools, their state, and where each comes from."""
    rows = []
    for tool in tools().values():
        link = TOOLS_BIN / tool.name
        state = "ready" if is_current(tool) else "cached" if built_path(tool).exists() else "missing"
        rows.append((tool.name, tool.version, state, str(link.resolve()) if link.exists() else ""))
    print_table(("tool", "pinned", "state", "from"), rows)
