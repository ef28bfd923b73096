"""Faked GPUs on the nodes of a test cluster: the device plugin, the looks of a machine, broken devices."""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import kubernetes
import yaml
from kubernetes.stream import stream
from rich.table import Table
from urllib3.exceptions import HTTPError

from hack import build_images, log
from hack.containers.fake_gpu import MANIFEST
from hack.kind.state import default_name, kubeconfig_path
from hack.log import UserError, console
from hack.machines import Machine, Taint, load_machine
from hack.progress import HEARTBEAT_SECONDS, Step

NAMESPACE = "kube-system"
NAME = "fake-gpu"
CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
FAKE_LABEL = "dynamo-disagg/fake-gpu"
MACHINE_ANNOTATION = "dynamo-disagg/machine"
IMAGE_ANNOTATION = "dynamo-disagg/image-key"
FIELD_MANAGER = "dynamo-disagg-gpus"
REQUEST_SECONDS = 10
# Waiting for these never helps: the image is missing, or the plugin is broken.
HOPELESS = ("ErrImageNeverPull", "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError")

Function = TypeVar("Function", bound=Callable[..., Any])


def _readable(function: Function) -> Function:
    """Turn the API client's errors into a UserError with the API server's own words."""

    @functools.wraps(function)
    def wrapped(kubeconfig: Path, *args: Any, **options: Any) -> Any:
        try:
            return function(kubeconfig, *args, **options)
        except kubernetes.client.ApiException as error:
            raise UserError(f"the API server of {kubeconfig} refused: {error.reason}: {error.body}") from error
        except HTTPError as error:
            raise UserError(f"the API server of {kubeconfig} does not answer: {error}") from error

    return cast(Function, wrapped)


class Cluster:
    """The parts of the Kubernetes API this module needs."""

    def __init__(self, kubeconfig: Path) -> None:
        if not kubeconfig.is_file():
            raise UserError(f"no kubeconfig at {kubeconfig}: start the cluster with `make cluster`")
        self.kubeconfig = kubeconfig
        # Untyped on purpose: in the client's types every field of every answer may be missing.
        module: Any = kubernetes
        client = module.config.new_client_from_config(config_file=str(kubeconfig))
        # The client itself would wait for ever for an API server that stalls.
        request = client.rest_client.request
        client.rest_client.request = lambda *args, **options: request(
            *args, **{**options, "_request_timeout": options.get("_request_timeout") or REQUEST_SECONDS}
        )
        self.core: Any = module.client.CoreV1Api(client)
        self.apps: Any = module.client.AppsV1Api(client)

    def worker_names(self) -> list[str]:
        """The nodes that run pods of users: not the control plane (unless it is alone), no KWOK nodes."""
        nodes = [
            node
            for node in self.core.list_node().items
            if "kwok.x-k8s.io/node" not in (node.metadata.annotations or {})
        ]
        workers = [node for node in nodes if CONTROL_PLANE_LABEL not in node.metadata.labels]
        return sorted(node.metadata.name for node in workers or nodes)

    def checked_nodes(self, names: Sequence[str] | None) -> list[str]:
        """These nodes, or every worker; a node that does not exist is a UserError."""
        if names is None:
            return self.worker_names()
        there = sorted(node.metadata.name for node in self.core.list_node().items)
        if unknown := sorted(set(names) - set(there)):
            raise UserError(f"no such node: {', '.join(unknown)} (there are: {', '.join(there)})")
        return list(names)

    def change_node(self, name: str, change: Callable[[Any], None]) -> None:
        """Read a node, change it and write it back, again when somebody else wrote in between."""
        for attempt in range(10):
            node = self.core.read_node(name)
            change(node)
            try:
                self.core.replace_node(name, node, field_manager=FIELD_MANAGER)
                return
            except kubernetes.client.ApiException as error:
                if error.status != 409 or attempt == 9:
                    raise

    def plugin_pods(self) -> list[Any]:
        """The pods of the device plugin."""
        pods = self.core.list_namespaced_pod(NAMESPACE, label_selector=f"app.kubernetes.io/name={NAME}")
        return list(pods.items)

    def ready_plugin_pods(self) -> list[Any]:
        """Those of them that can be talked to."""
        return [
            pod
            for pod in self.plugin_pods()
            if pod.metadata.deletion_timestamp is None
            and any(status.ready for status in pod.status.container_statuses or [])
        ]

    def tell_plugin(self, pod: Any, *arguments: str) -> None:
        """Run the plugin's command line inside one of its pods."""
        output = stream(
            self.core.connect_get_namespaced_pod_exec,
            pod.metadata.name,
            NAMESPACE,
            command=["python3", "/opt/fake-gpu/plugin.py", *arguments],
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
        )
        if output:
            raise UserError(f"{' '.join(arguments)} in pod {pod.metadata.name} failed: {output}")


