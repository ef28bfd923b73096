"""Services of the cluster itself, where the node image is our own."""

from collections.abc import Callable
from typing import Any

from hack.base.wait import wait_for
from hack.chart.scenarios import SIMULATE
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from tests.e2e.quick import QUICK


def proxies(kube: Kube) -> dict[str, Any]:
    """The kube-proxy pods by UID."""
    pods = kube.core.list_namespaced_pod("kube-system", label_selector="k8s-app=kube-proxy").items
    return {pod.metadata.uid: pod for pod in pods}


def has_synced(kube: Kube, pod: Any) -> bool:
    """Whether a kube-proxy has written its rules once."""
    families = kube.pod("kube-system", pod.metadata.name, 10256, "healthz").json()["status"].values()
    return bool(families) and all(not str(family["lastUpdated"]).startswith("0001-") for family in families)


def test_services_survive_a_full_sync_of_kube_proxy(release: Callable[..., Release], kube: Kube) -> None:
    """It reads its own rules back and deletes what it does not know: hourly, and whenever it starts."""
    demo = release()
    demo.install(QUICK, files=[SIMULATE])
    old = proxies(kube)
    for pod in old.values():
        kube.core.delete_namespaced_pod(pod.metadata.name, "kube-system")

    def renewed() -> list[bool]:
        return [has_synced(kube, pod) for uid, pod in proxies(kube).items() if uid not in old]

    wait_for("new kube-proxies have written their rules", renewed, lambda seen: seen == [True] * len(old), 180)
    # Its request goes through the frontend's Service and the cluster's DNS.
    assert "OK: 2 proved, 2 simulated" in demo.test()
