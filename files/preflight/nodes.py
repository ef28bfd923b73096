"""Nodes, what is free on them, and why one does not take a pod."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from .cluster import Cluster, Object
from .matching import REQUIRED, expression_matches, tolerated
from .quantities import DEVICES, Amounts, amount, requests, shown
from .reasons import Cause, Reason

ARCH = "kubernetes.io/arch"
# The node's conditions say the same in plainer words.
CONDITION_TAINTS = {f"node.kubernetes.io/{name}" for name in ("not-ready", "unreachable", "unschedulable")}


@dataclass
class Node:
    """A node and what is free on it."""

    name: str
    labels: dict[str, str]
    taints: list[Object]
    state: Reason | None
    capacity: Amounts
    free: Amounts
    # Labels of the pods on it, with their namespaces, for affinity between pods.
    pods: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def unfit(node: Node, spec: Object) -> Reason | None:
    """The first reason why a node can never take a pod; None when there is none."""
    for key, value in (spec.get("nodeSelector") or {}).items():
        if node.labels.get(key) != value:
            return Reason(Cause.ARCHITECTURE if key == ARCH else Cause.LABEL, key, value)
    wanted = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED)
    if wanted:
        fields = {"metadata.name": node.name}
        if not any(
            all(expression_matches(e, node.labels) for e in term.get("matchExpressions") or [])
            and all(expression_matches(e, fields) for e in term.get("matchFields") or [])
            for term in wanted["nodeSelectorTerms"]
        ):
            return Reason(Cause.NODE_AFFINITY)
    if node.state:
        return node.state
    for taint in node.taints:
        hard = taint["effect"] in ("NoSchedule", "NoExecute") and taint["key"] not in CONDITION_TAINTS
        if hard and not tolerated(taint, spec.get("tolerations") or []):
            value = f"={taint['value']}" if taint.get("value") else ""
            return Reason(Cause.TAINT, taint["key"], f"{value}:{taint['effect']}")
    return None


def free_nodes(cluster: Cluster, held: Iterable[Object]) -> list[Node]:
    """The nodes with what the given pods leave free."""
    nodes = {}
    for item in cluster.nodes:
        capacity = {k: amount(v) for k, v in (item["status"].get("allocatable") or {}).items()}
        conditions = {c["type"]: c["status"] for c in item["status"].get("conditions") or []}
        state = None
        if conditions.get("Ready") != "True":
            state = Reason(Cause.NOT_READY)
        elif item["spec"].get("unschedulable"):
            state = Reason(Cause.CORDONED)
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


def shortage(node: Node, amounts: Amounts) -> Reason | None:
    """The first thing a node has too little of; None when the amounts fit."""
    for name, value in amounts.items():
        if node.free.get(name, Decimal(0)) < value:
            what = name.removeprefix(DEVICES)
            if not node.capacity.get(name):
                return Reason(Cause.ABSENT, what)
            if node.capacity[name] < value:
                return Reason(Cause.TOO_SMALL, what, shown(name, node.capacity[name]))
            return Reason(Cause.TAKEN, what, shown(name, value))
    return None


def within(nodes: list[Node], key: str, value: str) -> list[Node]:
    """The nodes of one topology domain."""
    return [node for node in nodes if node.labels.get(key) == value]
