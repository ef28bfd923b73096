"""Faked GPUs on the nodes of a test cluster: the device plugin, the looks of a machine, broken devices."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import kubernetes
from kubernetes.stream import stream
from urllib3.exceptions import HTTPError

from hack.base.log import UserError
from hack.base.step import Step
from hack.base.wait import NotReachedError, UnrecoverableError, wait_for
from hack.base.yamlfile import read_yaml
from hack.chart.machines import Machine
from hack.cluster.kube import Kube
from hack.cluster.nodes import CONTROL_PLANE_LABEL
from hack.containers import build_images
from hack.data.fake_gpu import MANIFEST

GPU = "nvidia.com/gpu"
NAMESPACE = "kube-system"
NAME = "fake-gpu"
FAKE_LABEL = "dynamo-disagg/fake-gpu"
MACHINE_ANNOTATION = "dynamo-disagg/machine"
IMAGE_ANNOTATION = "dynamo-disagg/image-key"
FIELD_MANAGER = "dynamo-disagg-gpus"
# Waiting for these never helps: the image is missing, or the plugin is broken.
UNRECOVERABLE = ("ErrImageNeverPull", "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError")

Function = TypeVar("Function", bound=Callable[..., Any])


def _with_readable_errors(function: Function) -> Function:
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


def worker_names(kube: Kube) -> list[str]:
    """The nodes that run pods of users: not the control plane (unless it is alone), no KWOK nodes."""
    there = kube.nodes()
    workers = [node for node in there if CONTROL_PLANE_LABEL not in node.metadata.labels]
    return sorted(node.metadata.name for node in workers or there)


def checked_nodes(kube: Kube, names: Sequence[str] | None) -> list[str]:
    """These nodes, or every worker; a node that does not exist is a UserError."""
    if names is None:
        return worker_names(kube)
    there = sorted(node.metadata.name for node in kube.nodes())
    if unknown := sorted(set(names) - set(there)):
        raise UserError(f"no such node: {', '.join(unknown)} (there are: {', '.join(there)})")
    return list(names)


def change_node(kube: Kube, name: str, change: Callable[[Any], None]) -> None:
    """Read a node, change it and write it back, again when somebody else wrote in between."""
    for attempt in range(10):
        node = kube.core.read_node(name)
        change(node)
        try:
            kube.core.replace_node(name, node, field_manager=FIELD_MANAGER)
            return
        except kubernetes.client.ApiException as error:
            if error.status != 409 or attempt == 9:
                raise


def plugin_pods(kube: Kube) -> list[Any]:
    """The pods of the device plugin."""
    return list(kube.core.list_namespaced_pod(NAMESPACE, label_selector=f"app.kubernetes.io/name={NAME}").items)


def ready_plugin_pods(kube: Kube) -> list[Any]:
    """Those of them that can be talked to."""
    return [
        pod
        for pod in plugin_pods(kube)
        if pod.metadata.deletion_timestamp is None
        and any(status.ready for status in pod.status.container_statuses or [])
    ]


def exec_in_plugin(kube: Kube, pod: Any, *arguments: str) -> None:
    """Run the plugin's command line inside one of its pods."""
    output = stream(
        kube.core.connect_get_namespaced_pod_exec,
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


@_with_readable_errors
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
    kube = Kube(kubeconfig)
    step = Step("fake GPUs")
    targets = checked_nodes(kube, nodes)
    for name in targets:
        kube.core.patch_node(name, {"metadata": {"labels": {FAKE_LABEL: "true"}}})
    applied = kube.apps.patch_namespaced_daemon_set(
        NAME,
        NAMESPACE,
        _manifest(resources),
        field_manager=FIELD_MANAGER,
        force=True,
        _content_type="application/apply-patch+yaml",
    )

    def rollout() -> tuple[bool, str]:
        if stuck := _stuck_pods(kube):
            raise UnrecoverableError(f"the fake GPU plugin does not start: {stuck}\n{_evidence(kube)}")
        status = kube.apps.read_namespaced_daemon_set(NAME, NAMESPACE).status
        pods, updated, ready = (
            count or 0
            for count in (status.desired_number_scheduled, status.updated_number_scheduled, status.number_ready)
        )
        current = (status.observed_generation or 0) >= applied.metadata.generation
        return current and pods == updated == ready >= len(targets), f"{ready} of {pods} plugin pods ready"

    wanted = {name: dict(resources) for name in targets}
    try:
        wait_for("the fake GPU plugin", rollout, lambda seen: seen[0], timeout_seconds, show=lambda s: s[1], step=step)
        for pod in ready_plugin_pods(kube):
            exec_in_plugin(kube, pod, "--all-healthy")
        wait_for(
            f"allocatable: {_in_words(wanted)}",
            lambda: _allocatable(kube, targets, list(resources)),
            lambda seen: seen == wanted,
            timeout_seconds,
            show=_in_words,
            step=step,
        )
    except NotReachedError as error:
        raise UserError(f"{error}\n{_evidence(kube)}") from error
    step.say(f"FAKE devices allocatable: {_in_words(wanted)}")


@_with_readable_errors
def apply_machine(kubeconfig: Path, machine: Machine, nodes: Sequence[str] | None = None) -> None:
    """Give nodes (default: every worker) the labels and taints of a machine; those of the last one go."""
    kube = Kube(kubeconfig)
    for name in checked_nodes(kube, nodes):
        change_node(kube, name, lambda node: _apply_machine(node, machine))


@_with_readable_errors
def set_health(
    kubeconfig: Path, node: str, resource: str, unhealthy: Sequence[str] = (), timeout_seconds: float = 60
) -> None:
    """Make exactly these devices of a node unhealthy, such as ["gpu-3"], and wait until the node shows it."""
    kube = Kube(kubeconfig)
    checked_nodes(kube, [node])
    pods = [pod for pod in ready_plugin_pods(kube) if pod.spec.node_name == node]
    if not pods:
        raise UserError(f'no fake GPU plugin runs on node "{node}": run `python3 -m hack cluster up --machine NAME`')
    capacity = kube.core.read_node(node).status.capacity.get(resource)
    if capacity is None:
        raise UserError(f'node "{node}" has no resource "{resource}"')
    exec_in_plugin(kube, pods[0], "--set-unhealthy", f"{resource}={','.join(unhealthy)}")
    wanted = int(capacity) - len(set(unhealthy))
    wait_for(
        f"node {node}, with unhealthy {resource}: {', '.join(unhealthy) or 'none'}, has {wanted} allocatable",
        lambda: _allocatable(kube, [node], [resource])[node][resource],
        lambda seen: seen == wanted,
        timeout_seconds,
        show=lambda seen: f"{seen} of {capacity} allocatable",
        step=Step("health"),
    )


@_with_readable_errors
def allocatable(
    kubeconfig: Path, nodes: Sequence[str] | None = None, resources: Sequence[str] | None = None
) -> dict[str, dict[str, int]]:
    """Allocatable extended resources by node; one asked for by name counts 0 where the node has none."""
    return _allocatable(Kube(kubeconfig), nodes, resources)


def _allocatable(kube: Kube, nodes: Sequence[str] | None, resources: Sequence[str] | None) -> dict[str, dict[str, int]]:
    answer: dict[str, dict[str, int]] = {}
    for node in kube.nodes():
        if nodes is not None and node.metadata.name not in nodes:
            continue
        amounts = node.status.allocatable or {}
        # Extended resources are those with a vendor's prefix; hugepages-2Mi and the like have none.
        wanted = resources if resources is not None else [name for name in amounts if "/" in name]
        answer[node.metadata.name] = {name: int(amounts.get(name, "0")) for name in wanted}
    return answer


def _manifest(resources: Mapping[str, int]) -> Any:
    manifest = read_yaml(MANIFEST)
    template = manifest["spec"]["template"]
    # The image's name stays the same when its content changes: this makes the pods new ones all the same.
    template["metadata"]["annotations"] = {IMAGE_ANNOTATION: build_images.images()["sim-runtime"].key}
    (plugin,) = template["spec"]["containers"]
    value = ",".join(f"{name}={count}" for name, count in resources.items())
    plugin["env"] = [{"name": "FAKE_RESOURCES", "value": value}]
    return manifest


def _apply_machine(node: Any, machine: Machine) -> None:
    labels: dict[str, str] = node.metadata.labels
    annotations: dict[str, str] = node.metadata.annotations or {}
    before = json.loads(annotations.get(MACHINE_ANNOTATION, '{"labels": [], "taints": []}'))
    for key in before["labels"]:
        labels.pop(key, None)
    labels.update(machine.node_labels)
    ours = {tuple(pair) for pair in before["taints"]}
    ours |= {(taint.key, taint.effect) for taint in machine.taints}
    kept = [taint for taint in node.spec.taints or [] if (taint.key, taint.effect) not in ours]
    make = kubernetes.client.V1Taint
    node.spec.taints = kept + [make(key=t.key, value=t.value or None, effect=t.effect) for t in machine.taints]
    annotations[MACHINE_ANNOTATION] = json.dumps(
        {
            "name": machine.name,
            "labels": list(machine.node_labels),
            "taints": [[taint.key, taint.effect] for taint in machine.taints],
        }
    )
    node.metadata.annotations = annotations


def _in_words(counts: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(
        f"{node}: {', '.join(f'{name}={count}' for name, count in resources.items())}"
        for node, resources in sorted(counts.items())
    )


def _stuck_pods(kube: Kube) -> str:
    found = []
    for pod in plugin_pods(kube):
        for container in pod.status.container_statuses or []:
            waiting = container.state.waiting
            if waiting is not None and waiting.reason in UNRECOVERABLE:
                found.append(f"{pod.metadata.name}: {waiting.reason}: {waiting.message}")
    hint = " (load the images with `python3 -m hack cluster load`)" if "ErrImage" in "".join(found) else ""
    return "; ".join(found) + hint if found else ""


def _evidence(kube: Kube) -> str:
    """Pods, events and logs of the plugin, for an error message."""
    lines = []
    for pod in plugin_pods(kube):
        name = pod.metadata.name
        lines.append(f"pod {name} on {pod.spec.node_name}: {pod.status.phase}")
        selector = f"involvedObject.name={name}"
        events = kube.core.list_namespaced_event(NAMESPACE, field_selector=selector).items
        lines += [f"  event {event.reason}: {event.message}" for event in events[-5:]]
        try:
            text = kube.core.read_namespaced_pod_log(name, NAMESPACE, tail_lines=10)
        except kubernetes.client.ApiException as error:
            text = f"no log: {error.reason}"
        lines += [f"  log {line}" for line in text.splitlines()]
    return "\n".join(lines) or "the DaemonSet has no pods"
