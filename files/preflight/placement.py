"""Pods put on nodes as the scheduler may do it; nothing is really made.

The largest first, each on the fullest node that still takes it, by what is free on the node now. Left out: preferences,
priorities and preemption, topologySpreadConstraints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .cluster import Object
from .matching import selector_matches, terms
from .nodes import Node, shortage, take, unfit, within
from .quantities import Amounts


@dataclass
class Plan:
    """Pods of the release put on nodes, one after the other; nothing is really made."""

    needs: Object
    nodes: list[Node]
    amounts: Callable[[Object], Amounts]

    def colocation_fits(self, node: Node, pod: Object) -> bool:
        """Required affinity and anti-affinity of a pod towards the pods that are there."""
        labels = pod["metadata"]["labels"]

        def there(term: Object, nodes: Iterable[Node]) -> bool:
            spaces = term.get("namespaces") or [self.needs["namespace"]]
            everywhere = term.get("namespaceSelector") is not None
            return any(
                (everywhere or space in spaces) and selector_matches(term.get("labelSelector"), found)
                for n in nodes
                for space, found in n.pods
            )

        def domain(term: Object) -> Iterator[Node]:
            key = term["topologyKey"]
            return (n for n in self.nodes if key in n.labels and n.labels[key] == node.labels.get(key))

        for term in terms(pod, "podAffinity"):
            if term["topologyKey"] not in node.labels:
                return False
            # The first of its kind may go anywhere.
            alone = selector_matches(term.get("labelSelector"), labels) and not there(term, self.nodes)
            if not alone and not there(term, domain(term)):
                return False
        return not any(there(term, domain(term)) for term in terms(pod, "podAntiAffinity"))

    def place(self, pod: Object, eligible: list[Node]) -> Node | None:
        """Put one pod on the node that it leaves the least of; None when no node takes it."""
        amounts = self.amounts(pod)
        gpu = self.needs["gpuResource"]
        fitting = [n for n in eligible if not shortage(n, amounts) and self.colocation_fits(n, pod)]
        if not fitting:
            return None
        # Pods without GPUs keep away from nodes that have some.
        best = min(fitting, key=lambda n: (n.free.get(gpu, 0), n.free.get("memory", 0), n.name))
        take(best, amounts)
        best.pods.append((self.needs["namespace"], pod["metadata"]["labels"]))
        return best

    def place_group(self, pods: list[Object], eligible: list[Node]) -> bool:
        """Place all pods of one worker, or none."""
        chosen: list[tuple[Node, Object]] = []
        for pod in pods:
            node = self.place(pod, eligible)
            if node is None:
                for taken, other in chosen:
                    take(taken, {k: -v for k, v in self.amounts(other).items()})
                    taken.pods.pop()
                return False
            chosen.append((node, pod))
        return True

    def place_pool(self, pool: Object, bound: Callable[[Node], bool]) -> int:
        """Place a whole pool on nodes that `bound` allows; returns how many of its groups have a place."""
        pods = pods_of(pool)
        # The pods of a group differ in their command only, so one of them says which nodes are theirs.
        eligible = [n for n in self.nodes if bound(n) and not unfit(n, pods[0]["spec"])]
        key = pool["exclusiveTopologyKey"]
        used: set[str] = set()
        for placed in range(pool["groups"]):
            if key:
                options = sorted({n.labels[key] for n in eligible if key in n.labels} - used)
                found = next((d for d in options if self.place_group(pods, within(eligible, key, d))), None)
                if found is None:
                    return placed
                used.add(found)
            elif not self.place_group(pods, eligible):
                return placed
        return int(pool["groups"])


def pods_of(pool: Object) -> list[Object]:
    """The pods of one group, the leader first."""
    return [pod for pod in pool["pods"] for _ in range(pod["count"])]


def colocation_key(pools: list[Object]) -> str:
    """The topology key of the domain that all workers of the release must share (global.colocation), or nothing."""
    for pod in (pod for pool in pools for pod in pool["pods"]):
        for term in terms(pod, "podAffinity"):
            if selector_matches(term.get("labelSelector"), pod["metadata"]["labels"]):
                return str(term["topologyKey"])
    return ""
