"""The table of docs/scheduling.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hack.docs import SCHEDULING_PAGE, table

BEGIN = "<!-- Begin of what `make scheduling` writes. -->\n"
END = "<!-- End of it. -->\n"
HEADER = ["scenario", "machine", "pods", "nodes", "GPUs", "seconds"]


@dataclass(frozen=True, order=True)
class Row:
    """One scenario; `seconds` are from the start of helm install until every pod was placed."""

    scenario: str
    machine: str
    pods: str
    nodes: int
    gpus: int
    seconds: float

    def cells(self) -> list[str]:
        """As text."""
        return [self.scenario, self.machine, self.pods, str(self.nodes), str(self.gpus), f"{self.seconds:.1f}"]


def update(rows: Sequence[Row]) -> None:
    """Write the rows into the page."""
    written = BEGIN + table(HEADER, [row.cells() for row in rows]) + END
    pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    SCHEDULING_PAGE.write_text(pattern.sub(lambda _: written, SCHEDULING_PAGE.read_text()))
