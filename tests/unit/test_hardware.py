"""Machine types: presets, overrides, a machine of one's own."""

from __future__ import annotations

from tests.conftest import Render

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


def test_a3_ultra_needs_two_machines(render: Render) -> None:
    manifests = render(None, ["values/a3u-multi.yaml"])
    gpus = {
        role: manifests.pod(role).owner["spec"]["replicas"]
        * manifests.pod(role).container().spec["resources"]["limits"]["nvidia.com/gpu"]
        for role in ("prefill", "decode")
    }
    assert gpus == {"prefill": 8, "decode": 8}
