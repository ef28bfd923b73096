"""Upgrades that no rollout can do: the chart asks before the running workers go."""

from typing import Any

import pytest

from hack.chart.manifests import merged, nested
from hack.chart.renderer import Cluster, Renderer

ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
LWS, SET = "leaderworkerset.x-k8s.io/v1/LeaderWorkerSet", "disaggregatedset.x-k8s.io/v1/DisaggregatedSet"
ONE_NODE: dict[str, Any] = {}
RANKS = merged(nested("global.multiNode.controller", "statefulset"), {"decode": {"parallelism": {"tensor": 16}}})
GROUPS = merged(RANKS, nested("global.multiNode.controller", "lws"))
AS_SET = merged(RANKS, nested("global.multiNode.controller", "disaggregatedset"))
AGGREGATED = nested("global.serving", "aggregated")
ETCD = {"global": {"discovery": {"backend": "etcd"}}, "etcd": {"enabled": True}}
OBJECTS = {
    "demo-prefill": "apps/v1/Deployment",
    "demo-decode": "apps/v1/Deployment",
    "demo-decode-rank-0": "apps/v1/StatefulSet",
    "demo-decode-group": LWS,
    "demo": SET,
}


def running(*names: str, ready: int = 1) -> Cluster:
    """A cluster with these workloads of the release, of which so many pods are ready."""
    objects = []
    for name in names:
        version, _, kind = OBJECTS[name].rpartition("/")
        metadata = {"name": name, "namespace": "default"}
        status = {} if kind == "DisaggregatedSet" else {"readyReplicas": ready}
        spec: dict[str, Any] = {"template": {"spec": {}}}
        objects.append({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec, "status": status})
    return Cluster((ACCOUNT, *objects), (LWS, SET))


@pytest.mark.parametrize(
    ("runs", "values", "where"),
    [
        ("demo-decode", RANKS, "decode.parallelism, global.multiNode.controller: Deployment demo-decode"),
        ("demo-decode", GROUPS, "decode.parallelism, global.multiNode.controller: Deployment demo-decode"),
        ("demo-decode", AS_SET, "decode.parallelism, global.multiNode.controller: Deployment demo-decode"),
        ("demo-decode-rank-0", ONE_NODE, "global.multiNode.controller: StatefulSet demo-decode-rank-0"),
        ("demo-decode-rank-0", GROUPS, "global.multiNode.controller: StatefulSet demo-decode-rank-0"),
        ("demo-decode-group", AS_SET, "global.multiNode.controller: LeaderWorkerSet demo-decode-group"),
        ("demo-decode-group", RANKS, "global.multiNode.controller: LeaderWorkerSet demo-decode-group"),
        ("demo", GROUPS, "global.multiNode.controller: DisaggregatedSet demo serves"),
        ("demo-prefill", AGGREGATED, "global.serving: Deployment demo-prefill serves, and with these values it goes"),
    ],
)
def test_workers_that_would_go_are_named(render_fast: Renderer, runs: str, values: dict[str, Any], where: str) -> None:
    error = render_fast(values, cluster=running(runs)).error
    assert where in error
    assert "which is an outage: put a second release beside this one" in error
    assert "is an outage" not in render_fast(values, cluster=running(runs, ready=0)).error or runs == "demo"
    assert render_fast(merged(values, nested("global.clusterChecks", False)), cluster=running(runs)).error == ""


@pytest.mark.parametrize(
    ("runs", "values"),
    [
        (("demo-prefill", "demo-decode"), ONE_NODE),
        (("demo-prefill", "demo-decode-rank-0"), RANKS),
        (("demo-prefill", "demo-decode-group"), GROUPS),
        (("demo",), AS_SET),
        (("demo-decode",), AGGREGATED),
        # What becomes disaggregated has its workers until the new pair serves.
        (("demo-decode",), ONE_NODE),
    ],
)
def test_workers_that_a_rollout_replaces_are_not(
    render_fast: Renderer, runs: tuple[str, ...], values: dict[str, Any]
) -> None:
    assert render_fast(values, cluster=running(*runs)).error == ""


def test_another_discovery_is_noticed(render_fast: Renderer) -> None:
    """By the frontend as the chart renders it."""

    def frontend(values: dict[str, Any], ready: int) -> Cluster:
        made = render_fast(values).manifests.one("Deployment", name="demo-frontend")
        metadata = {"name": "demo-frontend", "namespace": "default"}
        return Cluster((ACCOUNT, {**made, "metadata": metadata, "status": {"readyReplicas": ready}}))

    error = render_fast(ETCD, cluster=frontend({}, 1)).error
    assert "global.discovery.backend: the frontends find the running workers by kubernetes, and with etcd they" in error
    assert "by etcd, and with kubernetes" in render_fast({}, cluster=frontend(ETCD, 1)).error
    for values, cluster in ((ETCD, frontend({}, 0)), (ETCD, frontend(ETCD, 1)), ({}, frontend({}, 1))):
        assert render_fast(values, cluster=cluster).error == ""
