"""The KWOK process of the run, and what it showed of the scenarios."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hack.chart import proofs
from hack.cluster.lifecycle import Cluster
from hack.docs.pages import scheduling_table
from hack.kwok import simulator as simulators
from hack.kwok import substitutes
from hack.kwok.simulator import Simulator

ROWS = pytest.StashKey[dict[str, dict[str, Any]]]()


@pytest.fixture(scope="package")
def simulator(running: Cluster) -> Iterator[Simulator]:
    """KWOK nodes in the cluster of the run, and the kinds that machines need, until the tests of this folder end."""
    with simulators.running(running.kubeconfig) as made:
        substitutes.define_compute_domains(made)
        yield made


@pytest.fixture
def report(pytestconfig: pytest.Config) -> Callable[[str, dict[str, Any]], None]:
    """Takes down what was seen of a scenario, as proofs.scheduled() has it."""
    return pytestconfig.stash.setdefault(ROWS, {}).__setitem__


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes hands on what it saw to the one that prints."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["scheduled"] = session.config.stash.get(ROWS, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take it."""
    node.config.stash.setdefault(ROWS, {}).update(getattr(node, "workeroutput", {}).get("scheduled", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was seen, and write it down where that is asked for."""
    if rows := config.stash.get(ROWS, {}):
        terminalreporter.write(scheduling_table(rows))
        if config.getoption("update_proofs"):
            proofs.write_scheduled(rows)
            terminalreporter.write_line(f"{proofs.FILE} has it now; next: make generate")
