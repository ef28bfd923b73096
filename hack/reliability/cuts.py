"""Networks that are cut, by rules of the nodes' packet filters, and healed after some seconds."""

from collections.abc import Sequence
from contextlib import ExitStack

from hack.base.wait import pause
from hack.cluster.release import Release
from hack.reliability.faults import on_node, pod_of

# What pods send and are sent is forwarded; the kubelet's probes are not, and go on.
FORWARDED = ("FORWARD",)


def pod(release: Release, component: str, seconds: float) -> None:
    """One pod of a component, from all other pods; the kubelet of its node reaches it."""
    found = pod_of(release, component)
    rules = [("iptables", *FORWARDED, side, found.status.pod_ip) for side in ("-s", "-d")]
    _cut(release, found.spec.node_name, rules, seconds)


def pods_of_node(release: Release, component: str, seconds: float) -> None:
    """The pods of the node of a component's pod, from those of other nodes; the node stays Ready."""
    node = pod_of(release, component).spec.node_name
    network = release.kube.core.read_node(node).spec.pod_cidr
    ways = (("-s", network, "!", "-d", network), ("!", "-s", network, "-d", network))
    rules = [("iptables", *FORWARDED, *way) for way in ways]
    _cut(release, node, rules, seconds)


def node(release: Release, component: str, seconds: float) -> None:
    """The node of a component's pod, from everything: as if its power were gone, for all others."""
    name = pod_of(release, component).spec.node_name
    sides = (("INPUT", "!", "-i", "lo"), ("OUTPUT", "!", "-o", "lo"), FORWARDED)
    rules = [(program, *side) for program in ("iptables", "ip6tables") for side in sides]
    _cut(release, name, rules, seconds)


def _cut(release: Release, node: str, rules: Sequence[tuple[str, ...]], seconds: float) -> None:
    """Drop what the rules (program, chain, match) of a node's filter match, for a while."""
    with ExitStack() as healed:
        for program, chain, *match in rules:
            rule = (chain, *match, "-j", "DROP")
            on_node(release, node, program, "--wait", "-I", *rule)
            healed.callback(on_node, release, node, program, "--wait", "-D", *rule)
        pause(seconds)
