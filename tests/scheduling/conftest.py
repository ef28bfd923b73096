"""The KWOK process of the run, and its table of results."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console
from rich.table import Table

from hack.cluster import Cluster
from hack.docs import SCHEDULING_PAGE
from hack.kwok import simulator as simulators
from hack.kwok import standins
from hack.kwok.simulator import Simulator
from tests.scheduling import page
from tests.scheduling.page import Row

ROWS = pytest.StashKey[list[Row]]()


@pytest.fixture(scope="module")
def simulator(running: Cluster) -> Iterator[Simulator]:
    """KWOK nodes in the cluster of the run, and the kinds that the chart's machines need; gone before other tiers."""
    with simulators.running(running.kubeconfig) as made:
        standins.define_compute_domains(made)
        yield made


@pytest.fixture
def report(pytestconfig: pytest.Config) -> Callable[[Row], None]:
    """Adds a row to the table at the end of the run."""
    return pytestconfig.stash.setdefault(ROWS, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, and write it into the docs where that is asked for."""
    rows: list[Row] = config.stash.get(ROWS, [])
    rows.sort()
    if not rows:
        return
    table = Table(*page.HEADER, title="Placed by the scheduler on KWOK nodes")
    for row in rows:
        table.add_row(*row.cells())
    text = io.StringIO()
    Console(file=text, width=120).print(table)
    terminalreporter.write(text.getvalue())
    if config.getoption("update_docs"):
        page.update(rows)
        terminalreporter.write_line(f"{SCHEDULING_PAGE} has this table now")
