"""NetworkPolicies that hold in a test cluster: kube-router, where the node image is our own; kind's has an enforcer."""

from hack.base.log import UserError
from hack.base.step import Step
from hack.base.yamlfile import parse_all
from hack.cluster.kube import Kube
from hack.cluster.lifecycle import Cluster
from hack.containers import node_build
from hack.data import kube_router

READY_SECONDS = 170


def install(running: Cluster, kube: Kube) -> None:
    """Have policies enforced on every node, as long as the cluster lives; the image must be loaded."""
    if not running.node_image.startswith(f"{node_build.NAME}:"):
        return
    kube.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=kube_router.MANIFEST.read_text())
    where = ("-n", "kube-system")
    try:
        kube.kubectl("rollout", "status", "daemonset/kube-router", *where, f"--timeout={READY_SECONDS}s")
    except UserError as error:
        pods = kube.kubectl("describe", "pods", "-l", "app.kubernetes.io/name=kube-router", *where)
        raise UserError(f"kube-router does not start: {error}\n{pods}") from error
    Step("network policies").say("enforced by kube-router")


def image() -> str:
    """The image that the manifest runs."""
    (daemons,) = (o for o in parse_all(kube_router.MANIFEST.read_text()) if o["kind"] == "DaemonSet")
    (container,) = daemons["spec"]["template"]["spec"]["containers"]
    return str(container["image"])
