"""Workers of several nodes by LeaderWorkerSet's own controller, in both of its kinds: as tests/e2e by StatefulSets."""

from collections.abc import Callable, Iterator

import pytest

from hack.cluster import lifecycle as cluster
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from tests.clusterfixtures import dressed
from tests.e2e.test_multi_node import prove

# Room for a decode worker more: an update of a DisaggregatedSet asks for it.
GPUS_PER_NODE = 60


@pytest.fixture(scope="module", autouse=True)
def a4x(running: cluster.Cluster) -> Iterator[None]:
    """The cluster's workers as A4X nodes with many GPUs."""
    with dressed(running, "gke-a4x", GPUS_PER_NODE):
        yield


@pytest.mark.parametrize("controller", ["lws", "disaggregatedset"])
def test_a4x_10p8d(release: Callable[..., Release], kube: Kube, lws: None, controller: str) -> None:
    prove(release(), kube, controller)
