"""Workers of several nodes on a real cluster: a4x-10p8d in simulation, 18 worker pods with 72 (faked) GPUs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hack.base.wait import wait_for
from hack.chart.manifests import merged, nested
from hack.chart.scenarios import served
from hack.cluster import lifecycle as cluster
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.cluster.serving import difference
from tests.clusterfixtures import dressed, remove
from tests.e2e.quick import SHORT_PROMPTS

FILES = served("a4x-10p8d")
MODEL = "deepseek-ai/DeepSeek-R1"
# Two nodes stand for 18: they advertise 40 GPUs each, and the frontends are two to spare memory.
GPUS_PER_NODE = 40
WORKERS = {"prefill": (5, 2), "decode": (1, 8)}

MakeRelease = Callable[..., Release]


@pytest.fixture(scope="module", autouse=True)
def a4x(running: cluster.Cluster) -> Iterator[None]:
    """The cluster's workers as A4X nodes with many GPUs."""
    with dressed(running, "gke-a4x", GPUS_PER_NODE):
        yield


def ready(pod: Any) -> bool:
    conditions = {c.type: c.status for c in pod.status.conditions or []}
    return conditions.get("Ready") == "True"


def is_leader(pod: Any) -> bool:
    return bool(pod.metadata.labels["dynamo-disagg/rank"] == "leader")


def leaders_ready(pods: dict[str, Any]) -> int:
    """How many workers can answer."""
    return sum(is_leader(pod) and ready(pod) for pod in pods.values())


def workers(kube: Kube, release: Release) -> dict[str, Any]:
    """Worker pods by name, of both pools."""
    pods = [p for role in WORKERS for p in kube.pods(release.namespace, instance=release.name, component=role)]
    return {pod.metadata.name: pod for pod in pods}


def group(pod: Any) -> str:
    """Which worker a pod belongs to."""
    labels = pod.metadata.labels
    role = labels["app.kubernetes.io/component"]
    of_ranks = "dynamo-disagg/rank-number" in labels
    return f"{role}-{labels['apps.kubernetes.io/pod-index' if of_ranks else 'leaderworkerset.sigs.k8s.io/group-index']}"


def test_a4x_10p8d(release: MakeRelease, kube: Kube) -> None:
    prove(release(), kube, "statefulset")


def prove(demo: Release, kube: Kube, controller: str) -> None:
    """Install it with workers run by a controller, ask it, lose a rank, update it."""
    values = {
        "global": {
            "multiNode": {"controller": controller},
            "simulation": {"speedupRatio": 100, "resources": {"requests": {"cpu": "10m"}}},
        },
        "frontend": {"replicas": 2, **SHORT_PROMPTS},
        **{
            role: {"probes": {"readiness": {"periodSeconds": 2}}, "terminationGracePeriodSeconds": 90}
            for role in WORKERS
        },
    }
    demo.install(values, files=FILES, timeout=340)

    # Helm knows no LeaderWorkerSet and no DisaggregatedSet: its --wait ends before the pods are there.
    pods = wait_for("every leader is ready", lambda: workers(kube, demo), lambda seen: leaders_ready(seen) == 6, 240)
    groups: dict[str, int] = {}
    for pod in pods.values():
        groups[group(pod)] = groups.get(group(pod), 0) + 1
    assert groups == {f"{role}-{n}": size for role, (count, size) in WORKERS.items() for n in range(count)}
    assert {p.status.phase for p in pods.values()} == {"Running"}
    assert sum(int(p.spec.containers[0].resources.limits["nvidia.com/gpu"]) for p in pods.values()) == 72

    assert "OK: 2 proved, 2 simulated" in demo.test()
    endpoint = demo.endpoint
    endpoint.wait_for_model(MODEL)
    before = endpoint.served()
    for number in range(10):
        answer = endpoint.chat(MODEL, f"Question {number}: what is NVLink?", max_tokens=8, stream=True)
        assert answer.usage["completion_tokens"] == 8, answer
        assert answer.chunks > 1, answer
    served = difference(before, endpoint.served())
    assert {role: sum(counts.values()) for role, counts in served.items()} == {"prefill": 10, "decode": 10}

    lose_a_rank(kube, demo, controller)
    endpoint.wait_for_model(MODEL)
    answer = endpoint.chat(MODEL, "Still there?", max_tokens=8, stream=True)
    assert answer.usage["completion_tokens"] == 8, answer

    changed = merged(values, nested("prefill.podLabels.version", "2"))
    if controller == "disaggregatedset":
        update_both(kube, demo, changed)
    else:
        # A StatefulSet's rank that starts in seconds, as here, may be ready with its old leader, and workers overlap.
        update(kube, demo, "prefill", 4 if controller == "lws" else 2, changed)
    if controller == "lws":
        # The only group of its role: releases before 0.9 replaced it never, where one might not be away.
        update(kube, demo, "decode", 0, merged(changed, nested("decode.podLabels.version", "2")))
    assert "OK: 2 proved, 2 simulated" in demo.test()
    remove(demo)


