"""The same program as the Job's, run here against a URL: of an endpoint outside a cluster, or behind a port-forward."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.step import Step
from hack.benchmark.results import FILE

MARK, FAIL = "benchmark-result ", "FAIL: "


def measure(plan: dict[str, Any], folder: Path, aiperf: Sequence[str], step: Step) -> None:
    """Write a result folder. Raises UserError with the program's own sentence when there is none to trust."""
    open_new(folder)
    file = folder / "plan.json"
    file.write_text(json.dumps(plan, indent=1))
    said: list[str] = []

    def observe(line: str) -> str | None:
        said.append(line)
        return None if line.startswith(MARK) else line.strip()[:100]

    command: list[str | Path] = [sys.executable, "-m", "benchmark", file, folder, *aiperf]
    env = {"PYTHONPATH": os.pathsep.join([str(ROOT / "files"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
    try:
        step.run(command, f"measuring {plan['url']}", env=env, observe=observe)
    except UserError:
        raise failed(said, folder.name) from None


def open_new(folder: Path) -> None:
    """A folder that holds no result yet: nothing is written over. Raises UserError."""
    if (folder / FILE).exists():
        raise UserError(f"{folder} has a result already: name another folder with --out")
    folder.mkdir(parents=True, exist_ok=True)


def failed(said: Sequence[str], what: str) -> UserError:
    """The sentence of a run that failed, of all that it printed."""
    sentences = [line.removeprefix(FAIL) for line in said if line.startswith(FAIL)]
    tail = [line for line in said if line.strip() and not line.startswith(MARK)][-10:]
    return UserError(f"{what}: {sentences[-1]}" if sentences else "\n  ".join([f"{what}: the run broke off:", *tail]))
