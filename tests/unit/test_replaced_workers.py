"""Upgrades that no rollout can do: the chart asks before what serves goes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from hack.chart.manifests import merged, nested
from hack.chart.renderer import Cluster, Renderer

ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
KINDS = ("leaderworkerset.x-k8s.io/v1/LeaderWorkerSet", "disaggregatedset.x-k8s.io/v1/DisaggregatedSet")
ONE_NODE: dict[str, Any] = {}
FOUR_NODES = merged(nested("global.multiNode.controller", "statefulset"), {"decode": {"parallelism": {"tensor": 32}}})
RANKS = merged(FOUR_NODES, {"decode": {"parallelism": {"tensor": 16}}})
GROUPS = merged(RANKS, nested("global.multiNode.controller", "lws"))
AS_SET = merged(RANKS, nested("global.multiNode.controller", "disaggregatedset"))
AGGREGATED = nested("global.serving", "aggregated")
ETCD = {"global": {"discovery": {"backend": "etcd"}}, "etcd": {"enabled": True}}
OTHER_ETCD = {"global": {"discovery": {"backend": "etcd", "etcdEndpoints": ["http://etcd:2379"]}}}
NATS = {"global": {"requestPlane": "nats"}, "nats": {"enabled": True}}
LWS = "leaderworkerset.sigs.k8s.io/name"


def pod(component: str, labels: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """One of the release that is ready, as Kubernetes shows it."""
    ours = {"app.kubernetes.io/instance": "demo", "app.kubernetes.io/component": component}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"demo-{component}-0", "namespace": "default", "labels": {**ours, **labels}},
        "spec": {"containers": [{"env": [{"name": "DYN_DISCOVERY_BACKEND", "value": "kubernetes"}]}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def of_set(component: str, rank: int = 0) -> dict[str, Any]:
    """One of a StatefulSet, as the chart makes one for each rank."""
    return pod(component, {"statefulset.kubernetes.io/pod-name": "a", "dynamo-disagg/rank-number": str(rank)})


def of_group(component: str, name: str) -> dict[str, Any]:
    """One of a LeaderWorkerSet, which also is one of a StatefulSet."""
    return pod(component, {LWS: name, "statefulset.kubernetes.io/pod-name": "a"})


def error(render: Renderer, values: dict[str, Any], *running: Any) -> str:
    return render(values, cluster=Cluster((ACCOUNT, *running), KINDS)).error


CHANGES = {
    "to several nodes": (
        pod("decode"),
        RANKS,
        "a Deployment runs the decode workers, and with these values a StatefulSet",
    ),
    "to groups": (
        pod("decode"),
        GROUPS,
        "a Deployment runs the decode workers, and with these values a LeaderWorkerSet",
    ),
    "to a set": (
        pod("decode"),
        AS_SET,
        "a Deployment runs the decode workers, and with these values a DisaggregatedSet",
    ),
    "to one node": (
        of_set("decode"),
        ONE_NODE,
        "a StatefulSet runs the decode workers, and with these values a Deployment",
    ),
    "of ranks to groups": (of_set("decode"), GROUPS, "a StatefulSet runs the decode workers"),
    "of groups to a set": (
        of_group("decode", "demo-decode-group"),
        AS_SET,
        "a LeaderWorkerSet runs the decode workers",
    ),
    "of groups to ranks": (of_group("decode", "demo-decode-group"), RANKS, "a LeaderWorkerSet runs the decode workers"),
    "of a set to groups": (of_group("decode", "demo-decode-1-a"), GROUPS, "a DisaggregatedSet runs the decode workers"),
    "to fewer nodes": (of_set("decode", 2), RANKS, "run on more nodes than with these values (2)"),
    "to aggregated": (
        pod("prefill"),
        AGGREGATED,
        "global.serving: prefill pods serve, and with these values there are none",
    ),
    "to no encoder": (pod("encode"), ONE_NODE, "encode.replicas: encode pods serve"),
    "to another etcd": (pod("etcd"), OTHER_ETCD, "etcd.enabled: etcd pods serve"),
    "to no NATS": (pod("nats"), ONE_NODE, "nats.enabled: nats pods serve"),
    "to another discovery": (
        pod("frontend"),
        ETCD,
        "global.discovery.backend: the frontends find the running workers by",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_would_go_too_soon_is_named(render_fast: Renderer, change: str) -> None:
    runs, values, says = CHANGES[change]
    found = error(render_fast, values, runs, runs)
    assert "1 problem(s)" in found
    assert says in found
    assert "which is an outage: put a second release beside this one" in found
    assert error(render_fast, merged(values, nested("global.clusterChecks", False)), runs) == ""


@pytest.mark.parametrize("change", CHANGES)
def test_what_serves_nobody_may_go(render_fast: Renderer, change: str) -> None:
    runs, values, _ = CHANGES[change]
    ended = merged(runs, {"metadata": {"deletionTimestamp": "2026-12-01T00:00:00Z"}})
    starting = merged(runs, {"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    others = merged(runs, {"metadata": {"labels": {"app.kubernetes.io/instance": "other"}}})
    assert error(render_fast, values, ended, starting, merged(runs, {"status": {"conditions": []}}), others) == ""


@pytest.mark.parametrize(
    ("running", "values"),
    [
        ((pod("prefill"), pod("decode"), pod("frontend"), pod("load")), ONE_NODE),
        ((pod("prefill"), of_set("decode", 0), of_set("decode", 1)), RANKS),
        # More nodes are more StatefulSets, and the others go on.
        ((pod("prefill"), of_set("decode", 0), of_set("decode", 1)), FOUR_NODES),
        ((pod("prefill"), of_group("decode", "demo-decode-group")), GROUPS),
        ((of_group("prefill", "demo-prefill-1-a"), of_group("decode", "demo-decode-1-a")), AS_SET),
        ((pod("decode"),), AGGREGATED),
        # What becomes disaggregated has its workers until the new pair serves.
        ((pod("decode"),), ONE_NODE),
        ((pod("etcd"),), ETCD),
        ((pod("nats"),), NATS),
    ],
)
def test_what_a_rollout_replaces_is_not(
    render_fast: Renderer, running: tuple[Any, ...], values: dict[str, Any]
) -> None:
    assert error(render_fast, values, *running) == ""


@pytest.mark.parametrize(
    ("release", "component", "ready", "refused"),
    [
        ("demo", "frontend", 1, True),
        ("demo", "frontend", 0, False),
        ("two", "frontend", 1, False),
        ("demo", "etcd", 1, False),
    ],
)
def test_another_name_is_noticed(
    render_fast: Renderer, release: str, component: str, ready: int, refused: bool
) -> None:
    labels = pod(component)["metadata"]["labels"] | {"app.kubernetes.io/name": "dynamo-disagg"}
    metadata = {"name": "demo-a", "namespace": "default", "labels": labels}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata | {"annotations": {"meta.helm.sh/release-name": release}},
        "spec": {"template": {"spec": {}}},
        "status": {"readyReplicas": ready},
    }
    for key in ("nameOverride", "fullnameOverride"):
        found = error(render_fast, nested(f"global.{key}", "other"), deployment)
        assert ("the release serves under the name demo, and with these values it is" in found) == refused
    assert error(render_fast, {}, deployment) == ""


def test_pods_are_as_the_chart_labels_them(render_fast: Renderer) -> None:
    """What is looked up is what the chart renders."""
    made = render_fast(RANKS, cluster=Cluster((ACCOUNT,), KINDS)).manifests
    for component in ("frontend", "prefill", "decode"):
        expected = pod(component)["metadata"]["labels"]
        assert all(expected.items() <= one.labels.items() for one in made.pods(component))
    assert {rank.labels["dynamo-disagg/rank-number"] for rank in made.pods("decode")} == {"0", "1"}
    assert made.pod("frontend").container().env()["DYN_DISCOVERY_BACKEND"] == "kubernetes"
