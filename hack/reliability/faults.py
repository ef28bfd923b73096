"""Faults that Kubernetes has no command for: signals to a pod's processes, and to what runs on a node of kind."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hack.base.log import UserError
from hack.base.wait import pause, wait_for
from hack.base.yamlfile import read_yaml
from hack.cluster import gpus, state
from hack.cluster.nodes import CONTROL_PLANE_LABEL
from hack.cluster.release import Release

REPLACED_SECONDS = 300
PROCESSES = "^(etcd|nats-server|python3)|/(etcd|nats-server) "
# The cgroup of a process names its pod, with "-" or "_".
SIGNAL = """
for folder in /proc/[0-9]*; do
  grep -qE "$1" "$folder/cgroup" 2>/dev/null || continue
  tr '\\0' ' ' < "$folder/cmdline" 2>/dev/null | grep -qE "$2" && kill -s "$3" "${folder#/proc/}" && found=1
done
test "${found:-}"
"""


def on_node(release: Release, node: str, *command: str) -> None:
    """Run a command on a node of kind. Raises UserError where it fails, or the cluster is no such."""
    context: str = read_yaml(release.kube.kubeconfig)["current-context"]
    found = state.find(context.removeprefix("kind-"))
    if not found:
        raise UserError(f"{release.kube.kubeconfig}: {context} is no cluster of kind on this machine")
    found.runtime.output("exec", node, *command)


def pod_of(release: Release, component: str) -> Any:
    """One that is not on its way out."""
    return _pods(release, component)[0]


def _pods(release: Release, component: str) -> list[Any]:
    pods = release.kube.pods(release.namespace, instance=release.name, component=component)
    return [pod for pod in pods if not pod.metadata.deletion_timestamp]


@contextmanager
def stopped(release: Release, component: str, *, all_of_them: bool = False) -> Iterator[None]:
    """SIGSTOP to the processes of one pod or all, and SIGCONT after the block: a stopped one does not end either."""
    pods = _pods(release, component) if all_of_them else [pod_of(release, component)]
    for pod in pods:
        send(release, pod, "STOP")
    try:
        yield
    finally:
        for pod in pods:
            send(release, pod, "CONT")


def send(release: Release, pod: Any, name: str) -> None:
    """A signal to the processes of a pod. Raises UserError where it has none."""
    uid = pod.metadata.uid.replace("-", "[-_]")
    on_node(release, pod.spec.node_name, "bash", "-c", SIGNAL, "signal", uid, PROCESSES, name)


def _signal(release: Release, pods: Sequence[Any], name: str) -> None:
    """A signal to the processes of pods; then wait until their containers have been started again."""

    def restarts(read: Sequence[Any]) -> dict[str, int]:
        return {pod.metadata.name: int(pod.status.container_statuses[0].restart_count) for pod in read}

    before = restarts(pods)
    for pod in pods:
        send(release, pod, name)

    def now() -> dict[str, int]:
        return restarts([release.kube.core.read_namespaced_pod(pod, release.namespace) for pod in before])

    started = lambda seen: all(seen[pod] > count for pod, count in before.items())  # noqa: E731
    wait_for(f"{', '.join(before)} started again", now, started, REPLACED_SECONDS, 1)


def kill(release: Release, component: str) -> None:
    """SIGKILL to one."""
    _signal(release, [pod_of(release, component)], "KILL")


def kill_all(release: Release, component: str) -> None:
    """SIGKILL to all of a component at once."""
    _signal(release, _pods(release, component), "KILL")


def hang(release: Release, component: str) -> None:
    """SIGSTOP: the process is there and does nothing."""
    _signal(release, [pod_of(release, component)], "STOP")


def restart_kubelet(release: Release) -> None:
    """Of the node of a decode worker."""
    on_node(release, pod_of(release, "decode").spec.node_name, "systemctl", "restart", "kubelet")


def kill_api_server(release: Release) -> None:
    """SIGKILL; the kubelet starts it again."""
    _send_api_server(release, _control_plane(release), "KILL")
    _wait_for_api_server(release)


def stop_api_server(release: Release, seconds: float) -> None:
    """SIGSTOP, for less than the kubelet takes to replace it."""
    node = _control_plane(release)
    _send_api_server(release, node, "STOP")
    pause(seconds)
    _send_api_server(release, node, "CONT")
    _wait_for_api_server(release)


def _control_plane(release: Release) -> str:
    nodes = release.kube.core.list_node(label_selector=CONTROL_PLANE_LABEL).items
    return str(nodes[0].metadata.name)


def _send_api_server(release: Release, node: str, name: str) -> None:
    on_node(release, node, "pkill", f"-{name}", "kube-apiserver")


def _wait_for_api_server(release: Release) -> None:
    def answers() -> str:
        try:
            return str(release.kube.core.get_api_resources() and "yes")
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    wait_for("the API server answers", answers, lambda said: said == "yes", 120, 1)


def break_gpus(release: Release, component: str, seconds: float) -> None:
    """All faked GPUs of a pod's node are unhealthy for a while."""
    node, kubeconfig = pod_of(release, component).spec.node_name, release.kube.kubeconfig
    count = gpus.allocatable(kubeconfig, [node], [gpus.GPU])[node][gpus.GPU]
    try:
        gpus.set_health(kubeconfig, node, gpus.GPU, [f"gpu-{number}" for number in range(count)])
        pause(seconds)
    finally:
        gpus.set_health(kubeconfig, node, gpus.GPU)
