"""Machine types: presets, overrides, a machine of one's own."""

from typing import Any

import pytest

from hack.chart import machines
from hack.chart.manifests import COMPONENT, PodTemplate, merged, nested
from hack.chart.render import Render

OWN = {
    "global": {
        "hardware": "nvidia",
        "hardwareSpec": {
            "arch": "arm64",
            "gpusPerNode": 4,
            "gpuResource": "example.com/gpu",
            "nodeSelector": {"pool": "mine"},
            "tolerations": [{"key": "mine", "operator": "Exists"}],
            "env": {"NCCL_DEBUG": "INFO"},
            "hostPaths": {"libs": {"path": "/opt/libs", "mountPath": "/libs", "readOnly": True}},
        },
    }
}


def test_a_machine_of_ones_own(render: Render, role: str) -> None:
    pod = render(OWN).pod(role)
    container = pod.container()
    assert pod.spec["nodeSelector"] == {"kubernetes.io/arch": "arm64", "pool": "mine"}
    assert [t["key"] for t in pod.spec["tolerations"]] == ["mine"]
    assert container.spec["resources"]["limits"]["example.com/gpu"] == 1
    assert "nvidia.com/gpu" not in container.spec["resources"]["limits"]
    assert container.env()["NCCL_DEBUG"] == "INFO"
    assert pod.volumes()["libs"]["hostPath"] == {"path": "/opt/libs"}
    mounts = {m["name"]: m for m in container.spec["volumeMounts"]}
    assert mounts["libs"] == {"name": "libs", "mountPath": "/libs", "readOnly": True}


def test_a_users_environment_wins_over_the_machines(render: Render, role: str) -> None:
    values = {**OWN, role: {"env": {"NCCL_DEBUG": "WARN"}}}
    assert render(values).pod(role).container().env()["NCCL_DEBUG"] == "WARN"


