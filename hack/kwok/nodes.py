"""The objects that make a KWOK node: the Node itself, and the slices of its devices for Dynamic Resource Allocation."""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.base.log import UserError
from hack.base.yamlfile import read_yaml
from hack.chart.machines import COMPUTE_DOMAIN_CLASS, Machine

CLIQUE_LABEL = "nvidia.com/gpu.clique"
HOSTNAME = "kubernetes.io/hostname"
# Every cloud's nodes have these.
PLACE = {f"topology.kubernetes.io/{name}": "one" for name in ("zone", "region")}
PCIE_ROOT = "resource.kubernetes.io/pcieRoot"
# Of a node, the pool it belongs to; of a namespace, the pool its pods see (admission.yaml).
POOL_LABEL = "dynamo-disagg/kwok-pool"
# Whose kwok process plays the kubelet; the same key as a taint keeps other pods away.
KWOK_KEY = "kwok.x-k8s.io/node"
SIZES = Path(__file__).with_name("sizes.yaml")

Object = dict[str, Any]


@dataclass(frozen=True)
class FakeNode:
    """One node to be made."""

    name: str
    resources: dict[str, int]
    labels: dict[str, str]
    taints: list[dict[str, str]] = field(default_factory=list)
    # DeviceClass -> number of its devices.
    devices: dict[str, int] = field(default_factory=dict)

    def manifest(self, pool: str, owner: str) -> Object:
        """The Node."""
        amounts = {**{name: str(count) for name, count in self.resources.items()}, "pods": "110"}
        amounts["memory"] += "Gi"
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "annotations": {KWOK_KEY: owner},
                # No kubernetes.io/os: the cluster's DaemonSets select it, and each would add a pod to every node.
                "labels": {HOSTNAME: self.name, **self.labels, POOL_LABEL: pool},
            },
            "spec": {"taints": [*self.taints, {"key": KWOK_KEY, "value": "fake", "effect": "NoSchedule"}]},
            "status": {"capacity": amounts, "allocatable": amounts},
        }

    def slices(self, pool: str) -> list[Object]:
        """A ResourceSlice for each class of devices. Real classes choose by attributes; here a class has one driver."""
        return [
            {
                "apiVersion": "resource.k8s.io/v1",
                "kind": "ResourceSlice",
                "metadata": {"name": f"{self.name}.{driver}", "labels": {POOL_LABEL: pool}},
                "spec": {
                    "driver": driver,
                    "nodeName": self.name,
                    "pool": {"name": self.name, "generation": 1, "resourceSliceCount": 1},
                    # The devices of each class stand in the same order below the node's PCIe roots.
                    "devices": [
                        {"name": f"device-{number}", "attributes": {PCIE_ROOT: {"string": f"pci{number:04}:00"}}}
                        for number in range(count)
                    ],
                },
            }
            for driver, count in self.devices.items()
        ]


def device_class(name: str) -> Object:
    """The DeviceClass of the devices that FakeNode.slices makes."""
    expression = f"device.driver == '{name}'"
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {"selectors": [{"cel": {"expression": expression}}]},
    }


def machines(machine: Machine, count: int, prefix: str) -> list[FakeNode]:
    """`count` nodes named <prefix>-<number>, shaped like the machine."""
    size = _size(machine.name)
    resources = {**machine.resources, **size.get("resources", {})}
    taints = [{"key": t.key, "value": t.value, "effect": t.effect} for t in machine.taints]
    # NVIDIA's GPU feature discovery labels the nodes of one NVLink domain.
    clique = {CLIQUE_LABEL: "one"} if COMPUTE_DOMAIN_CLASS in machine.devices else {}
    return [
        FakeNode(
            f"{prefix}-{number}",
            {"cpu": size["cpu"], "memory": size["memoryGiB"], **resources},
            {**PLACE, **machine.node_labels, **clique},
            taints,
            machine.devices,
        )
        for number in range(count)
    ]


def cpu_nodes(arch: str, count: int, prefix: str) -> list[FakeNode]:
    """Nodes without GPUs, as every cluster has some: frontends run there."""
    size = _size("cpu")
    resources = {"cpu": size["cpu"], "memory": size["memoryGiB"]}
    labels = {"kubernetes.io/arch": arch}
    return [FakeNode(f"{prefix}-cpu-{number}", dict(resources), dict(labels)) for number in range(count)]


@functools.cache
def _sizes() -> dict[str, Any]:
    return read_yaml(SIZES)


def _size(name: str) -> Any:
    if name not in _sizes():
        raise UserError(f'{SIZES}: no entry "{name}": add the CPUs and memory of one node of this machine')
    return _sizes()[name]
