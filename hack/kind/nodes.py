"""The nodes of a cluster as its API server shows them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.log import UserError
from hack.paths import TOOLS_BIN
from hack.progress import HEARTBEAT_SECONDS, Step

CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
# Fake nodes of the scheduling tests: they have no container.
KWOK_ANNOTATION = "kwok.x-k8s.io/node"

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


class NoAnswerError(Exception):
    """The API server did not answer; the text says how."""


def kubectl(kubeconfig: Path, *args: str, stdin: str | None = None, timeout: float = 30) -> str:
    """Run kubectl against a cluster and return its output; raises NoAnswerError with kubectl's message."""
    try:
        result = subprocess.run(
            [TOOLS_BIN / "kubectl", f"--kubeconfig={kubeconfig}", *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise NoAnswerError(f"no answer within {timeout:.0f} s") from error
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines()
        raise NoAnswerError(lines[-1] if lines else f"kubectl failed with exit code {result.returncode}")
    return result.stdout


def get_nodes(kubeconfig: Path, timeout: float = 10) -> list[Node]:
    """The nodes that are containers, control plane first; raises NoAnswerError when the API server does not answer."""
    answer = kubectl(
        kubeconfig, "get", "nodes", "--output=json", f"--request-timeout={timeout:.0f}s", timeout=timeout + 5
    )
    items: list[dict[str, Any]] = json.loads(answer)["items"]
    nodes = [_node(item) for item in items if KWOK_ANNOTATION not in item["metadata"].get("annotations", {})]
    return sorted(nodes, key=lambda node: (not node.control_plane, node.name))


def wait_for(kubeconfig: Path, wanted: str, good: Condition, seconds: float, step: Step) -> list[Node]:
    """Poll the nodes until they are good; a UserError with the last state seen when the time is up."""
    nodes: list[Node] = []

    def look() -> tuple[bool, str]:
        nonlocal nodes
        nodes = get_nodes(kubeconfig)
        states = [f"{node.name}: {'Ready' if node.ready else node.reason}" for node in nodes]
        return good(nodes), ", ".join(states) or "no nodes"

    _poll(look, wanted, seconds, step)
    return nodes


def wait_for_addons(kubeconfig: Path, seconds: float, step: Step) -> None:
    """Wait until service addresses, cluster DNS and the storage provisioner work, all their pods that is."""

    def look() -> tuple[bool, str]:
        answer = kubectl(kubeconfig, "get", "deployments,daemonsets", "--all-namespaces", "--output=json")
        states = {item["metadata"]["name"]: _pods_ready(item) for item in json.loads(answer)["items"]}
        addons = {name: states.get(name, (0, 0)) for name in ADDONS}
        words = ", ".join(f"{name}: {ready}/{total} ready" for name, (ready, total) in addons.items())
        return all(ready >= total > 0 for ready, total in addons.values()), words

    _poll(look, "the pods of the cluster's add-ons", seconds, step)


def _pods_ready(item: dict[str, Any]) -> tuple[int, int]:
    status = item.get("status", {})
    if item["kind"] == "DaemonSet":
        return status.get("numberReady", 0), status.get("desiredNumberScheduled", 0)
    return status.get("readyReplicas", 0), item["spec"]["replicas"]


def _poll(look: Callable[[], tuple[bool, str]], wanted: str, seconds: float, step: Step) -> None:
    deadline = time.monotonic() + seconds
    said = time.monotonic()
    while True:
        try:
            good, state = look()
        except NoAnswerError as reason:
            good, state = False, str(reason)
        if good:
            return
        if time.monotonic() > deadline:
            raise UserError(f"waited {seconds:.0f} s for {wanted}; last seen: {state}")
        if time.monotonic() - said > HEARTBEAT_SECONDS:
            step.say(f"waiting for {wanted}; {state}")
            said = time.monotonic()
        time.sleep(0.5)


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
