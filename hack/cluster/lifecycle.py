"""A real Kubernetes cluster on this machine (kind), whose workers look like GPU machines."""

import dataclasses
import re
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from hack.base.log import UserError, console, print_table
from hack.base.paths import TOOLS_BIN, cache_dir
from hack.base.step import Step, stop_all_on_failure
from hack.chart.machines import Machine, load_machine
from hack.cluster import config, network, nodes, state
from hack.cluster import gpus as fake_gpus
from hack.cluster import load as loading
from hack.cluster.apiserver import NoAnswerError
from hack.cluster.state import Found
from hack.containers import build_images, node_image, runtimes
from hack.containers.node_image import NodeImage
from hack.containers.runtimes import Runtime
from hack.tools import pinned

DEFAULT_MACHINE = "gke-a3ultra"
DEFAULT_WORKERS = 2
READY_SECONDS = 120
REUSE_SECONDS = 30
# The image with the fake GPU plugin in it.
PLUGIN_IMAGE = "sim-runtime"


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    name: str
    kubeconfig: Path
    runtime: str
    node_image: str


def up(
    name: str | None = None,
    *,
    workers: int = DEFAULT_WORKERS,
    machine: str = DEFAULT_MACHINE,
    gpus: int | None = None,
    image: str | None = None,
    runtime_name: str | None = None,
    api_port: int = 0,
    recreate: bool = False,
) -> Cluster:
    """Make the cluster, or reuse the healthy one; its workers get the looks and devices of the machine.

    `gpus` is the number of faked GPUs of each worker (default: what the machine has). Raises UserError; what was
    made of a cluster that could not be finished is removed.
    """
    name = name or state.default_name()
    state.check_name(name)
    spec = _machine(machine, gpus)
    pinned.ensure(["kind", "kubectl"])
    with _locked(name), ThreadPoolExecutor(max_workers=1) as pool, stop_all_on_failure():
        found = state.find(name)
        if found and recreate:
            Step("cluster").say(f"{name}: removing the old one")
            state.remove(found.runtime, name)
            found = None
        if found:
            plugin = pool.submit(build_images.archives, [PLUGIN_IMAGE])
            cluster = _reuse(found, name, workers)
        else:
            if api_port:
                state.check_port(api_port)
            used = runtimes.find(runtime_name)
            # Its downloads overlap with the node image's compilation.
            plugin = pool.submit(build_images.archives, [PLUGIN_IMAGE])
            cluster = _create(used, name, workers, image, api_port)
        load(plugin.result(), name)
        fake_gpus.apply_machine(cluster.kubeconfig, spec)
        fake_gpus.install(cluster.kubeconfig, spec.resources)
    return cluster


def existing(name: str) -> Cluster:
    """The cluster of that name, as it is. Raises UserError where there is none."""
    found = _existing(name)
    return Cluster(name, state.kubeconfig_path(name), found.runtime.name, _image(found))


def down(name: str | None = None) -> None:
    """Remove everything `up` made for the cluster; nothing there is fine."""
    name = name or state.default_name()
    state.check_name(name)
    with _locked(name):
        removed = [text for usable in runtimes.all_usable() for text in state.remove(usable, name)]
        removed += state.remove_files(name)
    Step("cluster").say(f"{name}: removed {', '.join(removed)}" if removed else f"{name}: nothing to remove")


def load(images: Iterable[str | Path], name: str | None = None) -> None:
    """Load images (names in the runtime's store, or archives) onto every node of the running cluster."""
    name = name or state.default_name()
    found = _existing(name)
    loading.load(found.runtime, images, sorted(found.containers))


def _machine(name: str, gpus: int | None) -> Machine:
    machine = load_machine(name)
    if gpus is None:
        return machine
    labels = {**machine.node_labels, "nvidia.com/gpu.count": str(gpus)}
    return dataclasses.replace(machine, gpus_per_node=gpus, node_labels=labels)


def _existing(name: str) -> Found:
    found = state.find(name)
    if found is None:
        raise UserError(f'there is no cluster "{name}": make it with `python3 -m hack cluster up --name {name}`')
    return found


def _image(found: Found) -> str:
    return found.runtime.output("inspect", "--format", "{{.Config.Image}}", sorted(found.containers)[0])


def _reuse(found: Found, name: str, workers: int) -> Cluster:
    step = Step("cluster")
    stopped = [container for container, status in found.containers.items() if status != "running"]
    if stopped:
        raise state.half_made(name, found, f"{', '.join(sorted(stopped))} does not run")
    kubeconfig = state.kubeconfig_path(name)
    used = _image(found)
    try:
        _kind(found.runtime, step, "export", "kubeconfig", "--name", name, "--kubeconfig", kubeconfig)
        there = nodes.get_nodes(kubeconfig)
    except UserError as reason:
        last = str(reason).splitlines()[-1].strip()
        raise state.half_made(name, found, f"its API server does not answer: {last}") from reason
    if len(there) - 1 != workers:
        raise UserError(
            f'cluster "{name}" has {len(there) - 1} workers, not {workers}: give --workers {len(there) - 1} to use it, '
            "or --recreate to replace it"
        )
    try:
        there = nodes.wait_for_nodes(kubeconfig, "every node Ready", _ready(workers), REUSE_SECONDS, step)
        if node_image.is_own(found.runtime, used):
            # A node that was restarted may have another address.
            network.install(found.runtime, there)
        nodes.wait_for_addons(kubeconfig, REUSE_SECONDS, step)
    except UserError as reason:
        raise state.half_made(name, found, str(reason)) from reason
    step.say(f"{name}: reusing the running cluster ({found.runtime.name}, {len(there)} nodes Ready)")
    return Cluster(name, kubeconfig, found.runtime.name, used)


