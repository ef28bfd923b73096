"""The kind cluster of tests/e2e with the controllers of LeaderWorkerSet and Kueue in it."""

from collections.abc import Iterator

import pytest

from hack.cluster import controllers, state
from hack.cluster import lifecycle as cluster
from hack.cluster.kube import Kube
from hack.containers import build_images


@pytest.fixture(scope="session")
def lws(running: cluster.Cluster, kube: Kube) -> Iterator[None]:
    """LeaderWorkerSets and DisaggregatedSets."""
    load(running, "lws")
    with controllers.installed(kube, "lws"):
        yield


@pytest.fixture(scope="session")
def kueue(running: cluster.Cluster, kube: Kube, lws: None) -> Iterator[None]:
    """Queues; beside LeaderWorkerSet, whose kinds it looks for when it starts."""
    load(running, "kueue")
    with controllers.installed(kube, "kueue"):
        yield


def load(running: cluster.Cluster, name: str) -> None:
    """An image onto the nodes; a cluster of somebody else's has to pull it."""
    assert state.find(running.name), "this tier runs on a kind cluster of its own: leave --kubeconfig out"
    cluster.load(build_images.archives([name]), running.name)
