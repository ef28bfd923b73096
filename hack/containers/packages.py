"""Debian packages the harness needs, installed where that is possible without asking."""

import os
import platform
import shutil
import threading

from hack.base.step import Step

# apt takes one caller at a time, and images are built side by side.
_one_at_a_time = threading.Lock()


def can_install() -> bool:
    """Whether this is a Debian-like host on which we are root."""
    return platform.system() == "Linux" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(step: Step, packages: list[str]) -> None:
    """Install packages with apt-get, without recommended extras."""
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages]
    with _one_at_a_time:
        step.say(f"installing Debian packages: {' '.join(packages)}")
        step.run(["apt-get", "update", "--quiet"], "apt-get update", env=env)
        step.run(command, "apt-get install", env=env, observe=lambda line: line[:80])
