"""Workers of two pods whose number KEDA changes through the scale subresource of their LeaderWorkerSet."""

import json

from hack.base.wait import wait_for
from hack.chart.manifests import merged
from hack.cluster import lifecycle as cluster
from hack.cluster import prometheus
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.cluster.scalers import scalers
from hack.reliability.cases import GROUPS
from hack.reliability.clients import MODEL, asking, lost
from hack.reliability.place import place
from hack.reliability.scaling import SIMULATED, TOKENS, WORDS
from tests.controllers.conftest import load
from tests.e2e.test_multi_node import is_leader, ready

RANKS = 2
SCALED = {
    "decode": {"autoscaling": {"enabled": True, "maxReplicas": 2, "target": 10, "scaleDownSeconds": 15}},
    "frontend": {"replicas": 2},
}
# Requests a second, and for how many seconds.
BUSY, QUIET = (5.0, 150), (0.5, 150)


def test_groups_come_and_go_as_groups(kube: Kube, running: cluster.Cluster, lws: None) -> None:
    load(running, "prometheus")
    # Prometheus goes with its namespace.
    with scalers(kube), place(kube, "scaled-groups") as demo:
        follow(kube, demo)


def follow(kube: Kube, demo: Release) -> None:
    """Two groups, given to the scaler; one, as nobody asks; two, while many do; and one again."""
    server = prometheus.install(kube, demo.namespace)
    scaled = merged(GROUPS, SCALED, {"autoscaling": {"prometheusUrl": server.url, "pollingSeconds": 5}})

    def ranks() -> tuple[int, int]:
        """Decode pods that are leaders, and that are not, all of them ready."""
        pods = kube.pods(demo.namespace, instance=demo.name, component="decode")
        found = [is_leader(pod) for pod in pods if ready(pod)]
        return found.count(True), found.count(False)

    def counted() -> int:
        """Workers, as the HorizontalPodAutoscaler that KEDA made sees them."""
        where = ("--namespace", demo.namespace, f"keda-hpa-{demo.name}-decode", "--output=json")
        return int(json.loads(kube.kubectl("get", "horizontalpodautoscaler", *where))["status"]["currentReplicas"])

    def wanted() -> int:
        """Groups, by their LeaderWorkerSet."""
        return int(json.loads(kube.kubectl("get", *named, "--output=json"))["spec"]["replicas"])

    named = (f"leaderworkerset/{demo.name}-decode-group", "--namespace", demo.namespace)
    demo.install(merged(SIMULATED, GROUPS, {"decode": {"replicas": 2}}), timeout=240)
    wait_for("two groups of decode are ready", ranks, lambda seen: seen == (2, 2 * (RANKS - 1)), 120)
    # As docs/autoscaling.md says, or Helm would leave one.
    mine = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": f"{demo.name}-decode-group"},
        "spec": {"replicas": 2},
    }
    owner = ("apply", "--namespace", demo.namespace, "--server-side", "--field-manager=scaler", "--filename=-")
    kube.kubectl(*owner, stdin=json.dumps(mine))
    demo.install(merged(SIMULATED, scaled), timeout=240)
    assert wanted() == 2
    demo.endpoint.wait_for_model(MODEL)
    wait_for("one goes, as there is nothing to do", ranks, lambda seen: seen == (1, RANKS - 1), 240)
    phases = [f"{rate:g}x{seconds:g}" for rate, seconds in (BUSY, QUIET)]
    with asking(demo, "waves", [str(WORDS), str(TOKENS), *phases]) as clients:
        wait_for("a second group is ready", ranks, lambda seen: seen == (2, 2 * (RANKS - 1)), BUSY[1])
        assert wait_for("the scaler counts groups", counted, lambda seen: seen == 2, 30) == 2
        wait_for("it has gone", ranks, lambda seen: seen == (1, RANKS - 1), BUSY[1] + QUIET[1])
        assert [lost(phase) for phase in clients.ended(QUIET[1] + 60)] == [0, 0]
