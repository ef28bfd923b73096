"""Which process tests what where several test at once, and how they share the nodes of the cluster."""

import fcntl
import os
from pathlib import Path, PurePath
from typing import Any

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

E2E = "tests/e2e/"
# One process tests all of it: what a second one found there, such as a kind, would go when the first one ends.
SCHEDULING = "tests/scheduling/"
# They take every GPU of the nodes, make other machines of them or break their services: one process tests these, first.
ALONE = ("multi_node", "scenarios", "gpus", "network", "preflight_hook")
# They measure what clients wait for, which a busy machine changes: two processes test these when the others
# have ended.
TIMED = (("reliability", "front_door"), ("tls_renewal", "monitoring"))
# They need no pods on the nodes.
APART = ("dry_run", "openapi", "preflight")
# What their tests share takes long to make. Any process may test one of the other files' tests.
TOGETHER = ("benchmark", "registry")
# It begins before other tests that share the nodes.
LONGEST = "benchmark"
# Tests without a cluster, on the same processors, give way to those in which clients and probes wait for an answer.
CLUSTER = {"scheduling", "e2e"}
YIELDING = 10


def subject(nodeid: str) -> str:
    """What a test's file is about: `tests/e2e/test_tls.py::test_x` is about "tls"."""
    return PurePath(nodeid.partition("::")[0]).stem.removeprefix("test_")


def scope_of(nodeid: str) -> str:
    """What one process tests: "alone", "timed 0", "timed 1", a folder, a file, or a test on its own."""
    file, about = nodeid.partition("::")[0], subject(nodeid)
    if file.startswith(SCHEDULING):
        return SCHEDULING
    if not file.startswith(E2E) or about in APART or about in TOGETHER:
        return file
    scopes = {"alone": ALONE, **{f"timed {number}": each for number, each in enumerate(TIMED)}}
    return next((scope for scope, those in scopes.items() if about in those), nodeid)


def holds(file: str) -> tuple[int, ...]:
    """
    How a file of tests/e2e holds the nodes, step by step as flock has it: alone, shared with others, or not at all.
    What is timed comes last: it waits until it could have them alone.
    """
    about = subject(file)
    if about in ALONE:
        return (fcntl.LOCK_EX,)
    if any(about in each for each in TIMED):
        return (fcntl.LOCK_EX, fcntl.LOCK_UN)
    return (fcntl.LOCK_UN if about in APART else fcntl.LOCK_SH,)


def rank(scope: str) -> int:
    """When a scope's turn comes: what needs the nodes alone, beside it what needs none, the others, what is timed."""
    for turn, beginning in {0: "alone", 1: SCHEDULING, 5: "timed"}.items():
        if scope.startswith(beginning):
            return turn
    if not scope.startswith(E2E) or subject(scope) in APART:
        return 2
    return 3 if subject(scope) == LONGEST else 4


class InTurn(LoadFileScheduling):  # type: ignore[misc]
    """With `--dist loadfile`: as `scope_of` has them, in the order of `rank`."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=rank), last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Which process tests what."""
    return InTurn(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """One of several processes gives way from its first test without a cluster on."""
    if hasattr(item.config, "workerinput") and not CLUSTER & set(Path(item.path).parts) and not os.nice(0):
        os.nice(YIELDING)
