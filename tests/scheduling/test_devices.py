"""A machine that lacks one device beside its GPUs takes no worker, and the scheduler says which."""

import dataclasses

import pytest

from hack.chart.machines import COMPUTE_DOMAIN_CLASS
from hack.chart.scenarios import NAMED
from hack.cluster.kube import Kube
from hack.kwok.nodes import FakeNode
from hack.kwok.simulator import Simulator
from hack.kwok.site import made, workers

NICS = "mrdma.google.com"
RDMA_7 = "networking.gke.io.networks/rdma-7"
SHARED_RDMA = "tke.cloud.tencent.com/tke-shared-rdma"


def with_devices(node: FakeNode, name: str, count: int) -> FakeNode:
    """A copy of the node that has so many of these devices."""
    if name in node.devices:
        return dataclasses.replace(node, devices={**node.devices, name: count})
    return dataclasses.replace(node, resources={**node.resources, name: count})


@pytest.mark.parametrize(
    ("name", "device", "count", "placed", "reason"),
    [
        ("a3u-multi", RDMA_7, 0, 0, f"Insufficient {RDMA_7}"),
        ("a4x-1p1d", COMPUTE_DOMAIN_CLASS, 0, 0, "cannot allocate all claims"),
        ("a4xmax-1p1d", NICS, 7, 0, "cannot allocate all claims"),
        ("tke-h20-single", SHARED_RDMA, 4, 4, f"Insufficient {SHARED_RDMA}"),
    ],
)
def test_a_missing_device_is_named(
    name: str, device: str, count: int, placed: int, reason: str, kube: Kube, simulator: Simulator
) -> None:
    (scenario,) = (s for s in NAMED if s.name == name)
    with made(kube, simulator, scenario) as site:
        machines = [with_devices(node, device, count) for node in site.machines(2)]
        simulator.add(site.namespace, machines)
        site.install()
        site.wait_for_reason(reason)
        assert len([pod for pod in workers(site.pods()) if pod.spec.node_name]) == placed
