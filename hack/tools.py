"""Provide the pinned command-line tools under .tools/bin.

A tool of the right version on PATH is linked; else the cached build is; else it is built from its Go module.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table

from hack import gobuild, log
from hack.log import UserError, console
from hack.paths import TOOLS_BIN
from hack.progress import Step
from hack.versions import Tool, tools

VERSION_TIMEOUT_SECONDS = 10


def reported_version(executable: Path, tool: Tool) -> str | None:
    """The version an executable reports, such as "4.2.4", or None when it does not say."""
    try:
        answer = subprocess.run(
            [executable, *tool.version_args],
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
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
    return gobuild.build_dir(tool.module, [tool.package], tool.ldflags) / tool.name


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
    last = tool.package.rsplit("/", 1)[-1]
    gobuild.build(tool.module, [tool.package], tool.ldflags, step, names={last: tool.name})
    reported = reported_version(executable, tool)
    if reported != tool.version:
        raise UserError(
            f"{tool.name} built from hack/go/{tool.module} reports version {reported}, "
            f"hack/versions.yaml wants {tool.version}: make the two agree"
        )
    _link(tool, executable)
    step.say(f"{tool.version} ready ({source})")
    return source


def ensure(names: Iterable[str] | None = None) -> dict[str, Path]:
    """Provide the named tools (default: all) and return their paths under .tools/bin."""
    known = tools()
    wanted = list(names) if names is not None else list(known)
    for name in wanted:
        if name not in known:
            raise UserError(f'unknown tool "{name}": choose from {", ".join(known)}')
    for name in wanted:
        provide(known[name])
    return {name: TOOLS_BIN / name for name in wanted}


def _link(tool: Tool, target: Path) -> None:
    TOOLS_BIN.mkdir(parents=True, exist_ok=True)
    # Renaming a finished link over the old one: no moment without the tool.
    temporary = TOOLS_BIN / f".{tool.name}.{os.getpid()}"
    temporary.symlink_to(target)
    temporary.replace(TOOLS_BIN / tool.name)


def _print_list() -> None:
    table = Table("tool", "pinned", "state", "from")
    for tool in tools().values():
        link = TOOLS_BIN / tool.name
        state = "ready" if is_current(tool) else "cached" if built_path(tool).exists() else "missing"
        table.add_row(tool.name, tool.version, state, str(link.resolve()) if link.exists() else "")
    console.print(table)


def run(argv: Sequence[str] | None = None) -> int:
    """The command line of `python -m hack.tools`."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.tools",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m hack.tools               provide every tool\n"
        "  python -m hack.tools helm kubectl  provide these two\n"
        "  python -m hack.tools --list        show versions and where each tool comes from",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="tools to provide (default: all)")
    parser.add_argument("--list", action="store_true", help="show the tools and change nothing")
    options = parser.parse_args(argv)
    if options.list:
        _print_list()
        return 0
    step = Step("tools")
    paths = ensure(options.names or None)
    step.say(f"{len(paths)} ready in .tools/bin: {', '.join(f'{n} {tools()[n].version}' for n in paths)}")
    return 0


if __name__ == "__main__":
    log.main(run)
