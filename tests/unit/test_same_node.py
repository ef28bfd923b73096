"""Prefill and decode on one node: the launcher, their NICs, and what an installation says of the KV cache's way."""

from typing import Any

import pytest

from hack.chart.manifests import merged, nested
from hack.chart.render import Render, notes

TOGETHER = nested("global.colocation.topologyKey", "kubernetes.io/hostname")
LAUNCHER = ["python3", "/opt/dynamo-disagg/launch.py", "16384"]
GET = "UCX_CUDA_IPC_ENABLE_GET_ZCOPY"


def test_decode_engines_start_behind_the_launcher(render: Render) -> None:
    """Their process numbers differ from prefill's then, which cuda_ipc needs."""
    decode = render().pod("decode").container("engine")
    assert decode.spec["command"] == [*LAUNCHER, "python3", "-m", "dynamo.vllm"]
    assert render().pod("prefill").container("engine").spec["command"] == ["python3", "-m", "dynamo.vllm"]


def test_the_launcher_is_a_file_of_the_release(render: Render) -> None:
    for name, script in render().one("ConfigMap", component="scripts")["data"].items():
        compile(script, name, "exec")


def test_cuda_ipc_is_allowed_in_both_roles(render: Render, role: str) -> None:
    assert render().pod(role).container("engine").env()[GET] == "y"
    mine = render({role: {"env": {GET: "n"}}})
    assert mine.pod(role).container("engine").env()[GET] == "n"


def test_sglang_gets_the_nodes_pid_namespace_if_told(render: Render, role: str) -> None:
    """NIXL 1.5 wants it, and numbers of one namespace differ without a launcher."""
    values = merged(TOGETHER, {"global": {"engine": {"name": "sglang"}, "colocation": {"hostPID": True}}})
    pod = render(values).pod(role)
    assert pod.spec["hostPID"] is True
    assert LAUNCHER[1] not in pod.container("engine").spec["command"]
    assert pod.container("engine").env()[GET] == "y"
    assert "hostPID" not in render(nested("global.engine.name", "sglang")).pod(role).spec
    assert "share the node's PID namespace" in notes(values)


@pytest.mark.parametrize(
    "values",
    [
        nested("global.engine.name", "sglang"),
        nested("global.serving", "aggregated"),
        nested("global.simulation.enabled", True),
        nested("global.kvTransfer.connector", "mooncake"),
        nested("global.kvTransfer.backends", ["LIBFABRIC"]),
        nested("global.engine.name", "trtllm"),
        # A worker that fills its node shares it with none.
        {"decode": {"parallelism": {"tensor": 8}}},
    ],
    ids=["sglang", "aggregated", "simulated", "mooncake", "libfabric", "trtllm", "a whole node"],
)
def test_where_it_has_no_use_there_is_no_launcher(render: Render, values: Any) -> None:
    manifests = render(values)
    assert LAUNCHER[1] not in manifests.pod("decode").container("engine").spec["command"]


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_mooncake_has_other_numbers_where_it_uses_cuda_ipc(engine: str, render: Render) -> None:
    """With equal ones it gave up every transfer (H200, 2026-12-01). UCX is none of its business."""
    settings = {
        "engine": {"name": engine},
        "kvTransfer": {"connector": "mooncake"},
        "env": {"MC_INTRANODE_NVLINK": "1"},
    }
    manifests = render({"global": settings})
    assert manifests.pod("decode").container("engine").spec["command"][:3] == LAUNCHER
    assert LAUNCHER[1] not in manifests.pod("prefill").container("engine").spec["command"]
    assert GET not in manifests.pod("decode").container("engine").env()
    (probed,) = render({"global": settings, "test": {"probe": {"enabled": True}}}).pods("probe")
    assert "--apart" in probed.container("probe").spec["args"]


def test_a_role_takes_its_share_of_the_nics(render: Render, role: str) -> None:
    nic = "networking.gke.io.networks/rdma-{}"
    limits = render(files=["values/a3u-single.yaml"]).pod(role).container("engine").spec["resources"]["limits"]
    mine = {"prefill": range(4), "decode": range(4, 8)}[role]
    assert {name for name in limits if "rdma" in name} == {nic.format(number) for number in mine}


def test_a_share_has_its_own_annotations_and_variables(render: Render, role: str) -> None:
    share = {"podAnnotations": {"example.com/nics": "a"}, "env": {"UCX_NET_DEVICES": "mlx5_0:1"}}
    pod = render({role: {"rdma": share}}).pod(role)
    assert pod.metadata["annotations"]["example.com/nics"] == "a"
    assert pod.container("engine").env()["UCX_NET_DEVICES"] == "mlx5_0:1"


@pytest.mark.parametrize(
    ("files", "values", "says"),
    [
        ([], {}, "between nodes the KV cache goes over TCP"),
        ([], TOGETHER, "kubernetes.io/hostname alone gives it no other way. Measured"),
        ([], TOGETHER, "NVLink is taken only where the container that moves the cache has the other role's GPUs, too"),
        (
            [],
            merged(TOGETHER, nested("global.engine.name", "trtllm")),
            "kubernetes.io/hostname alone gives it no other way",
        ),
        (
            [],
            nested("global.colocation.topologyKey", "topology.kubernetes.io/zone"),
            "zone alone gives it no other way",
        ),
        (["values/a3u-single.yaml"], nested("global.rdma.enabled", False), "WARNING: the KV cache goes over TCP"),
    ],
    ids=["apart", "together", "together on NVLink", "together without cuda_ipc", "one zone", "fabric off"],
)
def test_an_installation_warns_of_what_was_not_measured(files: list[str], values: Any, says: str) -> None:
    assert says in " ".join(notes(values, files=files).split())


@pytest.mark.parametrize("scenario", ["a3u-single", "a3u-multi", "a4x-10p8d", "a3u-guide-baseline"])
def test_a_fabric_needs_no_warning(scenario: str) -> None:
    said = notes(files=[f"values/{scenario}.yaml"])
    assert "TCP" not in said
    assert "cuda_ipc" not in said
