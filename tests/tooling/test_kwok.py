"""KWOK nodes look like their machines."""

from __future__ import annotations

import pytest
import yaml

from hack.kwok import nodes, simulator
from hack.kwok.nodes import KWOK_KEY, POOL_LABEL
from hack.log import UserError
from hack.machines import COMPUTE_DOMAIN_CLASS, load_machine, names


@pytest.mark.parametrize("name", names())
def test_every_machine_has_a_size_and_its_looks(name: str) -> None:
    machine = load_machine(name)
    (node,) = nodes.machines(machine, 1, "pool")
    manifest = node.manifest("pool", "owner")
    assert [item["spec"]["driver"] for item in node.slices("pool")] == list(machine.devices)
    assert manifest["status"]["allocatable"].keys() == {"cpu", "memory", "pods", *machine.resources}
    assert machine.node_labels.items() <= manifest["metadata"]["labels"].items()
    taints = {taint["key"] for taint in manifest["spec"]["taints"]}
    assert taints == {KWOK_KEY, *(taint.key for taint in machine.taints)}


def test_a_node_of_a4x_max() -> None:
    first, second = nodes.machines(load_machine("gke-a4xmax"), 2, "pool")
    assert (first.name, second.name) == ("pool-0", "pool-1")
    manifest = second.manifest("pool", "owner")
    amounts = {"cpu": "143", "memory": "934Gi", "pods": "110", "nvidia.com/gpu": "4"}
    assert manifest["status"]["capacity"] == manifest["status"]["allocatable"] == amounts
    assert manifest["metadata"]["annotations"] == {KWOK_KEY: "owner"}
    assert manifest["metadata"]["labels"][POOL_LABEL] == "pool"
    counts = {item["spec"]["driver"]: len(item["spec"]["devices"]) for item in second.slices("pool")}
    assert counts == {"mrdma.google.com": 8, COMPUTE_DOMAIN_CLASS: 1}
    assert {item["spec"]["nodeName"] for item in second.slices("pool")} == {"pool-1"}


def test_a_shared_device_is_there_for_each_gpu() -> None:
    (node,) = nodes.machines(load_machine("tke-h20-rdma"), 1, "pool")
    assert node.resources["tke.cloud.tencent.com/tke-shared-rdma"] == 8


def test_a_machine_without_a_size_is_named() -> None:
    with pytest.raises(UserError, match='no entry "big-box": add the CPUs and memory'):
        nodes._size("big-box")


def test_nodes_without_gpus() -> None:
    (node,) = nodes.cpu_nodes("arm64", 1, "pool")
    manifest = node.manifest("pool", "owner")
    assert manifest["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
    assert manifest["status"]["allocatable"].keys() == {"cpu", "memory", "pods"}
    assert node.slices("pool") == []


def test_the_policy_and_the_code_agree_on_names() -> None:
    text = (simulator.FOLDER / "admission.yaml").read_text()
    policy, binding = yaml.safe_load_all(text)
    assert policy["kind"] == "MutatingAdmissionPolicy"
    assert binding["kind"] == f"{policy['kind']}Binding"
    assert POOL_LABEL in text
    assert f'key: "{KWOK_KEY}"' in text
