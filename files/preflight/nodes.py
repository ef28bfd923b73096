"""Nodes, what is free on them, and why one does not take a pod."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from .cluster import Cluster, Object
from .matching import REQUIRED, expression_matches, tolerated
from .quantities import DEVICES, Amounts, amount, requests, shown

ARCH = "kubernetes.io/arch"
# The node's conditions say the same in plainer words.
CONDITION_TAINTS = {f"node.kubernetes.io/{name}" for name in ("not-ready", "unreachable", "unschedulable")}


@dataclass
class Node:
    """A node and what is free on it."""

    name: str
    labels: dict[str, str]
    taints: list[Object]
    state: str
    capacity: Amounts
    free: Amounts
    # Labels of the pods on it, with their namespaces, for affinity between pods.
    pods: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def unfit(node: Node, spec: Object) -> str:
    """The first reason why a node can never take a pod, in words; empty when there is none."""
    for key, value in (spec.get("nodeSelector") or {}).items():
        if node.labels.get(key) != value:
            return f"lack label {key}={value}" if key != ARCH else f"have another CPU architecture than {value}"
    wanted = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED)
    if wanted:
        fields = {"metadata.name": node.name}
        if not any(
            all(expression_matches(e, node.labels) for e in term.get("matchExpressions") or [])
            and all(expression_matches(e, fields) for e in term.get("matchFields") or [])
            for term in wanted["nodeSelectorTerms"]
        ):
            return "do not fit nodeAffinity"
    if node.state:
        return node.state
    for taint in node.taints:
        hard = taint["effect"] in ("NoSchedule", "NoExecute") and taint["key"] not in CONDITION_TAINTS
        if hard and not tolerated(taint, spec.get("tolerations") or []):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"have taint {taint['key']}{value}:{taint['effect']} that is not tolerated"
    return ""


def free_nodes(cluster: Cluster, held: Iterable[Object]) -> list[Node]:
    """The nodes with what the given pods leave free."""
    nodes = {}
    for item in cluster.nodes:
        capacity = {k: amount(v) for k, v in (item["status"].get("allocatable") or {}).items()}
        conditions = {c["type"]: c["status"] for c in item["status"].get("conditions") or []}
        state = "are NotReady" if conditions.get("Ready") != "True" else ""
        state = state or ("are cordoned" if item["spec"].get("unschedulable") else "")
        metadata = item["metadata"]
        labels, taints = metadata.get("labels") or {}, item["spec"].get("taints") or []
        nodes[metadata["name"]] = Node(metadata["name"], labels, taints, state, capacity, dict(capacity))
    for pod in held:
        node = nodes.get(pod["spec"]["nodeName"])
        if node is not None:
            take(node, requests(pod["spec"]))
            node.pods.append((pod["metadata"]["namespace"], pod["metadata"].get("labels") or {}))
    return list(nodes.values())


def take(node: Node, amounts: Amounts) -> None:
    """Reserve on a node."""
    for name, value in amounts.items():
        node.free[name] = node.free.get(name, Decimal(0)) - value


def shortage(node: Node, amounts: Amounts) -> str:
    """The first thing a node has too little of, in words; empty when the amounts fit."""
    for name, value in amounts.items():
        if node.free.get(name, Decimal(0)) < value:
            what = name.removeprefix(DEVICES)
            if not node.capacity.get(name):
                return f"have no {what}"
            if node.capacity[name] < value:
                return f"have only {shown(name, node.capacity[name])} in all"
            return f"have less than {shown(name, value)} free"
    return ""


def within(nodes: list[Node], key: str, value: str) -> list[Node]:
    """The nodes of one topology domain."""
    return [node for node in nodes if node.labels.get(key) == value]