def update(kube: Kube, demo: Release, role: str, fewest: int, values: Any) -> None:
    """Change a role's pods: they are replaced while at least so many of its workers stay ready, the other's are not."""
    before = {name: pod.metadata.uid for name, pod in workers(kube, demo).items()}
    demo.install(values, files=FILES, wait=False)
    leaders: list[int] = []

    def to_come() -> list[str]:
        now = {name: pod for name, pod in workers(kube, demo).items() if group(pod).startswith(role)}
        leaders.append(leaders_ready(now))
        renewed = {name for name, pod in now.items() if pod.metadata.uid != before.get(name) and ready(pod)}
        return sorted(name for name in before if f"-{role}-" in name and name not in renewed)

    wait_for(f"every {role} pod is a new one and ready", to_come, lambda names: not names, 300)
    assert min(leaders) >= fewest, f"leaders that were ready, over time: {leaders}"
    after = workers(kube, demo)
    others = [name for name in before if f"-{role}-" not in name]
    assert [name for name in others if after[name].metadata.uid != before[name]] == []


def update_both(kube: Kube, demo: Release, values: Any) -> None:
    """Change the prefill pods of a DisaggregatedSet: both roles are replaced, with two prefill workers away at most."""
    before = {pod.metadata.uid for pod in workers(kube, demo).values()}
    demo.install(values, files=FILES, wait=False)
    seen: list[tuple[int, int]] = []

    def old() -> tuple[int, int]:
        now = workers(kube, demo)
        roles = [{n: p for n, p in now.items() if group(p).startswith(role)} for role in WORKERS]
        seen.append((leaders_ready(roles[0]), leaders_ready(roles[1])))
        return len([p for p in now.values() if p.metadata.uid in before]), len(now)

    wait_for("every worker is a new one", old, lambda state: state == (0, 18) and seen[-1] == (5, 1), 420)
    # One may be away; in its last step the controller takes the last old ones while a new one starts.
    assert min(prefill for prefill, _ in seen) >= 3, f"prefill and decode workers that were ready, over time: {seen}"
    assert min(decode for _, decode in seen) >= 1, f"prefill and decode workers that were ready, over time: {seen}"


@contextmanager
def no_room(kube: Kube) -> Iterator[None]:
    """No node takes a pod: one that is replaced stays away for longer than a readiness probe needs to see it."""
    names = [node.metadata.name for node in kube.nodes()]
    for name in names:
        kube.core.patch_node(name, {"spec": {"unschedulable": True}})
    try:
        yield
    finally:
        for name in names:
            kube.core.patch_node(name, {"spec": {"unschedulable": None}})


def lose_a_rank(kube: Kube, demo: Release, controller: str) -> None:
    """A worker without one of its ranks gets no requests, and is there again when the rank is."""
    of_decode = {name: p for name, p in workers(kube, demo).items() if group(p) == "decode-0"}
    (leader,) = (name for name, p in of_decode.items() if is_leader(p))
    lost = next(name for name, p in of_decode.items() if not is_leader(p))
    before = (of_decode[leader].metadata.uid, of_decode[lost].metadata.uid)

    def state() -> tuple[str, bool, str, bool]:
        pods = workers(kube, demo)
        one, other = pods[leader], pods[lost]
        return one.metadata.uid, ready(one), other.metadata.uid, other.status.phase == "Running"

    with no_room(kube):
        kube.core.delete_namespaced_pod(lost, demo.namespace, grace_period_seconds=1)
        # In a LeaderWorkerSet the leader is replaced as well, with StatefulSets it stays and stops being ready.
        wait_for("the leader is not ready", state, lambda s: s[0] != before[0] or not s[1], 120)
    wait_for("the leader is ready again", state, lambda s: s[1] and s[2] != before[1] and s[3], 240)
    assert (state()[0] == before[0]) == (controller == "statefulset")
