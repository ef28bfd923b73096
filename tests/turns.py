"""Which process tests what where several test at once, and how they share the nodes of the cluster."""

import fcntl
from pathlib import PurePath
from typing import Any

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

E2E = "tests/e2e/"
# They take every GPU of the nodes, make other machines of them or break their services: one process tests these, first.
ALONE = ("multi_node", "scenarios", "gpus", "network", "preflight_hook")
# They measure what clients wait for, which a busy machine changes: one process tests these when the others have ended.
TIMED = ("reliability", "tls_renewal", "monitoring", "front_door")
# They need no pods on the nodes.
APART = ("dry_run", "openapi", "preflight")


def scope_of(file: str) -> str:
    """What counts as one file to the scheduler: "alone", "timed", or each other one."""
    name = PurePath(file).stem.removeprefix("test_")
    if not file.startswith(E2E):
        return file
    return "alone" if name in ALONE else "timed" if name in TIMED else file


def share_of(file: str) -> int:
    """How a file of tests/e2e holds the nodes, as flock has it: alone, shared with other tests, or not at all."""
    if scope_of(file) != file:
        return fcntl.LOCK_EX
    return fcntl.LOCK_UN if PurePath(file).stem.removeprefix("test_") in APART else fcntl.LOCK_SH


def rank(scope: str) -> int:
    """When a scope's turn comes: what needs the nodes alone, beside it what needs none, then the others."""
    if scope in ("alone", "timed"):
        return 0 if scope == "alone" else 3
    return 2 if scope.startswith(E2E) and share_of(scope) == fcntl.LOCK_SH else 1


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """With `--dist loadfile`: files as `scope_of` has them, in the order of `rank`."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: Any) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=rank), last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Which process tests what."""
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None
