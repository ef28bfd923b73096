"""Kueue admits workers of several nodes: a release beyond the quota waits, says why, and starts when there is room."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hack.base.wait import wait_for
from hack.chart.helm import HelmError
from hack.chart.manifests import merged, nested
from hack.chart.scenarios import SIMULATE
from hack.cluster import leftovers
from hack.cluster.kube import Kube
from hack.cluster.release import Release

MODEL = "Qwen/Qwen3-0.6B"
GATE = "kueue.x-k8s.io/admission"
# Two workers of two pods with a GPU each: the quota is one release.
GPUS = 4
QUOTA = {"cpu": "100", "memory": "400Gi", "nvidia.com/gpu": str(GPUS)}
FLAVOR = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": "any"}}
RESOURCES = [{"name": name, "nominalQuota": quota} for name, quota in QUOTA.items()]
QUEUE = {
    "apiVersion": "kueue.x-k8s.io/v1beta2",
    "kind": "ClusterQueue",
    "metadata": {"name": "gpus"},
    "spec": {
        "namespaceSelector": {},
        "resourceGroups": [{"coveredResources": [*QUOTA], "flavors": [{"name": "any", "resources": RESOURCES}]}],
    },
}

MakeRelease = Callable[..., Release]


def values(controller: str) -> dict[str, Any]:
    """Workers of two nodes, and the queue as a user writes it."""
    pool = {"parallelism": {"tensor": 2}, "labels": {"kueue.x-k8s.io/queue-name": "llm"}}
    return {
        "global": {"hardwareSpec": {"gpusPerNode": 1}, "multiNode": {"controller": controller}},
        "prefill": pool,
        "decode": pool,
    }


@pytest.fixture
def queue(kube: Kube, kueue: None, namespace: str) -> Iterator[str]:
    """The namespace, with a queue that leads to the quota; asked for before releases, which must go first."""
    local = {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "LocalQueue",
        "metadata": {"name": "llm", "namespace": namespace, "labels": {leftovers.HELPER: "queue"}},
        "spec": {"clusterQueue": "gpus"},
    }
    objects = {"apiVersion": "v1", "kind": "List", "items": [FLAVOR, QUEUE, local]}
    kube.kubectl("apply", "--filename=-", stdin=json.dumps(objects))
    yield namespace
    kube.kubectl("delete", "localqueue/llm", "--namespace", namespace)
    kube.kubectl("delete", "clusterqueue/gpus", "resourceflavor/any")


def workers(kube: Kube, release: Release) -> list[Any]:
    roles = ("prefill", "decode")
    return [p for role in roles for p in kube.pods(release.namespace, instance=release.name, component=role)]


def gates(kube: Kube, release: Release) -> list[list[str]]:
    """The scheduling gates of every worker pod."""
    return [[gate.name for gate in pod.spec.scheduling_gates or []] for pod in workers(kube, release)]


def admitted(kube: Kube, release: Release) -> dict[str, tuple[str, str]]:
    """Of each of a release's Workloads whether it has its quota, and what Kueue says of it."""
    found = kube.custom.list_namespaced_custom_object("kueue.x-k8s.io", "v1beta2", release.namespace, "workloads")
    made = {}
    for item in found["items"]:
        owners = [owner["name"] for owner in item["metadata"].get("ownerReferences", [])]
        if any(owner.startswith(f"{release.name}-") for owner in owners):
            conditions = {c["type"]: c for c in item.get("status", {}).get("conditions", [])}
            reserved = conditions.get("QuotaReserved", {"status": "", "message": ""})
            made[item["metadata"]["name"]] = (reserved["status"], reserved["message"])
    return made


@pytest.mark.parametrize("controller", ["lws", "disaggregatedset"])
def test_a_release_beyond_the_quota_waits_for_it(queue: str, release: MakeRelease, kube: Kube, controller: str) -> None:
    first, second = release("one"), release("two")
    first.install(values(controller), files=[SIMULATE])
    first.endpoint.wait_for_model(MODEL)
    assert gates(kube, first) == [[]] * GPUS
    assert [status for status, _ in admitted(kube, first).values()] == ["True", "True"]

    second.install(values(controller), files=[SIMULATE], wait=False)

    def waiting() -> list[str]:
        return [message for status, message in admitted(kube, second).values() if status == "False"]

    messages = wait_for("both workers wait for their quota", waiting, lambda seen: len(seen) == 2, 120)
    assert all("insufficient unused quota for nvidia.com/gpu in flavor any" in message for message in messages), (
        messages
    )
    all_held = wait_for("its pods are there", lambda: gates(kube, second), lambda seen: len(seen) == GPUS, 60)
    assert all(GATE in names for names in all_held), all_held
    assert {pod.status.phase for pod in workers(kube, second)} <= {"Pending"}

    first.uninstall()
    kube.kubectl("rollout", "status", "deployment/two-frontend", "--namespace", queue, "--timeout=170s")
    second.endpoint.wait_for_model(MODEL)
    assert second.endpoint.chat(MODEL, "Are you there?", max_tokens=8).usage["completion_tokens"] == 8
    assert [status for status, _ in admitted(kube, second).values()] == ["True", "True"]


def test_what_a_queued_worker_asks_for_stays(queue: str, release: MakeRelease, kube: Kube) -> None:
    """Another variable is an update as ever; other requests of a LeaderWorkerSet Kueue refuses."""
    demo = release()
    given = values("lws")
    demo.install(given, files=[SIMULATE])
    demo.endpoint.wait_for_model(MODEL)
    before = {pod.metadata.uid for pod in workers(kube, demo)}
    demo.install(merged(given, {"prefill": {"env": {"A": "b"}}, "decode": {"env": {"A": "b"}}}), files=[SIMULATE])

    def renewed() -> tuple[int, int]:
        pods = workers(kube, demo)
        new = [pod for pod in pods if pod.metadata.uid not in before]
        is_ready = [p for p in new if {c.type: c.status for c in p.status.conditions or []}.get("Ready") == "True"]
        return len(is_ready), len(pods)

    wait_for("every worker pod is a new one", renewed, lambda seen: seen == (GPUS, GPUS), 300)
    more = nested("global.simulation.resources.requests.cpu", "60m")
    with pytest.raises(HelmError, match="field is immutable"):
        demo.install(merged(given, more), files=[SIMULATE], wait=False)
