"""The preflight on KWOK nodes that are wrong in one way each."""

import dataclasses
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.chart.machines import load_machine
from hack.chart.manifests import merged, nested
from hack.cluster.kube import Kube, client
from hack.cluster.lifecycle import Cluster
from hack.cluster.release import Release
from hack.kwok import nodes, simulator
from hack.kwok.nodes import KWOK_KEY, POOL_LABEL, FakeNode
from hack.kwok.simulator import Simulator
from hack.verbs import preflight

A3U = ROOT / "values" / "a3u-multi.yaml"
TOKEN = "hf-token-secret"
# The nodes of one test, in a cluster that may have others like them.
OWN_LABEL = "dynamo-disagg/preflight"
KWOK_TOLERATION = {"key": KWOK_KEY, "operator": "Exists", "effect": "NoSchedule"}
MakeRelease = Callable[..., Release]
Make = Callable[..., str]


@pytest.fixture(scope="module")
def kwok(running: Cluster) -> Iterator[Simulator]:
    with simulator.running(running.kubeconfig) as made:
        yield made


@pytest.fixture
def nodes_like(kwok: Simulator) -> Iterator[Make]:
    """Two A3 Ultra nodes, changed as given, and a node for the frontend, in a pool of their own; returns its name."""
    pools: list[str] = []

    def make(machine: str = "gke-a3ultra", **change: Any) -> str:
        pool = f"preflight-{secrets.token_hex(3)}"
        kwok.open(pool, pool)
        pools.append(pool)
        made: list[FakeNode] = []
        for node in nodes.machines(load_machine(machine), 2, pool):
            marked = dataclasses.replace(node, labels={**node.labels, OWN_LABEL: pool})
            made.append(dataclasses.replace(marked, **{k: v(getattr(marked, k)) for k, v in change.items()}))
        kwok.add(pool, [*made, *nodes.cpu_nodes("amd64", 1, pool)])
        return pool

    yield make
    for pool in pools:
        kwok.close(pool)


def rows(kube: Kube, pool: str, values: dict[str, Any] | None = None, release: str = "demo") -> dict[str, Any]:
    """The table for a3u-multi on the nodes of a pool: check -> row."""
    frontend = {"nodeSelector": {POOL_LABEL: pool}, "tolerations": [KWOK_TOLERATION]}
    worker = merged(frontend, {"nodeSelector": {OWN_LABEL: pool}})
    settings = merged({"frontend": frontend, "prefill": worker, "decode": worker}, values or {})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(settings, file)
        file.flush()
        return check(kube, [A3U, Path(file.name)], release, pool)


def check(kube: Kube, files: list[Path], release: str, namespace: str) -> dict[str, Any]:
    document = preflight.needs(files, release=release, namespace=namespace)
    return {row.name: row for row in preflight.check(document, client(kube.kubeconfig))}


def secret(kube: Kube, pool: str, name: str = TOKEN, key: str = "HF_TOKEN") -> None:
    kube.core.create_namespaced_secret(pool, {"metadata": {"name": name}, "stringData": {key: "x"}})


