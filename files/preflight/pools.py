"""Rows for the pools of pods: is there room for them, and what to do if not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from .cluster import Cluster, Object
from .devices import Owned, devices, selects
from .matching import terms
from .nodes import Node, free_nodes, shortage, unfit
from .placement import Plan, colocation_key, pods_of
from .quantities import DEVICES, Amounts, requests, shown
from .reasons import Cause, Reason
from .report import FAIL, OK, WARN, Check


def own_pods(cluster: Cluster, needs: Object) -> list[Object]:
    """Pods that the release has now."""
    wanted = {"app.kubernetes.io/name": "dynamo-disagg", "app.kubernetes.io/instance": needs["instance"]}
    return [
        pod
        for pod in cluster.pods
        if pod["metadata"]["namespace"] == needs["namespace"]
        and wanted.items() <= (pod["metadata"].get("labels") or {}).items()
    ]


def check_nodes(cluster: Cluster, needs: Object) -> list[Check]:
    """One row for each pool: do all of its pods have a place, next to those of the other pools."""
    own = own_pods(cluster, needs)
    own_names = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in own}
    others = [pod for pod in cluster.pods if (pod["metadata"]["namespace"], pod["metadata"]["name"]) not in own_names]
    countable: dict[str, Callable[[str, Object], bool]] = {}
    for wanted in {name for template in needs["claimTemplates"].values() for name in template}:
        found = next((c for c in cluster.device_classes or [] if c["metadata"]["name"] == wanted), None)
        takes = selects(found) if found is not None else None
        if takes is not None:
            countable[wanted] = takes

    def amounts(pod: Object) -> Amounts:
        result = requests(pod["spec"])
        for claim in pod["spec"].get("resourceClaims") or []:
            template = needs["claimTemplates"].get(claim.get("resourceClaimTemplateName")) or {}
            result |= {DEVICES + name: Decimal(int(count)) for name, count in template.items() if name in countable}
        # What is scarce first, so that it is the reason given.
        return dict(sorted(result.items(), key=lambda entry: (entry[0] != needs["gpuResource"], "/" not in entry[0])))

    def nodes_beside(pods: Iterable[Object], leaving: Owned) -> list[Node]:
        """The nodes, with what is free beside these pods and the devices of all pods that stay."""
        nodes = free_nodes(cluster, pods)
        for name, takes in countable.items():
            by_node = devices(cluster, takes, leaving)
            for node in nodes:
                there, free = by_node.get(node.name, (0, 0))
                node.capacity[DEVICES + name], node.free[DEVICES + name] = Decimal(there), Decimal(free)
        return nodes

    def size(pool: Object) -> tuple[Decimal, Decimal]:
        largest = [amounts(pod) for pod in pool["pods"]]
        return max((a.get(needs["gpuResource"], Decimal(0)), a.get("memory", Decimal(0))) for a in largest)

    pools = sorted(needs["pools"], key=size, reverse=True)
    key = colocation_key(pools)
    start = nodes_beside(others, own_names)
    best: tuple[int, list[Check]] | None = None
    # Workers that want to be together: the domain in which most of them have a place.
    for domain in (sorted({n.labels[key] for n in start if key in n.labels}) if key else []) or [""]:
        plan = Plan(needs, [replace(n, free=dict(n.free), pods=list(n.pods)) for n in start], amounts)
        rows, score = [], 0
        for pool in pools:
            together = key if any(terms(pod, "podAffinity") for pod in pool["pods"]) else ""
            before = {n.name: dict(n.free) for n in plan.nodes}
            placed = plan.place_pool(pool, _everywhere if not together else _domain(key, domain))
            left = [replace(n, free=before[n.name]) for n in plan.nodes]
            rows.append(check_pool(pool, placed, left, amounts, needs, together))
            score += placed * len(pods_of(pool))
        if best is None or score > best[0]:
            best = (score, rows)
        if all(row.status == OK for row in rows):
            break
    assert best is not None
    rows = best[1]
    if own and all(row.status == OK for row in rows):
        rows += check_surge(pools, Plan(needs, nodes_beside(cluster.pods, set()), amounts))
    return rows


def _everywhere(_node: Node) -> bool:
    return True


def _domain(key: str, value: str) -> Callable[[Node], bool]:
    return lambda node: node.labels.get(key) == value


def check_pool(
    pool: Object, placed: int, nodes: list[Node], amounts: Callable[[Object], Amounts], needs: Object, together: str
) -> Check:
    """The row of one pool; `nodes` are as the larger pools left them, `together` is the colocation key of its pods."""
    name = pool["component"]
    per_group = len(pods_of(pool))
    wanted = pool["groups"] * per_group
    pod = max(pool["pods"], key=lambda p: amounts(p).get(needs["gpuResource"], Decimal(0)))
    asked = amounts(pod)
    scarce = [shown(k, v) for k, v in asked.items() if "/" in k or k.startswith(DEVICES)]
    asks = ", ".join(_folded(scarce) or [shown(k, asked[k]) for k in ("cpu", "memory") if k in asked])
    matching = [node for node in nodes if not unfit(node, pod["spec"])]
    reasons = Counter(filter(None, (unfit(node, pod["spec"]) for node in nodes)))
    why = "; ".join(reason.of(count) for reason, count in reasons.most_common())
    detail = f"{wanted} {'pod' if wanted == 1 else 'pods'} x {asks}, nodes that match: {len(matching)} of {len(nodes)}"
    detail += f" ({why})" if why else ""
    if placed == pool["groups"]:
        return Check(OK, name, f"{detail}, room for all")
    unplaced = wanted - placed * per_group
    detail += f", room for {placed * per_group}: {unplaced} {'pod has' if unplaced == 1 else 'pods have'} no place"
    short = Counter(filter(None, (shortage(node, asked) for node in matching)))
    for reason, count in short.most_common():
        detail += f"; {reason.of(count)}"
    for who, key in (("the pods of a worker", pool["exclusiveTopologyKey"]), ("all workers", together)):
        detail += f"; {who} must be in one {key}" if key else ""
    nearest = [] if matching else _nearest(nodes, pod["spec"])
    why_not = Counter(filter(None, (unfit(node, pod["spec"]) for node in nearest))).most_common(1)
    fix = _change(name, why_not[0][0], nearest, nodes) if why_not else _more(name, nodes, short, needs)
    return Check(FAIL, name, f"{detail}: {fix}")


def _nearest(nodes: list[Node], spec: Object) -> list[Node]:
    """The nodes that have most of what a pod wants, of those that lack something: the ones worth a change."""

    def nearness(node: Node) -> tuple[int, int]:
        reason = unfit(node, spec)
        cause = reason and reason.cause
        past_labels = cause not in (Cause.LABEL, Cause.ARCHITECTURE)
        fitting = (spec.get("nodeSelector") or {}).items() & node.labels.items()
        return past_labels + (cause is Cause.TAINT), len(fitting)

    best = max(map(nearness, nodes), default=None)
    return [node for node in nodes if nearness(node) == best]


def _seen(label: str, nodes: list[Node], most: int = 6) -> str:
    """The values that nodes have for a label, and on how many: `h100 on 2, b200 on 1, and 3 other values`."""
    values = Counter(node.labels[label] for node in nodes if label in node.labels).most_common()
    named = [f"{value} on {count}" for value, count in values[:most]]
    return ", ".join([*named, f"and {len(values) - most} other values"] if len(values) > most else named)


def _folded(names: list[str]) -> list[str]:
    """rdma-0 to rdma-7 as one entry."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(re.sub(r"\d+$", "*", name), []).append(name)
    return [found[0] if len(found) == 1 else f"{kind} ({len(found)})" for kind, found in kinds.items()]


