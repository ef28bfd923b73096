"""Faults that Kubernetes has no command for: signals to a pod's processes, and to what runs on a node of kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hack.base.log import UserError
from hack.base.wait import wait_for
from hack.base.yamlfile import read_yaml
from hack.cluster import state
from hack.cluster.release import Release

REPLACED_SECONDS = 180
# The cgroup of a process names its pod, with "-" or "_".
SIGNAL = """
for folder in /proc/[0-9]*; do
  grep -qE "$1" "$folder/cgroup" 2>/dev/null || continue
  tr '\\0' ' ' < "$folder/cmdline" 2>/dev/null | grep -qE "$2" && kill -s "$3" "${folder#/proc/}" && found=1
done
test "${found:-}"
"""


def _on_node(release: Release, node: str, *command: str) -> None:
    context: str = read_yaml(release.kube.kubeconfig)["current-context"]
    found = state.find(context.removeprefix("kind-"))
    if not found:
        raise UserError(f"{release.kube.kubeconfig}: {context} is no cluster of kind on this machine")
    found.runtime.output("exec", node, *command)


def _pod(release: Release, component: str) -> Any:
    pods = release.kube.pods(release.namespace, instance=release.name, component=component)
    return next(pod for pod in pods if not pod.metadata.deletion_timestamp)


@contextmanager
def stopped(release: Release, component: str) -> Iterator[None]:
    """SIGSTOP to the Dynamo processes of one pod, and SIGCONT after the block: a stopped one does not end either."""
    pod = _pod(release, component)
    _send(release, pod, "STOP")
    try:
        yield
    finally:
        _send(release, pod, "CONT")


def _send(release: Release, pod: Any, name: str) -> None:
    uid = pod.metadata.uid.replace("-", "[-_]")
    _on_node(release, pod.spec.node_name, "bash", "-c", SIGNAL, "signal", uid, "^(etcd|python3)|/etcd ", name)


def _signal(release: Release, component: str, name: str) -> None:
    """A signal to the Dynamo processes of one pod; then wait until its container has been started again."""
    pod = _pod(release, component)
    _send(release, pod, name)

    def restarts() -> int:
        read = release.kube.core.read_namespaced_pod(pod.metadata.name, release.namespace)
        return int(read.status.container_statuses[0].restart_count)

    before = pod.status.container_statuses[0].restart_count
    wait_for(f"{pod.metadata.name} is started again", restarts, lambda now: now > before, REPLACED_SECONDS, 1)


def kill(release: Release, component: str) -> None:
    """SIGKILL."""
    _signal(release, component, "KILL")


def hang(release: Release, component: str) -> None:
    """SIGSTOP: the process is there and does nothing."""
    _signal(release, component, "STOP")


def restart_kubelet(release: Release) -> None:
    """Of the node of a decode worker."""
    _on_node(release, _pod(release, "decode").spec.node_name, "systemctl", "restart", "kubelet")


def kill_api_server(release: Release) -> None:
    """SIGKILL; the kubelet starts it again."""
    nodes = release.kube.core.list_node(label_selector="node-role.kubernetes.io/control-plane").items
    _on_node(release, nodes[0].metadata.name, "pkill", "-9", "kube-apiserver")

    def answers() -> str:
        try:
            return str(release.kube.core.get_api_resources() and "yes")
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    wait_for("the API server answers", answers, lambda said: said == "yes", 120, 1)
