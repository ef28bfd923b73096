"""Which process tests what where several test at once, and how they share the nodes of the cluster."""

import fcntl
from pathlib import PurePath
from typing import Any

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

E2E = "tests/e2e/"
# They take every GPU of the nodes, make other machines of them or break their services: one process tests these, first.
ALONE = ("multi_node", "scenarios", "gpus", "network", "preflight_hook")
# They need no pods on the nodes.
APART = ("dry_run", "openapi", "preflight")
# What takes minutes comes before what takes seconds, or the last process is left alone with it.
LONG = ("benchmark", "reliability", "tls_renewal", "monitoring", "front_door")


def share_of(file: str) -> int:
    """How a file of tests/e2e holds the nodes, as flock has it: alone, shared with other tests, or not at all."""
    name = PurePath(file).stem.removeprefix("test_")
    return fcntl.LOCK_EX if name in ALONE else fcntl.LOCK_UN if name in APART else fcntl.LOCK_SH


def rank(scope: str) -> int:
    """When a scope's turn comes: what is alone while others need no nodes, then the long ones."""
    if scope == "alone":
        return 0
    if not scope.startswith(E2E) or share_of(scope) == fcntl.LOCK_UN:
        return 1
    return 2 if PurePath(scope).stem.removeprefix("test_") in LONG else 3


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """With `--dist loadfile`: those that need the nodes alone count as one file, and the order is `rank`'s."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "alone" if file.startswith(E2E) and share_of(file) == fcntl.LOCK_EX else file

    def _assign_work_unit(self, node: Any) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=rank), last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Which process tests what."""
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None
