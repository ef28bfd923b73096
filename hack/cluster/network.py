"""The pod network of the own node image: point-to-point links on each node, routes between the nodes.

A pulled kindest/node brings its own network plugin and needs none of this. Nothing here enforces NetworkPolicy.
"""

import json

from hack.base.log import UserError
from hack.cluster.nodes import Node
from hack.containers.runtimes import Runtime

POD_NETWORK = "10.244.0.0/16"
PLUGIN_FILE = "/etc/cni/net.d/10-ptp.conflist"
ROUTES_FILE = "/kind/pod-routes"


def install(runtime: Runtime, nodes: list[Node]) -> None:
    """Configure the pod network on every node; every node must have its address and its pod network."""
    for node in nodes:
        if not node.pod_network or not node.address:
            raise UserError(f"node {node.name} has no pod network or no address: {node.pod_network} {node.address}")
    for node in nodes:
        _write(runtime, node.name, PLUGIN_FILE, plugin_config(node.pod_network))
        _write(runtime, node.name, ROUTES_FILE, routes(node, nodes))
        runtime.output("exec", node.name, "systemctl", "restart", "pod-routes.service")


def plugin_config(pod_network: str) -> str:
    """The CNI configuration of a node: an address of its pod network for each pod, and host ports."""
    addresses = {"type": "host-local", "ranges": [[{"subnet": pod_network}]], "routes": [{"dst": "0.0.0.0/0"}]}
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": plugins}, indent=2)


def routes(node: Node, nodes: list[Node]) -> str:
    """The script a node runs at each start: the way to the other nodes' pods, and out for its own."""
    others = [other for other in nodes if other.name != node.name]
    lines = [f"ip route replace {other.pod_network} via {other.address}" for other in others]
    # Pods keep their address among themselves; only towards other networks they take the node's.
    rule = f"POSTROUTING -t nat -s {node.pod_network} ! -d {POD_NETWORK} -j MASQUERADE"
    return "\n".join([*lines, f"iptables -C {rule} 2>/dev/null || iptables -A {rule}", ""])


def _write(runtime: Runtime, container: str, path: str, content: str) -> None:
    runtime.output("exec", "--interactive", container, "sh", "-c", f"cat > {path}", stdin=content)
