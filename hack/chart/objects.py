"""Helm's render of some values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.yamlfile import parse_all
from hack.chart.helm import Helm
from hack.tools import pinned


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
    pinned.ensure(["helm"])
    done = Helm().attempt("template", release, str(chart), *arguments, *options)
    if done.code:
        raise UserError(f"the chart cannot be rendered with these values: {done.stderr.strip()}")
    return parse_all(done.stdout)
