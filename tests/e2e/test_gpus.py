"""The faked GPUs behave like a real device plugin's: health, restarts of the kubelet, what a container is given."""

from collections.abc import Callable

from hack.base.wait import wait_for
from hack.cluster import gpus, state
from hack.cluster.gpus import GPU
from hack.cluster.kube import Kube
from hack.cluster.lifecycle import Cluster
from hack.cluster.nodes import ANYWHERE
from hack.cluster.release import Release


def allocatable(running: Cluster) -> dict[str, int]:
    """GPUs by node."""
    return {node: amounts[GPU] for node, amounts in gpus.allocatable(running.kubeconfig).items() if GPU in amounts}


def test_an_unhealthy_gpu_is_not_allocatable(running: Cluster) -> None:
    node = min(allocatable(running))
    try:
        gpus.set_health(running.kubeconfig, node, GPU, unhealthy=["gpu-3"])
        assert allocatable(running)[node] == 7
    finally:
        gpus.set_health(running.kubeconfig, node, GPU)
    assert allocatable(running)[node] == 8


def test_gpus_survive_a_restart_of_the_kubelet(running: Cluster, kube: Kube) -> None:
    node = min(allocatable(running))
    found = state.find(running.name)
    assert found
    registrations = registered(kube, node)
    found.runtime.output("exec", node, "systemctl", "restart", "kubelet")
    wait_for("the plugin registers again", lambda: registered(kube, node), lambda now: now > registrations, 180)
    wait_for("eight GPUs again", lambda: allocatable(running)[node], lambda count: count == 8, 180)


def registered(kube: Kube, node: str) -> int:
    """How often the plugin of a node has registered its GPUs."""
    pods = kube.core.list_namespaced_pod(gpus.NAMESPACE, label_selector=f"app.kubernetes.io/name={gpus.NAME}").items
    (name,) = [pod.metadata.name for pod in pods if pod.spec.node_name == node]
    log: str = kube.core.read_namespaced_pod_log(name, gpus.NAMESPACE)
    return sum("registered" in line and GPU in line for line in log.splitlines())


def test_a_container_is_told_its_gpus(release: Callable[..., Release], kube: Kube) -> None:
    demo = release()
    probe = {
        "metadata": {"name": "probe"},
        "spec": {
            "restartPolicy": "Never",
            **ANYWHERE,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "probe",
                    "image": "dynamo-disagg/sim-runtime:1.6.1",
                    "command": ["python3", "-c", "import os; print(os.environ['NVIDIA_VISIBLE_DEVICES'])"],
                    "resources": {"limits": {GPU: "3"}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
    # Refused while the namespace is so new that its default service account is not there yet.
    wait_for("the probe is made", lambda: kube.core.create_namespaced_pod(demo.namespace, probe), bool, 90)

    def phase() -> str:
        return str(kube.core.read_namespaced_pod("probe", demo.namespace).status.phase)

    wait_for("the probe ends", phase, lambda now: now == "Succeeded", 180)
    devices = kube.core.read_namespaced_pod_log("probe", demo.namespace).strip().split(",")
    kube.core.delete_namespaced_pod("probe", demo.namespace, grace_period_seconds=0)
    assert len(set(devices)) == 3