def test_nodes_that_fit(kube: Kube, nodes_like: Make) -> None:
    pool = nodes_like()
    secret(kube, pool)
    found = rows(kube, pool)
    assert {name: row.status for name, row in found.items()} == dict.fromkeys(found, "ok")
    assert "1 pod x 8 nvidia.com/gpu" in found["prefill"].detail
    assert "nodes that match: 2 of" in found["prefill"].detail


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "label": (
        {"labels": lambda labels: {**labels, "cloud.google.com/gke-accelerator": "nvidia-h100"}},
        ["lack label cloud.google.com/gke-accelerator=nvidia-h200-141gb", "set global.hardware", "nvidia-h100 on "],
    ),
    "taint": (
        {"taints": lambda taints: [*taints, {"key": "team", "value": "search", "effect": "NoSchedule"}]},
        ["2 have taint team=search:NoSchedule that is not tolerated", "prefill.tolerations"],
    ),
    "architecture": (
        {"labels": lambda labels: {**labels, "kubernetes.io/arch": "arm64"}},
        ["have another CPU architecture than amd64", "global.hardwareSpec.arch"],
    ),
    "RDMA": (
        {"resources": lambda all_: {k: v for k, v in all_.items() if "rdma" not in k}},
        ["2 have no networking.gke.io.networks/rdma-", "global.rdma.enabled=false"],
    ),
    "no GPUs": (
        {"resources": lambda all_: {k: v for k, v in all_.items() if k != "nvidia.com/gpu"}},
        ["2 have no nvidia.com/gpu", "install the GPU device plugin"],
    ),
    "few GPUs": (
        {"resources": lambda all_: {**all_, "nvidia.com/gpu": 4}},
        ["2 have only 4 nvidia.com/gpu in all", "larger nodes"],
    ),
    "little memory": (
        {"resources": lambda all_: {**all_, "memory": 16}},
        ["2 have only 16Gi memory in all", "lower prefill.resources"],
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_nodes_that_do_not_fit(wrong: str, kube: Kube, nodes_like: Make) -> None:
    change, words = WRONG[wrong]
    found = rows(kube, nodes_like(**change))
    for role in ("prefill", "decode"):
        assert found[role].status == "FAIL"
        assert "room for 0: 1 pod has no place" in found[role].detail
    assert [word for word in words if word not in found["prefill"].detail] == [], found["prefill"].detail
    assert found["frontend"].status == "ok"


def test_gpus_that_others_hold_are_not_free_and_ones_own_are(kube: Kube, nodes_like: Make) -> None:
    pool = nodes_like()
    labels = {"app.kubernetes.io/name": "dynamo-disagg", "app.kubernetes.io/instance": "demo"}
    container = {"name": "engine", "image": "none", "resources": {"limits": {"nvidia.com/gpu": "4", "memory": "1Gi"}}}
    spec = {"nodeName": f"{pool}-0", "containers": [container], "tolerations": [{"operator": "Exists"}]}
    kube.core.create_namespaced_pod(pool, {"metadata": {"name": "own", "labels": labels}, "spec": spec})
    others = rows(kube, pool, release="other")
    # The larger pool, by memory, has taken the free node.
    (failed,) = (row for name, row in others.items() if name in ("prefill", "decode") and row.status == "FAIL")
    assert "less than 8 nvidia.com/gpu free" in failed.detail
    assert "or free what other pods hold" in failed.detail
    assert {rows(kube, pool)[role].status for role in ("prefill", "decode")} == {"ok"}


def test_a_cordoned_node(kube: Kube, nodes_like: Make) -> None:
    pool = nodes_like()
    kube.core.patch_node(f"{pool}-0", {"spec": {"unschedulable": True}})
    found = rows(kube, pool)
    assert sorted(found[role].status for role in ("prefill", "decode")) == ["FAIL", "ok"]
    assert "1 is cordoned" in found["prefill"].detail


def test_devices_by_claims(kube: Kube, nodes_like: Make) -> None:
    name = f"{secrets.token_hex(3)}.example.com"
    claims = nested("global.hardwareSpec.rdma.claims", {"nics": {"deviceClassName": name, "count": 8}})
    pool = nodes_like(devices=lambda _: {name: 8})
    found = rows(kube, pool, claims)
    assert (found[f"DeviceClass {name}"].status, found[f"DeviceClass {name}"].detail) == ("ok", "16 devices")
    assert found["decode"].status == "ok"
    assert f"8 {name}" in found["decode"].detail
    found = rows(kube, pool, nested("global.hardwareSpec.rdma.claims", {"nics": {"deviceClassName": name, "count": 9}}))
    assert f"2 have only 8 {name} in all" in found["decode"].detail
    missing = f"missing-{name}"
    found = rows(
        kube, pool, nested("global.hardwareSpec.rdma.claims", {"nics": {"deviceClassName": missing, "count": 8}})
    )
    assert found[f"DeviceClass {missing}"].status == "FAIL"
    assert "install the DRA driver" in found[f"DeviceClass {missing}"].detail


def test_an_api_that_is_not_there(kube: Kube, nodes_like: Make) -> None:
    found = rows(kube, nodes_like(), {"frontend": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "x"}]}}})
    assert found["API HTTPRoute"].status == "FAIL"
    assert "install the Gateway API" in found["API HTTPRoute"].detail


def test_secrets_claims_and_storage_classes(kube: Kube, nodes_like: Make) -> None:
    pool = nodes_like()
    values = {
        "global": {"imagePullSecrets": ["pull", "opaque"], "discovery": {"backend": "etcd"}},
        "etcd": {"enabled": True, "persistence": {"storageClass": "none-such"}},
        "decode": {
            "volumes": {"data": {"mountPath": "/d", "source": {"persistentVolumeClaim": {"claimName": "data"}}}}
        },
    }
    secret(kube, pool, key="token")
    secret(kube, pool, name="opaque")
    found = rows(kube, pool, values)
    expected = {
        f"Secret {TOKEN}": "has no key HF_TOKEN (it has: token)",
        "Secret pull": f"not in namespace {pool}",
        "Secret opaque": "is of type Opaque",
        "PersistentVolumeClaim data": "change decode.volumes",
        "StorageClass none-such": "etcd.persistence.storageClass",
    }
    assert {name: found[name].status for name in expected} == dict.fromkeys(expected, "FAIL")
    assert [name for name, words in expected.items() if words not in found[name].detail] == []


def test_the_command(kube: Kube) -> None:
    command = [sys.executable, "-m", "hack", "preflight", f"--kubeconfig={kube.kubeconfig}", "-n", "none-such"]
    done = subprocess.run([*command, "-f", str(A3U), "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["passed"] is False
    assert f"Secret {TOKEN}" in [check["name"] for check in answer["checks"] if check["status"] == "FAIL"]
    wrong = subprocess.run([*command, "-f", "none.yaml"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (wrong.returncode, "File 'none.yaml' does not exist" in wrong.stderr) == (2, True)
