"""Whether NetworkPolicies allow a connection, by the rules of networking.k8s.io/v1.

Only the policies speak here: that a node may always reach its own pods, and that nothing holds without a network plugin
that enforces policies, is the cluster's.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hack.chart.manifests import COMPONENT, Manifests, PodTemplate

NAMESPACE = "kubernetes.io/metadata.name"
# All ports: no policy of the chart has a range, so any that nobody names stands for the rest.
OTHER_PORT = 54321


@dataclass(frozen=True)
class Endpoint:
    """One end of a connection: a pod, or an address outside the cluster (no namespace)."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = "10.244.0.9"
    # Ports that have names, of a pod.
    ports: Mapping[str, int] = field(default_factory=dict)


def endpoint(pod: PodTemplate) -> Endpoint:
    """A pod of a template, in the namespace of its workload."""
    named = {p["name"]: p["containerPort"] for c in pod.containers() for p in c.spec.get("ports", []) if "name" in p}
    return Endpoint(pod.owner["metadata"].get("namespace", "default"), pod.labels, ports=named)


def allows(
    policies: Iterable[Mapping[str, Any]], source: Endpoint, target: Endpoint, port: int, protocol: str = "TCP"
) -> bool:
    """Whether the source may send to the port of the target."""
    known = list(policies)
    return _side(known, "egress", source, target, target, port, protocol) and _side(
        known, "ingress", target, source, target, port, protocol
    )


# What a release may meet; only the first two are who its values say.
OUTSIDE = {
    "clients": Endpoint("gateways"),
    "monitoring": Endpoint("monitoring"),
    "any other pod": Endpoint("default"),
    "DNS": Endpoint("kube-system"),
    "the API server": Endpoint(address="10.0.0.1"),
    "public addresses": Endpoint(address="93.184.215.14"),
    "the metadata server": Endpoint(address="169.254.169.254"),
}
PORTS = (53, 80, 443, 2379, 2380, 2381, 4222, 6222, 6443, 8000, 8222, 9090, OTHER_PORT)


# GKE's Cloud DNS answers at the address of the metadata server.
CLOUD_DNS = ("the metadata server", 53)


def matrix(manifests: Manifests) -> dict[str, dict[str, list[int]]]:
    """Who of a release and of OUTSIDE reaches whom at which of PORTS, and all others where OTHER_PORT is among them."""
    policies = manifests.all("NetworkPolicy")
    everybody = {**{pod.labels[COMPONENT]: endpoint(pod) for pod in manifests.pods()}, **OUTSIDE}
    found: dict[str, dict[str, list[int]]] = {}
    for source, one in everybody.items():
        for target, other in everybody.items():
            if not (source in OUTSIDE and target in OUTSIDE):
                asked = [p for p in PORTS if (target, p) != CLOUD_DNS]
                ports = [p for p in asked if any(allows(policies, one, other, p, kind) for kind in ("TCP", "UDP"))]
                if ports:
                    found.setdefault(source, {})[target] = ports
    return found


def selecting(manifests: Manifests, pod: Endpoint) -> list[Mapping[str, Any]]:
    """The NetworkPolicies of a release that are about a pod."""
    return [p for p in manifests.all("NetworkPolicy") if _about(p, pod)]


def _about(policy: Mapping[str, Any], pod: Endpoint) -> bool:
    namespace = policy["metadata"].get("namespace", "default")
    return pod.namespace == namespace and selects(policy["spec"]["podSelector"], pod.labels)


def _side(
    policies: Sequence[Mapping[str, Any]],
    direction: str,
    pod: Endpoint,
    other: Endpoint,
    target: Endpoint,
    port: int,
    protocol: str,
) -> bool:
    """One side of a connection: free where no policy is about it, else whatever any of them names."""
    own = [p for p in policies if _about(p, pod) and _speaks(p, direction)]
    key = "from" if direction == "ingress" else "to"
    return not own or any(
        is_peer(rule.get(key), other, policy["metadata"].get("namespace", "default"))
        and _is_port(rule.get("ports"), target, port, protocol)
        for policy in own
        for rule in policy["spec"].get(direction) or []
    )


def _speaks(policy: Mapping[str, Any], direction: str) -> bool:
    spec = policy["spec"]
    default = ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return direction.capitalize() in spec.get("policyTypes", default)


def is_peer(peers: Sequence[Mapping[str, Any]] | None, other: Endpoint, namespace: str) -> bool:
    """Whether a rule of a policy in that namespace names somebody; without a list, or with an empty one, everybody."""
    return not peers or any(_matches(peer, other, namespace) for peer in peers)


def _matches(peer: Mapping[str, Any], other: Endpoint, namespace: str) -> bool:
    if block := peer.get("ipBlock"):
        # Of pods, plugins differ in whether their addresses count; selectors are what the chart uses for them.
        inside = not other.namespace and _contains(block["cidr"], other.address)
        return inside and not any(_contains(part, other.address) for part in block.get("except") or [])
    if not other.namespace:
        return False
    spaces = peer.get("namespaceSelector")
    of_space = other.namespace == namespace if spaces is None else selects(spaces, {NAMESPACE: other.namespace})
    return of_space and selects(peer.get("podSelector") or {}, other.labels)


def _contains(block: str, address: str) -> bool:
    found, network = ipaddress.ip_address(address), ipaddress.ip_network(block, strict=False)
    return found.version == network.version and found in network


def _is_port(ports: Sequence[Mapping[str, Any]] | None, target: Endpoint, port: int, protocol: str) -> bool:
    return not ports or any(_is_one(one, target, port, protocol) for one in ports)


def _is_one(rule: Mapping[str, Any], target: Endpoint, port: int, protocol: str) -> bool:
    if rule.get("protocol", "TCP") != protocol:
        return False
    wanted = rule.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return target.ports.get(wanted) == port
    return int(wanted) <= port <= int(rule.get("endPort", wanted))


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """A LabelSelector; the empty one selects everything."""
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    for rule in selector.get("matchExpressions") or []:
        value, among = labels.get(rule["key"]), rule.get("values") or []
        holds = {
            "In": value in among,
            "NotIn": value not in among,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[rule["operator"]]
        if not holds:
            return False
    return True
