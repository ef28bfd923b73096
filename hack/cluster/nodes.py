"""The nodes of a cluster as its API server shows them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.base.step import Step
from hack.base.wait import wait_for
from hack.cluster.apiserver import ApiServer

CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
# Fake nodes of the scheduling tests: they have no container.
KWOK_ANNOTATION = "kwok.x-k8s.io/node"
# Of a pod that runs on any node that has a container, whatever its taints.
ANYWHERE: dict[str, Any] = {"nodeSelector": {"kubernetes.io/os": "linux"}, "tolerations": [{"operator": "Exists"}]}

REQUEST_SECONDS = 30
ADDONS = ("coredns", "kube-proxy", "local-path-provisioner")


@dataclass(frozen=True)
class Node:
    """One node, reduced to what the harness looks at."""

    name: str
    ready: bool
    reason: str
    address: str
    pod_network: str
    control_plane: bool
    version: str
    labels: dict[str, str]
    taints: tuple[str, ...]
    extended_resources: dict[str, str]
    images: tuple[str, ...]


Condition = Callable[[list[Node]], bool]


def get_nodes(kubeconfig: Path) -> list[Node]:
    """The nodes that are containers, control plane first. Raises NoAnswerError."""
    items: list[dict[str, Any]] = ApiServer(kubeconfig).get_json("/api/v1/nodes", REQUEST_SECONDS)["items"]
    nodes = [_node(item) for item in items if KWOK_ANNOTATION not in item["metadata"].get("annotations", {})]
    return sorted(nodes, key=lambda node: (not node.control_plane, node.name))


def wait_for_nodes(kubeconfig: Path, wanted: str, good: Condition, seconds: float, step: Step) -> list[Node]:
    """Poll the nodes until they are good. Raises NotReachedError with the last state seen."""

    def show(nodes: list[Node]) -> str:
        return ", ".join(f"{node.name}: {'Ready' if node.ready else node.reason}" for node in nodes) or "no nodes"

    return wait_for(wanted, lambda: get_nodes(kubeconfig), good, seconds, show=show, step=step)


def wait_for_addons(kubeconfig: Path, seconds: float, step: Step) -> None:
    """Wait until service addresses, cluster DNS and the storage provisioner work, all their pods that is."""

    def pods() -> dict[str, tuple[int, int]]:
        server = ApiServer(kubeconfig)
        ready = {
            item["metadata"]["name"]: of(item)
            for kind, of in (("deployments", _deployment_pods), ("daemonsets", _daemon_set_pods))
            for item in server.get_json(f"/apis/apps/v1/{kind}", REQUEST_SECONDS)["items"]
        }
        return {name: ready.get(name, (0, 0)) for name in ADDONS}

    wait_for(
        "the pods of the cluster's add-ons",
        pods,
        lambda seen: all(ready >= total > 0 for ready, total in seen.values()),
        seconds,
        show=lambda seen: ", ".join(f"{name}: {ready}/{total} ready" for name, (ready, total) in seen.items()),
        step=step,
    )


def _deployment_pods(item: dict[str, Any]) -> tuple[int, int]:
    return item.get("status", {}).get("readyReplicas", 0), item["spec"]["replicas"]


def _daemon_set_pods(item: dict[str, Any]) -> tuple[int, int]:
    status = item.get("status", {})
    return status.get("numberReady", 0), status.get("desiredNumberScheduled", 0)


def _node(item: dict[str, Any]) -> Node:
    status = item.get("status", {})
    ready: dict[str, str] = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
    addresses = {entry["type"]: entry["address"] for entry in reversed(status.get("addresses", []))}
    allocatable: dict[str, str] = status.get("allocatable", {})
    labels: dict[str, str] = item["metadata"].get("labels", {})
    return Node(
        name=item["metadata"]["name"],
        ready=ready.get("status") == "True",
        reason=ready.get("message", "not reported yet"),
        address=addresses.get("InternalIP", ""),
        pod_network=item["spec"].get("podCIDR", ""),
        control_plane=CONTROL_PLANE_LABEL in labels,
        version=status.get("nodeInfo", {}).get("kubeletVersion", ""),
        labels=labels,
        taints=tuple(
            f"{taint['key']}={taint.get('value', '')}:{taint['effect']}" for taint in item["spec"].get("taints", [])
        ),
        extended_resources={name: count for name, count in allocatable.items() if "/" in name},
        # An image that was replaced by another of its name has none.
        images=tuple(name for image in status.get("images", []) for name in image.get("names") or []),
    )