def _change(name: str, why: Reason, nearest: list[Node], nodes: list[Node]) -> str:
    """What to do about the reason why most of the nearest nodes do not match."""
    if why.cause is Cause.LABEL:
        seen = _seen(why.name, nearest) or _seen(why.name, nodes)
        there = f" (the label is {seen})" if seen else " (no node has the label)"
        return f"set global.hardware to the machine type of the nodes, or {name}.nodeSelector{there}"
    if why.cause is Cause.ARCHITECTURE:
        return "set global.hardwareSpec.arch to that of the nodes, and an image for it"
    if why.cause is Cause.TAINT:
        return f"add the taint to {name}.tolerations"
    if why.cause is Cause.NODE_AFFINITY:
        return f"change {name}.affinity, or add nodes, or lower {name}.replicas"
    return "wait for the nodes, or uncordon them"


def _more(name: str, nodes: list[Node], short: Counter[Reason], needs: Object) -> str:
    """What to do about what is short on the nodes that match."""
    if not nodes:
        return "the cluster has no nodes, or they may not be read"
    causes = {reason.cause for reason in short}
    if causes == {Cause.ABSENT}:
        what = next(iter(short)).name
        if what == needs["gpuResource"]:
            return "install the GPU device plugin, or set global.hardwareSpec.gpuResource"
        if "/" not in what and DEVICES + what not in {n for node in nodes for n in node.capacity}:
            return f"lower {name}.resources, or use nodes that have {what}"
        return f"install the device plugin or driver of {what}, or set global.rdma.enabled=false (slow KV transfer)"
    if causes == {Cause.TOO_SMALL} and len(short) == 1:
        return f"lower {name}.resources, or use larger nodes"
    return f"add nodes, or lower {name}.replicas, or free what other pods hold"


def check_surge(pools: list[Object], plan: Plan) -> list[Check]:
    """Rows for pools whose upgrade starts a new pod before it ends an old one, where there is no room for that."""
    rows = []
    for pool in pools:
        if str(pool["maxSurge"]) not in ("0", "0%") and not plan.place_pool({**pool, "groups": 1}, _everywhere):
            name = pool["component"]
            text = (
                "no room for one more next to those that run, so an upgrade that changes its pods waits for room: set "
                f"{name}.rollingUpdate.maxSurge=0 and maxUnavailable=1"
            )
            rows.append(Check(WARN, f"{name}, rolling update", text))
    return rows