def test_a3_ultra_gives_a_worker_the_whole_machine(render: Render, role: str) -> None:
    pod = render(None, ["values/a3u-multi.yaml"]).pod(role)
    container = pod.container()
    limits = container.spec["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == 8
    assert sum(n for name, n in limits.items() if name.startswith("networking.gke.io.networks/rdma-")) == 8
    assert pod.spec["nodeSelector"]["cloud.google.com/gke-accelerator"] == "nvidia-h200-141gb"
    assert "networking.gke.io/interfaces" in pod.metadata["annotations"]
    assert container.spec["securityContext"]["capabilities"] == {"add": ["IPC_LOCK"], "drop": ["ALL"]}
    assert container.flag("tensor-parallel-size") == "8"
    # A transfer that falls back to TCP is slower than no disaggregation at all.
    assert "tcp" not in container.env()["UCX_TLS"].split(",")


# Root, which the capability for RDMA needs

RDMA_MACHINES = [
    name for name in machines.names() if "rdma:" in (machines.HARDWARE_FOLDER / f"_{name}.tpl").read_text()
]


def on(machine: str, **changes: Any) -> dict[str, Any]:
    """A release on a machine type, workers that fill a node."""
    worker = {"parallelism": {"tensor": machines.load_machine(machine).gpus_per_node}}
    backend = machines.preset(machine).get("rdma", {}).get("nixlBackend", "UCX")
    shared = {"hardware": machine, "kvTransfer": {"backends": [backend]}}
    return merged({"global": shared, "prefill": worker, "decode": worker}, changes)


def is_root(pod: PodTemplate) -> bool:
    context = pod.spec["securityContext"]
    added = pod.container().spec["securityContext"]["capabilities"].get("add", [])
    assert ("IPC_LOCK" in added) == (context["runAsUser"] == 0), "an added capability reaches only root"
    assert context["runAsNonRoot"] == (context["runAsUser"] != 0)
    return bool(context["runAsUser"] == 0)


def test_there_are_machines_of_both_kinds() -> None:
    assert {"gke-a3ultra", "gke-a4x", "gke-a4xmax", "tke-h20-rdma"} <= set(RDMA_MACHINES)
    assert {"nvidia", "tke-h20"} <= set(machines.names()) - set(RDMA_MACHINES)


@pytest.mark.parametrize("machine", machines.names())
def test_workers_are_root_only_where_rdma_needs_it(render: Render, role: str, machine: str) -> None:
    assert is_root(render(on(machine)).pod(role)) == (machine in RDMA_MACHINES)


@pytest.mark.parametrize("machine", RDMA_MACHINES)
def test_without_rdma_or_its_devices_nobody_is_root(render: Render, role: str, machine: str) -> None:
    assert not is_root(render(on(machine, **nested("global.rdma.enabled", False))).pod(role))
    assert not is_root(render(on(machine, **nested("global.simulation.enabled", True))).pod(role))


@pytest.mark.parametrize("machine", RDMA_MACHINES)
def test_the_frontend_is_never_root(render: Render, machine: str) -> None:
    assert render(on(machine)).pod("frontend").spec["securityContext"]["runAsUser"] == 1000


def test_root_can_be_refused(render: Render, role: str) -> None:
    own = {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000}
    context = render(on("gke-a3ultra", **{role: {"podSecurityContext": own}})).pod(role).spec["securityContext"]
    assert context.items() >= own.items()


def test_a_capability_of_ones_own_is_one_more(render: Render, role: str) -> None:
    own = {role: {"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}}
    for machine, wanted in {"gke-a3ultra": ["IPC_LOCK", "SYS_PTRACE"], "nvidia": ["SYS_PTRACE"]}.items():
        context = render(on(machine, **own)).pod(role).container("engine").spec["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"], "add": wanted}


def test_what_has_the_runtime_image_runs_on_its_architecture(render: Render) -> None:
    """Whatever needs no GPU: frontends, and the pods of hooks."""
    manifests = render(on("gke-a4x", preflight={"enabled": True}))
    others = [pod for pod in manifests.pods() if pod.labels[COMPONENT] not in ("prefill", "decode")]
    assert {pod.labels[COMPONENT] for pod in others} == {"frontend", "preflight", "test"}
    for pod in others:
        assert pod.spec["nodeSelector"] == {"kubernetes.io/arch": "arm64"}, pod.id
        assert [t["key"] for t in pod.spec["tolerations"]] == ["kubernetes.io/arch"], pod.id


def test_claims_by_the_gpu_are_divided_by_workers_of_a_node(render: Render) -> None:
    values = nested("global.hardware", "gke-a4")
    manifests = render(
        merged(values, {"prefill": {"parallelism": {"tensor": 4}}, "decode": {"parallelism": {"tensor": 2}}})
    )
    templates = {item["metadata"]["name"]: item for item in manifests.all("ResourceClaimTemplate")}
    assert set(templates) == {"demo-rdma-4", "demo-rdma-2"}
    for role, gpus in (("prefill", 4), ("decode", 2)):
        pod = manifests.pod(role)
        assert pod.spec["resourceClaims"] == [{"name": "rdma", "resourceClaimTemplateName": f"demo-rdma-{gpus}"}]
        assert manifests.claimed(pod, "mrdma.google.com") == gpus
        assert pod.container("engine").spec["resources"]["limits"]["nvidia.com/gpu"] == gpus


def test_each_gpu_is_claimed_with_the_nic_under_its_root(render: Render) -> None:
    values = nested("global.hardware", "gke-a3ultra-dra")
    manifests = render(merged(values, {role: {"parallelism": {"tensor": 2}} for role in ("prefill", "decode")}))
    (template,) = manifests.all("ResourceClaimTemplate")
    devices = template["spec"]["spec"]["devices"]
    asked = {request["name"]: request["exactly"] for request in devices["requests"]}
    assert {name: of["deviceClassName"] for name, of in asked.items()} == {
        **{f"gpu-{number}": "gpu.nvidia.com" for number in range(2)},
        **{f"devices-{number}": "mrdma.google.com" for number in range(2)},
    }
    assert devices["constraints"] == [
        {"requests": [f"gpu-{number}", f"devices-{number}"], "matchAttribute": "resource.kubernetes.io/pcieRoot"}
        for number in range(2)
    ]
    for role in ("prefill", "decode"):
        resources = manifests.pod(role).container("engine").spec["resources"]
        assert "nvidia.com/gpu" not in resources["limits"]
        assert resources["claims"] == [{"name": "rdma"}]
        assert manifests.claimed(manifests.pod(role), "gpu.nvidia.com") == 2


RACK = {"hardware": "gke-a4x", "model": {"name": "Qwen/Qwen3-VL-30B-A3B-Instruct", "sizeGiB": 58}}
MEMORY = {"resources": {"limits": {"memory": "200Gi"}}}


def domain_of(pod: PodTemplate) -> tuple[bool, bool, bool]:
    """Whether a pod has a channel of the ComputeDomain, is bound to its clique, and tells NCCL of it."""
    claimed = "compute-domain" in [claim["name"] for claim in pod.spec.get("resourceClaims", [])]
    bound = "nvidia.com/gpu.clique" in str(pod.spec.get("affinity"))
    return claimed, bound, "NCCL_MNNVL_ENABLE" in pod.container("engine").env()


@pytest.mark.parametrize(("tensor", "shared"), [(4, False), (8, True)])
def test_aggregated_workers_share_memory_where_one_takes_several_nodes(
    tensor: int, shared: bool, render: Render
) -> None:
    """Else they stand on any rack: nothing of theirs leaves the node."""
    workers = {**MEMORY, "replicas": 2, "parallelism": {"tensor": tensor}}
    manifests = render({"global": {**RACK, "serving": "aggregated"}, "decode": workers})
    assert bool(manifests.all("ComputeDomain")) is shared
    pod = manifests.leaders("decode")[0] if shared else manifests.pod("decode")
    assert domain_of(pod) == (shared,) * 3


def test_encoders_have_no_channel_of_a_domain(render: Render) -> None:
    """A node has one, and theirs would keep a worker off it."""
    roles = {role: {**MEMORY, "parallelism": {"tensor": 4}} for role in ("prefill", "decode")}
    manifests = render({"global": RACK, **roles, "encode": {"replicas": 2}})
    assert domain_of(manifests.pod("encode")) == (False, False, False)
    for role in roles:
        assert domain_of(manifests.pod(role)) == (True, True, True)


def test_without_a_domain_nccl_is_told_of_none(render: Render, role: str) -> None:
    values = {"global": {**RACK, "hardwareSpec": {"computeDomain": False}}, role: {"parallelism": {"tensor": 4}}}
    assert domain_of(render(merged(values, {"prefill": MEMORY, "decode": MEMORY})).pod(role)) == (False, False, False)
    told = render(merged(values, {"prefill": MEMORY, "decode": MEMORY, role: {"env": {"NCCL_MNNVL_ENABLE": "2"}}}))
    assert told.pod(role).container("engine").env()["NCCL_MNNVL_ENABLE"] == "2"
