"""The nodes that a release is judged on: of its machine type, with what its values say that they have.

What pods select is taken to be there, unless the machine type says otherwise. So is what no preset knows of, such as
network devices of yours: as many as a node full of workers asks for.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hack.chart.machines import COMPUTE_DOMAIN_CLASS, Machine, load_machine, of_values
from hack.chart.manifests import WORKERS
from hack.kwok import nodes
from hack.kwok.nodes import HOSTNAME, PLACE, FakeNode, Object, device_class
from preflight.cluster import Cluster
from preflight.matching import REQUIRED, expression_matches, terms
from preflight.placement import pods_of
from preflight.quantities import requests

# Nodes for other components: enough to tell whether their pods have a place.
OTHERS = 2


@dataclass(frozen=True)
class Kind:
    """Nodes for the pools whose pods can be on the same ones."""

    pattern: FakeNode
    pools: list[Object]

    @property
    def most(self) -> int:
        """Every pod on a node of its own."""
        return sum(pool["groups"] * len(pods_of(pool)) for pool in self.pools)

    def nodes(self, count: int) -> list[FakeNode]:
        """So many of them."""
        return [self._node(number) for number in range(count)]

    def _node(self, number: int) -> FakeNode:
        # Pods that want to be near others name the domain in which; there is one.
        near = {term["topologyKey"]: "one" for pod in _pods(self.pools) for term in terms(pod, "podAffinity")}
        near.pop(HOSTNAME, None)
        alone = {
            pool["exclusiveTopologyKey"]: f"domain-{number // len(pods_of(pool))}"
            for pool in self.pools
            if pool["exclusiveTopologyKey"]
        }
        labels = {**PLACE, **near, **self.pattern.labels, **alone}
        if number:
            # Of a node that pods select by its name there is one.
            labels.pop(HOSTNAME, None)
        return dataclasses.replace(self.pattern, name=f"{self.pattern.name}-{number}", labels=labels)


def for_workers(values: Mapping[str, Any], needs: Object) -> list[Kind]:
    """The kinds of nodes that the workers of a release want."""
    machine = of_values(values)
    (known,) = nodes.machines(load_machine(machine.name), 1, "preset")
    (node,) = nodes.machines(machine, 1, "machine")
    pools = [pool for pool in needs["pools"] if pool["component"] in WORKERS]
    kinds: list[Kind] = []
    for labels, some in _alike(pools, machine.node_labels, machine.selector):
        wanted, devices = _full(machine, needs, some)
        own = machine.extended_resources if machine.exclusive else {}
        resources = {**wanted, **{name: node.resources[name] for name in node.resources if name not in wanted}}
        resources |= {name: node.resources[name] for name in own}
        resources |= {name: count for name, count in known.resources.items() if name in wanted}
        devices |= {name: count for name, count in known.devices.items() if name in devices}
        name = f"machine{len(kinds) + 1 if kinds else ''}"
        pattern = dataclasses.replace(node, name=name, labels=labels, resources=resources, devices=devices)
        kinds.append(Kind(pattern, some))
    return kinds


def for_others(values: Mapping[str, Any], needs: Object) -> list[FakeNode]:
    """Nodes without GPUs for all other components."""
    (node,) = nodes.cpu_nodes(of_values(values).arch, 1, "other")
    pools = [pool for pool in needs["pools"] if pool["component"] not in WORKERS]
    made: list[FakeNode] = []
    for labels, some in _alike(pools, node.labels, {}):
        asked = {name: 0 for pod in _pods(some) for name in requests(pod["spec"]) if name != "pods"}
        for pool in some:
            for pod in pods_of(pool):
                for name in asked:
                    asked[name] += pool["groups"] * int(requests(pod["spec"]).get(name, 0))
        name = f"other{len(made) + 1 if made else ''}"
        kind = Kind(dataclasses.replace(node, name=name, labels=labels, resources={**asked, **node.resources}), some)
        made += kind.nodes(max(OTHERS, kind.most))
    return made


def cluster(made: Iterable[FakeNode]) -> Cluster:
    """What a cluster of nothing but these nodes says of itself."""
    made = list(made)
    classes = {name for node in made for name in node.devices}
    return Cluster(
        nodes=[_ready(node) for node in made],
        device_classes=[device_class(name) for name in sorted(classes)],
        resource_slices=[part for node in made for part in node.slices("none")],
    )


def _full(machine: Machine, needs: Object, pools: list[Object]) -> tuple[dict[str, int], dict[str, int]]:
    """What a node full of these workers asks for beside CPU, memory and GPUs: resources, and devices by class."""
    resources: dict[str, int] = {}
    devices: dict[str, int] = {}
    for pod in _pods(pools):
        asked = requests(pod["spec"])
        gpus = int(asked.pop(machine.gpu_resource, machine.gpus_per_node)) or machine.gpus_per_node
        times = max(1, machine.gpus_per_node // gpus)
        for name in asked.keys() - {"cpu", "memory", "pods"}:
            resources[name] = max(resources.get(name, 0), times * int(asked[name]))
        for claim in pod["spec"].get("resourceClaims") or []:
            for name, count in needs["claimTemplates"][claim["resourceClaimTemplateName"]].items():
                # A node has one channel of a ComputeDomain.
                one = name == COMPUTE_DOMAIN_CLASS
                devices[name] = 1 if one else max(devices.get(name, 0), times * int(count))
    return resources, devices


def _alike(
    pools: Iterable[Object], labels: Mapping[str, str], fixed: Mapping[str, str]
) -> list[tuple[dict[str, str], list[Object]]]:
    """Pools by the labels of the nodes that they select; `fixed` labels of a node stay as they are."""
    found: list[tuple[dict[str, str], set[str], list[Object]]] = []
    for pool in pools:
        spec = pool["pods"][0]["spec"]
        for number, (there, kept, some) in enumerate(found):
            if suited := _suited(spec, there, kept):
                found[number] = (*suited, [*some, pool])
                break
        else:
            start = {**labels, **fixed}
            # What can never fit is for the placement to say.
            wanted = {k: v for k, v in (spec.get("nodeSelector") or {}).items() if k not in fixed}
            suited = _suited(spec, start, set(fixed)) or ({**start, **wanted}, {*fixed, *wanted})
            found.append((*suited, [pool]))
    return [(there, some) for there, _, some in found]


def _suited(spec: Object, labels: Mapping[str, str], fixed: set[str]) -> tuple[dict[str, str], set[str]] | None:
    """Labels of a node that takes a pod, and which of them it needs; None where fixed ones are in the way."""
    wanted: dict[str, str] = spec.get("nodeSelector") or {}
    if any(key in fixed and labels.get(key) != value for key, value in wanted.items()):
        return None
    rules = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    for term in (rules.get(REQUIRED) or {}).get("nodeSelectorTerms") or [{}]:
        found = {**labels, **wanted}
        expressions = term.get("matchExpressions") or []
        for expression in expressions:
            if expression["key"] not in fixed | wanted.keys() and not expression_matches(expression, found):
                _satisfy(expression, found)
        if all(expression_matches(expression, found) for expression in expressions):
            return found, {*fixed, *wanted, *(expression["key"] for expression in expressions)}
    return None


def _satisfy(expression: Object, labels: dict[str, str]) -> None:
    """Change the labels so that they match."""
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or [""]
    if operator in ("NotIn", "DoesNotExist"):
        labels.pop(key, None)
    elif operator in ("Gt", "Lt") and str(values[0]).isdigit():
        labels[key] = str(int(values[0]) + (1 if operator == "Gt" else -1))
    else:
        labels[key] = "true" if operator == "Exists" else str(values[0])


def _pods(pools: Iterable[Object]) -> list[Object]:
    return [pod for pool in pools for pod in pool["pods"]]


def _ready(node: FakeNode) -> Object:
    manifest = node.manifest("none", "none")
    # What keeps pods away that are not for KWOK.
    manifest["spec"]["taints"].pop()
    manifest["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return manifest
