"""Helm's render of some values."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from hack import tools
from hack.log import UserError
from hack.paths import ROOT

RENDER_SECONDS = 60


def rendered(
    files: Sequence[Path | str] = (),
    settings: Sequence[str] = (),
    *options: str,
    release: str = "demo",
    chart: Path = ROOT,
) -> list[Any]:
    """The objects of a chart with these values; `settings` are --set arguments, `options` any of `helm template`.

    Raises UserError with Helm's message when Helm refuses the values.
    """
    arguments = [
        *(part for file in files for part in ("--values", str(file))),
        *(part for setting in settings for part in ("--set", setting)),
    ]
    command = [str(tools.ensure(["helm"])["helm"]), "template", release, str(chart), *arguments, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RENDER_SECONDS)
    if done.returncode:
        raise UserError(f"the chart cannot be rendered with these values: {done.stderr.strip()}")
    return list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))
