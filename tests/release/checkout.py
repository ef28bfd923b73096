"""Git checkouts of the project as it is now, committed, for tests that package or publish."""

import shutil
import subprocess
from pathlib import Path

import yaml

from hack.base.paths import ROOT
from hack.release import package

VERSION = str(yaml.safe_load((ROOT / "Chart.yaml").read_text())["version"])
# One that comes later
NEXT = "0.99.0"
ENV = {
    **{f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    **{f"GIT_{who}_DATE": "2026-01-02T03:04:05Z" for who in ("AUTHOR", "COMMITTER")},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "PATH": "/usr/bin:/bin:/usr/local/bin",
}


def git(folder: Path, *arguments: str) -> str:
    """Git with a fixed author, date and configuration."""
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, env=ENV, check=True)
    return done.stdout.strip()


def make(folder: Path) -> Path:
    """A checkout with one commit."""
    for name in package.tracked(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "all")
    return folder


def commit(folder: Path, message: str) -> None:
    """Commit everything in a checkout."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