@_readable
def install(
    kubeconfig: Path,
    resources: Mapping[str, int],
    nodes: Sequence[str] | None = None,
    timeout_seconds: float = 180,
) -> None:
    """Advertise the resources on the nodes (default: every worker), and wait until the API server shows them.

    Devices that an earlier command made unhealthy are healthy again.
    Raises UserError, with the pods, events and logs of the plugin, when the nodes do not get there.
    """
    cluster = Cluster(kubeconfig)
    step = Step("fake GPUs")
    targets = cluster.checked_nodes(nodes)
    for name in targets:
        cluster.core.patch_node(name, {"metadata": {"labels": {FAKE_LABEL: "true"}}})
    applied = cluster.apps.patch_namespaced_daemon_set(
        NAME,
        NAMESPACE,
        _manifest(resources),
        field_manager=FIELD_MANAGER,
        force=True,
        _content_type="application/apply-patch+yaml",
    )

    def rollout() -> tuple[bool, str]:
        if stuck := _stuck_pods(cluster):
            raise UserError(f"the fake GPU plugin does not start: {stuck}\n{_evidence(cluster)}")
        status = cluster.apps.read_namespaced_daemon_set(NAME, NAMESPACE).status
        pods, updated, ready = (
            count or 0
            for count in (status.desired_number_scheduled, status.updated_number_scheduled, status.number_ready)
        )
        current = (status.observed_generation or 0) >= applied.metadata.generation
        return current and pods == updated == ready >= len(targets), f"{ready} of {pods} plugin pods ready"

    def advertised() -> tuple[bool, str]:
        seen = _allocatable(cluster, targets, list(resources))
        return seen == wanted, f"allocatable: {_in_words(seen)}"

    wanted = {name: dict(resources) for name in targets}
    last = _wait(rollout, timeout_seconds, step)
    if last is None:
        for pod in cluster.ready_plugin_pods():
            cluster.tell_plugin(pod, "--all-healthy")
        last = _wait(advertised, timeout_seconds, step)
    if last is not None:
        raise UserError(
            f"after {timeout_seconds:.0f} s the nodes do not advertise {_in_words(wanted)}; "
            f"last seen: {last}\n{_evidence(cluster)}"
        )
    step.say(f"FAKE devices allocatable: {_in_words(wanted)}")


@_readable
def dress(kubeconfig: Path, machine: Machine, nodes: Sequence[str] | None = None) -> None:
    """Give nodes (default: every worker) the labels and taints of a machine; those of the last one go."""
    cluster = Cluster(kubeconfig)
    for name in cluster.checked_nodes(nodes):
        cluster.change_node(name, lambda node: _dress_node(node, machine))


