"""A mirror registry on this machine, as the nodes of a kind cluster reach it: at 127.0.0.1 of every node.

A container runtime trusts a registry's certificate only after a change of the node and a restart; a registry on its own
loopback address it asks over plain HTTP. So a pod on every node listens there and speaks TLS to the registry, which
is what a node-local registry proxy does in production.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hack.base.log import UserError
from hack.base.wait import wait_for
from hack.cluster import state
from hack.cluster.kube import Kube
from hack.cluster.load import CTR
from hack.cluster.nodes import ANYWHERE
from hack.containers import build_images
from tests.release.registry import Registry

READY_SECONDS = 180
PROGRAM = """
import asyncio, os, ssl
host, port = os.environ["REGISTRY"].rsplit(":", 1)
trust = ssl.create_default_context(cadata=os.environ["AUTHORITY"])
async def pipe(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
async def relay(reader, writer):
    upstream = await asyncio.open_connection(host, int(port), ssl=trust)
    await asyncio.gather(pipe(reader, upstream[1]), pipe(upstream[0], writer), return_exceptions=True)
async def main():
    server = await asyncio.start_server(relay, "127.0.0.1", int(port))
    await server.serve_forever()
asyncio.run(main())
"""


def nodes(cluster: str) -> state.Found:
    """The containers that are a cluster's nodes."""
    found = state.find(cluster)
    if found is None:
        raise UserError(f'there is no cluster "{cluster}"')
    return found


def address(cluster: str) -> str:
    """The address of this machine in the network of a cluster's nodes."""
    found = nodes(cluster)
    form = "{{range .NetworkSettings.Networks}}{{.Gateway}} {{end}}"
    return found.runtime.output("inspect", "--format", form, sorted(found.containers)[0]).split()[0]


def forget_images(cluster: str, host: str) -> None:
    """Remove the images that were pulled from a host from every node."""
    found = nodes(cluster)
    for node in found.containers:
        listed = found.runtime.run("exec", node, *CTR, "images", "list", "--quiet").stdout.split()
        for image in (name for name in listed if name.startswith(f"{host}/")):
            found.runtime.run("exec", node, *CTR, "images", "remove", image)


@contextmanager
def on_every_node(kube: Kube, registry: Registry) -> Iterator[str]:
    """Make a registry reachable from the nodes; yields the host under which they pull from it."""
    name = f"relay-{secrets.token_hex(3)}"
    port = int(registry.host.rpartition(":")[2])
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    kube.core.create_namespace({"metadata": {"name": name, "labels": labels}})
    try:
        kube.apps.create_namespaced_daemon_set(name, daemon_set(name, registry, port))

        def ready() -> dict[str, str]:
            return {pod.spec.node_name: phase(pod) for pod in kube.core.list_namespaced_pod(name).items}

        count = len(kube.nodes())
        wait_for(
            "registry relay on every node", ready, lambda seen: [*seen.values()] == ["ready"] * count, READY_SECONDS
        )
        yield f"127.0.0.1:{port}"
    finally:
        kube.core.delete_namespace(name)


def phase(pod: Any) -> str:
    """How far a pod is, in a word."""
    states = pod.status.container_statuses or []
    if states and states[0].ready:
        return "ready"
    return str(states[0].state.waiting.reason) if states and states[0].state.waiting else str(pod.status.phase)


def daemon_set(name: str, registry: Registry, port: int) -> dict[str, object]:
    """The relay's pods."""
    image = build_images.images()["sim-runtime"].reference
    container = {
        "name": "relay",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-c", PROGRAM],
        "env": [
            {"name": "REGISTRY", "value": registry.host},
            {"name": "AUTHORITY", "value": registry.ca_file.read_text()},
        ],
        "readinessProbe": {"tcpSocket": {"host": "127.0.0.1", "port": port}, "periodSeconds": 1},
    }
    spec = {
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 0,
        **ANYWHERE,
        "containers": [container],
    }
    return {
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }
