"""Which process tests what where several test at once, and how they share the nodes of the cluster."""

import fcntl
from pathlib import PurePath
from typing import Any

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

E2E = "tests/e2e/"
# They take every GPU of the nodes, make other machines of them or break their services: one process tests these, first.
ALONE = ("multi_node", "scenarios", "gpus", "network", "preflight_hook")
# They measure what clients wait for, which a busy machine changes: three processes test these when the others
# have ended.
TIMED = (("reliability",), ("front_door", "monitoring"), ("tls_renewal",))
# They need no pods on the nodes.
APART = ("dry_run", "openapi", "preflight")


def scope_of(file: str) -> str:
    """What counts as one file to the scheduler: "alone", "timed 0", "timed 1", ..., or each other one."""
    name = PurePath(file).stem.removeprefix("test_")
    if file.startswith(E2E):
        for scope, names in {"alone": ALONE, **{f"timed {number}": each for number, each in enumerate(TIMED)}}.items():
            if name in names:
                return scope
    return file


def holds(file: str) -> tuple[int, ...]:
    """
    How a file of tests/e2e holds the nodes, step by step as flock has it: alone, shared with others, or not at all.
    What is timed comes last: it waits until it could have them alone.
    """
    scope = scope_of(file)
    if scope != file:
        return (fcntl.LOCK_EX,) if scope == "alone" else (fcntl.LOCK_EX, fcntl.LOCK_UN)
    return (fcntl.LOCK_UN if PurePath(file).stem.removeprefix("test_") in APART else fcntl.LOCK_SH,)


def rank(scope: str) -> int:
    """When a scope's turn comes: what needs the nodes alone, beside it what needs none, the others, what is timed."""
    for turn, beginning in {0: "alone", 3: "timed"}.items():
        if scope.startswith(beginning):
            return turn
    return 2 if scope.startswith(E2E) and fcntl.LOCK_SH in holds(scope) else 1


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