@_readable
def set_health(
    kubeconfig: Path, node: str, resource: str, unhealthy: Sequence[str] = (), timeout_seconds: float = 60
) -> None:
    """Make exactly these devices of a node unhealthy, such as ["gpu-3"], and wait until the node shows it."""
    cluster = Cluster(kubeconfig)
    cluster.checked_nodes([node])
    pods = [pod for pod in cluster.ready_plugin_pods() if pod.spec.node_name == node]
    if not pods:
        raise UserError(f'no fake GPU plugin runs on node "{node}": see `python -m hack.gpus install --help`')
    capacity = cluster.core.read_node(node).status.capacity.get(resource)
    if capacity is None:
        raise UserError(f'node "{node}" has no resource "{resource}"')
    cluster.tell_plugin(pods[0], "--set-unhealthy", f"{resource}={','.join(unhealthy)}")
    wanted = int(capacity) - len(set(unhealthy))

    def state() -> tuple[bool, str]:
        seen = _allocatable(cluster, [node], [resource])[node][resource]
        return seen == wanted, f"{seen} of {capacity} allocatable"

    last = _wait(state, timeout_seconds, Step("health"))
    if last is not None:
        raise UserError(
            f"after {timeout_seconds:.0f} s node {node}, with unhealthy {resource}: "
            f"{', '.join(unhealthy) or 'none'}, should have {wanted} allocatable; last seen: {last}"
        )


@_readable
def allocatable(
    kubeconfig: Path, nodes: Sequence[str] | None = None, resources: Sequence[str] | None = None
) -> dict[str, dict[str, int]]:
    """Allocatable extended resources by node; one asked for by name counts 0 where the node has none."""
    return _allocatable(Cluster(kubeconfig), nodes, resources)


def _allocatable(
    cluster: Cluster, nodes: Sequence[str] | None, resources: Sequence[str] | None
) -> dict[str, dict[str, int]]:
    answer: dict[str, dict[str, int]] = {}
    for node in cluster.core.list_node().items:
        if nodes is not None and node.metadata.name not in nodes:
            continue
        amounts = node.status.allocatable or {}
        # Extended resources are those with a vendor's prefix; hugepages-2Mi and the like have none.
        wanted = resources if resources is not None else [name for name in amounts if "/" in name]
        answer[node.metadata.name] = {name: int(amounts.get(name, "0")) for name in wanted}
    return answer


def _manifest(resources: Mapping[str, int]) -> Any:
    manifest = yaml.safe_load(MANIFEST.read_text())
    template = manifest["spec"]["template"]
    # The image's name stays the same when its content changes: this makes the pods new ones all the same.
    template["metadata"]["annotations"] = {IMAGE_ANNOTATION: build_images.images()["sim-runtime"].key}
    (plugin,) = template["spec"]["containers"]
    value = ",".join(f"{name}={count}" for name, count in resources.items())
    plugin["env"] = [{"name": "FAKE_RESOURCES", "value": value}]
    return manifest


def _dress_node(node: Any, machine: Machine) -> None:
    labels: dict[str, str] = node.metadata.labels
    annotations: dict[str, str] = node.metadata.annotations or {}
    before = json.loads(annotations.get(MACHINE_ANNOTATION, '{"labels": [], "taints": []}'))
    for key in before["labels"]:
        labels.pop(key, None)
    labels.update(machine.node_labels)
    ours = {tuple(pair) for pair in before["taints"]}
    ours |= {(taint.key, taint.effect) for taint in machine.taints}
    kept = [taint for taint in node.spec.taints or [] if (taint.key, taint.effect) not in ours]
    node.spec.taints = kept + [_node_taint(taint) for taint in machine.taints]
    annotations[MACHINE_ANNOTATION] = json.dumps(
        {
            "name": machine.name,
            "labels": list(machine.node_labels),
            "taints": [[taint.key, taint.effect] for taint in machine.taints],
        }
    )
    node.metadata.annotations = annotations


def _node_taint(taint: Taint) -> Any:
    return kubernetes.client.V1Taint(key=taint.key, value=taint.value or None, effect=taint.effect)


def _wait(state: Callable[[], tuple[bool, str]], timeout_seconds: float, step: Step) -> str | None:
    """Poll until the state is good; returns None, or the last state seen when the time is up."""
    end = time.monotonic() + timeout_seconds
    said = time.monotonic()
    while True:
        done, words = state()
        if done:
            return None
        if time.monotonic() > end:
            return words
        if time.monotonic() - said > HEARTBEAT_SECONDS:
            step.say(words)
            said = time.monotonic()
        time.sleep(0.5)


