"""The preflight as a hook of a real installation and upgrade."""

from collections.abc import Callable

from hack.base.paths import ROOT
from hack.chart.helm import Helm
from hack.chart.manifests import merged
from hack.chart.scenarios import SIMULATE
from hack.cluster import leftovers
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from tests.e2e.quick import QUICK
from tests.e2e.test_preflight import check

A3U = ROOT / "values" / "a3u-multi.yaml"
MakeRelease = Callable[..., Release]

VALUES = {
    **QUICK,
    "preflight": {"enabled": True},
    "global": {"simulation": {"resources": {"requests": {"cpu": "10m", "memory": "128Mi"}}}},
}


def cluster_wide(kube: Kube, namespace: str) -> list[str]:
    """What the preflight of a namespace has outside of it."""
    items = [*kube.rbac.list_cluster_role().items, *kube.rbac.list_cluster_role_binding().items]
    return [item.metadata.name for item in items if item.metadata.name.startswith(f"{namespace}-")]


def test_a_hook_that_fails_stops_the_installation(release: MakeRelease, kube: Kube, each_helm: Helm) -> None:
    demo = release(helm=each_helm)
    values = merged(VALUES, {"prefill": {"nodeSelector": {"none": "such"}}})
    done = demo.attempt("install", demo.name, demo.chart, "--timeout=120s", values=values, files=[A3U, SIMULATE])
    assert done.code
    table = kube.log(demo.namespace, "job-name=demo-preflight")
    assert "lack label none=such" in table
    assert "no node has the label" in table
    assert "FAIL: 1 of" in table
    # The same table in what Helm prints, which Helm 4 writes as one line of its log.
    assert "lack label none=such" in done.stdout + done.stderr
    left = {name.partition("/")[0] for name in leftovers.of(kube, demo.namespace)}
    assert left <= {"job.batch", "pod", "secret"}, "only the Job with its log, and Helm's record of the release"
    assert cluster_wide(kube, demo.namespace) == []
    kube.batch.delete_namespaced_job("demo-preflight", demo.namespace, propagation_policy="Background")


def test_a_hook_that_passes_leaves_nothing_and_counts_its_own_pods_as_free(release: MakeRelease, kube: Kube) -> None:
    demo = release()
    demo.install(VALUES, files=[A3U, SIMULATE])
    assert [name for name in leftovers.of(kube, demo.namespace) if "preflight" in name] == []
    assert cluster_wide(kube, demo.namespace) == []
    # Both nodes are full of this release: it may be upgraded, and nothing else may be installed.
    demo.install(merged(VALUES, {"frontend": {"replicas": 2}}), files=[A3U, SIMULATE])
    found = check(kube, [A3U, SIMULATE], "another", demo.namespace)
    assert [found[role].status for role in ("prefill", "decode")] == ["FAIL", "FAIL"]
