"""What is left in a namespace after an uninstall."""

from functools import partial

from hack.base.wait import wait_for
from hack.cluster.kube import Kube

# What every namespace has, and what the control plane removes in its own time.
BUILT_IN = {"serviceaccount/default", "configmap/kube-root-ca.crt"}
# The label of what a test put there beside the release.
HELPER = "dynamo-disagg/of-a-test"
TRANSIENT = ("event/", "event.events.k8s.io/")
# The longest grace period of the scenarios, and a margin: under load Dynamo 1.6.1's process can hang at its exit
# ("tasks still running at interpreter exit"), and the kubelet ends it then.
SECONDS = 330


def of(kube: Kube, namespace: str) -> list[str]:
    """Names ("kind.group/name") of all objects of all kinds that do not belong to the namespace itself."""
    kinds = ",".join(kube.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split())
    which = ("--namespace", namespace, f"--selector=!{HELPER}")
    found = kube.kubectl("get", kinds, *which, "--output=name", "--ignore-not-found").split()
    return sorted(name for name in found if name not in BUILT_IN and not name.startswith(TRANSIENT))


def wait_until_gone(kube: Kube, namespace: str, timeout: float = SECONDS) -> None:
    """Wait until nothing of any release is left; the error names what is."""
    # All kinds take two processes to list, and pods are the last to go.
    pods = partial(kube.core.list_namespaced_pod, namespace, label_selector=f"!{HELPER}")
    names = lambda found: [pod.metadata.name for pod in found.items]  # noqa: E731
    wait_for(f"no pods in namespace {namespace}", pods, lambda found: not found.items, timeout, show=names)
    wait_for(f"namespace {namespace} is empty", lambda: of(kube, namespace), lambda found: not found, timeout, 1)