def _in_words(counts: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(
        f"{node}: {', '.join(f'{name}={count}' for name, count in resources.items())}"
        for node, resources in sorted(counts.items())
    )


def _stuck_pods(cluster: Cluster) -> str:
    found = []
    for pod in cluster.plugin_pods():
        for container in pod.status.container_statuses or []:
            waiting = container.state.waiting
            if waiting is not None and waiting.reason in HOPELESS:
                found.append(f"{pod.metadata.name}: {waiting.reason}: {waiting.message}")
    hint = " (load the images with `python -m hack.cluster load`)" if "ErrImage" in "".join(found) else ""
    return "; ".join(found) + hint if found else ""


def _evidence(cluster: Cluster) -> str:
    """Pods, events and logs of the plugin, for an error message."""
    lines = []
    for pod in cluster.plugin_pods():
        name = pod.metadata.name
        lines.append(f"pod {name} on {pod.spec.node_name}: {pod.status.phase}")
        selector = f"involvedObject.name={name}"
        events = cluster.core.list_namespaced_event(NAMESPACE, field_selector=selector).items
        lines += [f"  event {event.reason}: {event.message}" for event in events[-5:]]
        try:
            text = cluster.core.read_namespaced_pod_log(name, NAMESPACE, tail_lines=10)
        except kubernetes.client.ApiException as error:
            text = f"no log: {error.reason}"
        lines += [f"  log {line}" for line in text.splitlines()]
    return "\n".join(lines) or "the DaemonSet has no pods"


def run(argv: Sequence[str] | None = None) -> int:
    """The command line of `python -m hack.gpus`."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.gpus",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m hack.gpus install --machine gke-a3ultra\n"
        "  python -m hack.gpus install --resource nvidia.com/gpu=4 --node dynamo-disagg-worker\n"
        "  python -m hack.gpus health dynamo-disagg-worker nvidia.com/gpu --unhealthy gpu-3\n"
        "  python -m hack.gpus health dynamo-disagg-worker nvidia.com/gpu\n"
        "  python -m hack.gpus status",
    )
    parser.add_argument("--kubeconfig", type=Path, default=kubeconfig_path(default_name()))
    commands = parser.add_subparsers(dest="command", required=True)
    installs = commands.add_parser("install", help="install the device plugin")
    what = installs.add_mutually_exclusive_group(required=True)
    what.add_argument("--machine", help="resources, labels and taints of this machine preset")
    what.add_argument("--resource", action="append", metavar="NAME=COUNT", help="may be repeated")
    installs.add_argument("--node", action="append", help="may be repeated (default: every worker)")
    health = commands.add_parser("health", help="say which devices of a node are broken, all others healthy")
    health.add_argument("node")
    health.add_argument("resource")
    health.add_argument("--unhealthy", nargs="*", default=[], metavar="DEVICE", help="such as gpu-3")
    commands.add_parser("status", help="show the allocatable extended resources of every node")
    options = parser.parse_args(argv)
    if options.command == "install":
        _install_command(options)
    elif options.command == "health":
        set_health(options.kubeconfig, options.node, options.resource, options.unhealthy)
    table = Table("node", "resource", "allocatable")
    for node, resources in allocatable(options.kubeconfig).items():
        for name, count in resources.items():
            table.add_row(node, name, str(count))
    console.print(table)
    return 0


def _install_command(options: argparse.Namespace) -> None:
    if options.machine:
        machine = load_machine(options.machine)
        dress(options.kubeconfig, machine, options.node)
        install(options.kubeconfig, machine.resources, options.node)
        return
    resources: dict[str, int] = {}
    for text in options.resource:
        name, _, count = text.rpartition("=")
        if "/" not in name or not count.isdigit():
            raise UserError(f'resource "{text}" is not of the form vendor/name=count, as in nvidia.com/gpu=8')
        resources[name] = int(count)
    install(options.kubeconfig, resources, options.node)


if __name__ == "__main__":
    log.main(run)
