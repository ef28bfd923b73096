"""What exists of a cluster on this machine, whichever runtime runs it."""

import json
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from hack.base.log import UserError
from hack.base.paths import ROOT, cache_dir
from hack.containers import runtimes
from hack.containers.runtimes import Runtime

DEFAULT_NAME = "dynamo-disagg"
NODE_LABEL = "io.x-k8s.kind.cluster"


@dataclass(frozen=True)
class Found:
    """The node containers of a cluster and the runtime that has them."""

    runtime: Runtime
    containers: dict[str, str]


def default_name() -> str:
    """The cluster's name: DYNAMO_DISAGG_CLUSTER, else dynamo-disagg."""
    return os.environ.get("DYNAMO_DISAGG_CLUSTER") or DEFAULT_NAME


def check_name(name: str) -> None:
    """Refuse a name that kind, a container runtime or a file name would not take."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,48}[a-z0-9])?", name):
        raise UserError(f'"{name}" is no cluster name: use up to 50 lower-case letters, digits, dots and dashes')


def kubeconfig_path(name: str) -> Path:
    """Where a cluster's kubeconfig is; the user's own is never touched."""
    return ROOT / ".tools" / f"kubeconfig-{name}"


def find(name: str) -> Found | None:
    """The cluster's containers under whichever runtime has them."""
    for runtime in runtimes.all_usable():
        if containers := runtime.node_containers(name):
            return Found(runtime, containers)
    return None


class HalfMadeError(UserError):
    """A cluster whose containers exist but which does not work; it can only be removed or made anew."""


def half_made(name: str, found: Found, why: str) -> HalfMadeError:
    """The error for a cluster whose containers exist but which does not work."""
    containers = ", ".join(f"{container} ({state})" for container, state in sorted(found.containers.items()))
    command = "make cluster-down" if name == default_name() else f"python3 -m hack cluster down --name {name}"
    return HalfMadeError(
        f'cluster "{name}" is half made: {found.runtime.name} has {containers}, but {why}.\n'
        f"Remove it with `{command}` and start again, or run `up` with --recreate."
    )


def check_port(port: int) -> None:
    """Refuse an API port another process listens on."""
    with socket.socket() as probe:
        # As the runtimes bind: a port that only lingers after its last use is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(
                f"port {port} on 127.0.0.1 cannot be used for the API server: {error.strerror}. "
                "Stop what uses it (`ss -ltnp` names it), give another one with --api-port, or leave the option out."
            ) from error


def remove(runtime: Runtime, name: str) -> list[str]:
    """Remove a cluster's containers, volumes, network (the last cluster's) and kubeconfig; says what it removed."""
    removed = []
    if containers := sorted(runtime.node_containers(name)):
        # Without it `rm` waits for each node's systemd to stop its pods; those that do not run refuse it.
        runtime.run("kill", *containers)
        runtime.output("rm", "--force", "--volumes", *containers)
        removed.append(f"{len(containers)} containers")
    if volumes := _volumes(runtime, name):
        runtime.output("volume", "rm", "--force", *volumes)
        removed.append(f"{len(volumes)} volumes")
    with network_lock():
        others = runtime.output("ps", "--all", "--quiet", "--filter", f"label={NODE_LABEL}")
        # It fails, rightly, while anything else is attached to the network.
        if removed and not others and runtime.run("network", "rm", "kind").returncode == 0:
            removed.append("network kind")
    return removed + remove_files(name)


def network_lock() -> FileLock:
    """Held while nodes are made, and while the last cluster's network goes: all clusters share that network."""
    return FileLock(cache_dir() / "kind-network.lock")


def remove_files(name: str) -> list[str]:
    """Remove a cluster's kubeconfig."""
    path = kubeconfig_path(name)
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if not path.exists():
        return []
    path.unlink()
    return [str(path.relative_to(ROOT))]


def _volumes(runtime: Runtime, name: str) -> list[str]:
    """Volumes kind made for Podman's nodes: each is labelled with the name of its node."""
    if runtime.name != "podman":
        return []
    node = re.compile(re.escape(name) + r"-(control-plane|worker)\d*")
    volumes = json.loads(runtime.output("volume", "ls", "--format", "json") or "[]")
    return [volume["Name"] for volume in volumes if any(node.fullmatch(label) for label in volume.get("Labels") or {})]
