"""Pictures of the dashboards for docs/monitoring.md, drawn from what Prometheus answered to the panels' queries."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from hack.monitoring.panels import Dashboard, Panel, Query

COLUMNS = 3
# Grafana's units, as a number is written with them.
UNITS = {"s": "s", "ms": "ms", "reqps": "req/s", "ops": "1/s", "percentunit": "share", "short": ""}
# Ids of workers are long numbers.
LONG = re.compile(r"\d{6,}")


@dataclass(frozen=True)
class Line:
    """One series of a query: seconds since the beginning, and values."""

    labels: dict[str, str]
    times: list[float]
    values: list[float]


Ask = Callable[[Query], list[Line]]


def lines(result: list[dict[str, Any]]) -> list[Line]:
    """The result of a query over a range."""
    begin = min((series["values"][0][0] for series in result), default=0)
    return [
        Line(series["metric"], [t - begin for t, _ in series["values"]], [float(v) for _, v in series["values"]])
        for series in result
    ]


def draw(dashboard: Dashboard, ask: Ask, file: Path) -> None:
    """One picture with all panels."""
    rows = -(-len(dashboard.panels) // COLUMNS)
    figure = Figure(figsize=(13, 2.4 * rows + 0.4), layout="constrained")
    figure.suptitle(dashboard.title, fontsize=11, fontweight="bold")
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    for axes, panel in zip(grid.flat, dashboard.panels, strict=False):
        _panel(axes, panel, ask)
    for axes in grid.flat[len(dashboard.panels) :]:
        axes.set_axis_off()
    save(figure, file)


def save(figure: Figure, file: Path) -> None:
    """A small PNG."""
    with io.BytesIO() as full:
        figure.savefig(full, dpi=80)
        # A few lines on white need few colours.
        Image.open(full).convert("RGB").quantize(48).save(file, optimize=True)


def _panel(axes: Axes, panel: Panel, ask: Ask) -> None:
    axes.set_title(panel.title, fontsize=8.5)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    found = list(_found(panel, ask))
    for legend, line in found:
        axes.plot(line.times, line.values, linewidth=1.2, label=legend)
    if found:
        highest = max(value for _, line in found for value in line.values)
        axes.set_ylim(0, highest * 1.1 or 1)
        axes.set_ylabel(UNITS[panel.unit], fontsize=7)
        axes.legend(fontsize=6, loc="best", framealpha=0.6)
    else:
        reasons = sorted({query.missing for query in panel.queries})
        axes.text(0.5, 0.5, "no data here: " + ", ".join(reasons), ha="center", fontsize=7, transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])


def _found(panel: Panel, ask: Ask) -> Iterator[tuple[str, Line]]:
    for query in panel.queries:
        for line in ask(query):
            legend = query.legend
            for name in re.findall(r"\{\{(\w+)\}\}", legend):
                legend = legend.replace(f"{{{{{name}}}}}", line.labels.get(name, ""))
            yield LONG.sub(lambda m: f"…{m[0][-4:]}", legend).strip(), line
