"""Debian root file systems, made by mmdebstrap and kept in the cache."""

import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from hack.base.paths import cache_dir, content_key
from hack.base.step import Step
from hack.containers import packages

UNNEEDED = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale", "info")]


def can_make(step: Step) -> bool:
    """Whether mmdebstrap is here, installed now where that is possible without asking."""
    if shutil.which("mmdebstrap") is None and packages.can_install():
        packages.install(step, ["mmdebstrap"])
    return shutil.which("mmdebstrap") is not None


def make(name: str, suite: str, variant: str, include: Sequence[str], options: Sequence[str] = ()) -> Path:
    """A tar archive with some packages of a Debian release; `variant` and `options` are mmdebstrap's."""
    arguments = [f"--variant={variant}", f"--include={','.join(include)}", *UNNEEDED, *options, suite]
    target = cache_dir() / "debian" / f"{name}-{content_key(*arguments, platform.machine())}.tar"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    step = Step(name)
    step.say(f"Debian {suite} with {len(include)} packages")
    temporary = target.with_suffix(".part.tar")
    try:
        step.run(
            ["mmdebstrap", *arguments, temporary],
            "mmdebstrap",
            observe=lambda line: line.removeprefix("I: ") if line.startswith("I: ") else None,
        )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    step.say(f"made, {target.stat().st_size / 1e6:.0f} MB")
    return target
