"""Where several processes test, they share the nodes."""

import fcntl
from collections.abc import Callable, Iterator

import pytest

from hack.base.paths import ROOT
from tests.turns import holds


@pytest.fixture(scope="session")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], None]]:
    """Takes the nodes, alone or with others, and keeps them until it is called again."""
    with (tmp_path_factory.getbasetemp().parent / "nodes.lock").open("w") as file:
        yield lambda share: fcntl.flock(file, share)


@pytest.fixture(scope="module", autouse=True)
def _nodes(hold: Callable[[int], None], request: pytest.FixtureRequest) -> Iterator[None]:
    steps = holds(request.path.relative_to(ROOT).as_posix())
    for step in steps:
        hold(step)
    yield
    if fcntl.LOCK_SH in steps:
        hold(fcntl.LOCK_UN)
