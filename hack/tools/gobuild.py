"""The pinned Go modules in hack/data/go: commands built from them, cached by content, and their sources."""

import inspect
import json
import platform
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hack.base import process
from hack.base.log import UserError
from hack.base.paths import ROOT, cache_dir, content_key
from hack.base.step import Step

GO_MODULES = ROOT / "hack" / "data" / "go"
NO_GO = "Go is not installed. Install Go 1.26 or newer (https://go.dev/doc/install) and run this again."


def build_dir(
    module: str,
    packages: list[str],
    ldflags: str = "",
    names: dict[str, str] | None = None,
    tags: str = "",
    changed: Callable[[Path], None] | None = None,
) -> Path:
    """The cache folder that holds (or will hold) the commands that build() makes of the same arguments."""
    # The version of Go is not part of the key: a cached tool must stay usable where Go is not installed.
    target = f"{platform.system()}-{platform.machine()}"
    renamed = [f"{built} as {wanted}" for built, wanted in (names or {}).items() if built != wanted]
    # The file of the function that changes the sources, as it is what it does.
    code = [Path(inspect.getfile(changed))] if changed else []
    key = content_key(GO_MODULES / module, *packages, ldflags, *filter(None, [tags]), *renamed, *code, target)
    return cache_dir() / "tools" / f"{module}-{key}"


def source(module: str, path: str) -> Path:
    """The folder of a Go module's source, at the version that a module of hack/data/go pins; fetched if need be."""
    what = f"cannot get the Go module {path}"
    try:
        answer = process.output(["go", "mod", "download", "-json", path], what, cwd=GO_MODULES / module)
    except FileNotFoundError:
        raise UserError(f"{what}: {NO_GO}") from None
    return Path(json.loads(answer)["Dir"])


def build(
    module: str,
    packages: list[str],
    ldflags: str = "",
    step: Step | None = None,
    names: dict[str, str] | None = None,
    tags: str = "",
    changed: Callable[[Path], None] | None = None,
) -> Path:
    """Build commands of one module in a single `go build`, and return the folder that holds them.

    A package is an import path, or "." for the module's own main package. `names` gives a built command
    (default: the last element of its import path) another file name. Statically linked, for this machine.
    `changed` writes a module of its own into a folder, to be built there: upstream's, when it has to be changed.
    """
    folder = build_dir(module, packages, ldflags, names, tags, changed)
    if folder.is_dir():
        return folder
    step = step or Step(module)
    if shutil.which("go") is None:
        raise UserError(f"{step.name}: cannot build {', '.join(packages)}: {NO_GO}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Two commands started at once do not build the same thing twice.
    with step.lock(folder.with_suffix(".lock"), "waiting for another process that builds it"):
        if folder.is_dir():
            return folder
        temporary = Path(tempfile.mkdtemp(prefix=f".{module}-", dir=folder.parent))
        sources = Path(tempfile.mkdtemp(prefix=f".{module}-source-", dir=folder.parent))
        try:
            if changed:
                changed(sources)
            _go_build(sources if changed else GO_MODULES / module, packages, ldflags, tags, temporary, step)
            for built, wanted in (names or {}).items():
                (temporary / built).rename(temporary / wanted)
            temporary.chmod(0o755)
            temporary.rename(folder)
        finally:
            for left in (temporary, sources):
                shutil.rmtree(left, ignore_errors=True)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    step.say(f"built, {size:.0f} MB")
    return folder


def _go_build(where: Path, packages: list[str], ldflags: str, tags: str, output: Path, step: Step) -> None:
    downloaded = compiled = 0

    def observe(line: str) -> str | None:
        nonlocal downloaded, compiled
        if line.startswith("go: downloading "):
            downloaded += 1
        elif re.fullmatch(r"[\w.~/-]+", line):
            compiled += 1
        return f"{downloaded} modules downloaded, {compiled} packages compiled"

    flags = f"-s -w {ldflags}".strip()
    command = ["go", "build", "-C", str(where), "-v", "-mod=readonly", "-buildvcs=false", "-trimpath"]
    step.say("building from its Go module")
    step.run(
        [*command, "-tags", tags, "-ldflags", flags, "-o", f"{output}/", *packages],
        "go build",
        env={"CGO_ENABLED": "0", "GOWORK": "off"},
        observe=observe,
    )