def _create(used: Runtime, name: str, workers: int, image: str | None, api_port: int) -> Cluster:
    step = Step("cluster")
    step.say(f"{name}: using {used.name} {used.version}")
    runtimes.prepare_host(step)
    chosen = node_image.provide(used, image)
    kubeconfig = state.kubeconfig_path(name)
    try:
        _kind_create(used, name, workers, chosen, api_port)
        made = nodes.wait_for_nodes(kubeconfig, "a pod network on every node", _networked(workers), READY_SECONDS, step)
        if chosen.own:
            network.install(used, made)
        nodes.wait_for_nodes(kubeconfig, "every node Ready", _ready(workers), READY_SECONDS, step)
        nodes.wait_for_addons(kubeconfig, READY_SECONDS, step)
    except BaseException:
        # Also when interrupted: half a cluster is of no use to anybody.
        step.say(f"{name}: failed, removing what was made")
        state.remove(used, name)
        raise
    step.say(f"{name}: {workers + 1} nodes Ready")
    return Cluster(name, kubeconfig, used.name, chosen.reference)


def _kind_create(used: Runtime, name: str, workers: int, chosen: NodeImage, api_port: int) -> None:
    step = Step("kind")
    step.say(f"creating one control plane and {workers} workers")
    settings = config.cluster_config(name, workers, own_image=chosen.own, cgroup_v1=used.cgroup_v1, api_port=api_port)
    with state.network_lock(), tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(settings)
        file.flush()
        arguments = ["--name", name, "--config", file.name, "--image", chosen.reference]
        _kind(used, step, "create", "cluster", *arguments, "--kubeconfig", state.kubeconfig_path(name))
    step.say("created")


def _kind(used: Runtime, step: Step, *arguments: str | Path) -> None:
    what = f"kind {arguments[0]} {arguments[1]}"
    step.run([TOOLS_BIN / "kind", *arguments], what, env=used.kind_environment, observe=str.strip)


def _networked(workers: int) -> nodes.Condition:
    return lambda seen: len(seen) == workers + 1 and all(node.pod_network and node.address for node in seen)


def _ready(workers: int) -> nodes.Condition:
    return lambda seen: len(seen) == workers + 1 and all(node.ready for node in seen)


def _locked(name: str) -> AbstractContextManager[object]:
    """One `up` or `down` of a cluster at a time."""
    # In the cache, not in the checkout: two checkouts share the container runtime.
    file = cache_dir() / f"cluster-{name}.lock"
    return Step("cluster").lock(file, f"{name}: waiting for another process that works on it")


def print_status(name: str) -> None:
    """Print nodes, devices, labels and images of a cluster."""
    found = _existing(name)
    pinned.ensure(["kubectl"])
    kubeconfig = state.kubeconfig_path(name)
    try:
        there = nodes.get_nodes(kubeconfig)
    except NoAnswerError as reason:
        raise state.half_made(name, found, f"its API server does not answer: {reason}") from reason
    console.print(f"cluster {name}: {found.runtime.name}, Kubernetes {there[0].version}, kubeconfig {kubeconfig}")
    print_table(("node", "state", "allocatable devices", "labels and taints", "images"), map(_row, there))


def _row(node: nodes.Node) -> list[str]:
    labels = [f"{key}={value}" for key, value in sorted(node.labels.items()) if _telling(key)]
    return [
        node.name,
        "[green]Ready[/green]" if node.ready else f"[red]{node.reason}[/red]",
        "\n".join(_devices(node.extended_resources)) or "none",
        "\n".join([*labels, *(f"taint {taint}" for taint in node.taints)]),
        "\n".join(_images(node.images)),
    ]


def _telling(label: str) -> bool:
    """Whether a label says what machine a node is; those every node carries do not."""
    common = ("beta.kubernetes.io/", "kubernetes.io/hostname", "kubernetes.io/os", "node.kubernetes.io/")
    return not label.startswith(common)


def _devices(resources: dict[str, str]) -> list[str]:
    """One line per kind of resource: numbered ones, such as eight network cards, share theirs."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for name, count in sorted(resources.items()):
        kinds.setdefault((re.sub(r"\d+$", "*", name), count), []).append(name)
    return [
        f"{names[0]}: {count}" if len(names) == 1 else f"{kind}: {count} each of {len(names)}"
        for (kind, count), names in kinds.items()
    ]


def _images(names: Iterable[str]) -> list[str]:
    """The project's images by name, and how many others there are."""
    tagged = [name.removeprefix("docker.io/") for name in names if "@" not in name]
    own = sorted(name for name in tagged if name.startswith("dynamo-disagg/"))
    return [*own, f"and {len(tagged) - len(own)} others"]
