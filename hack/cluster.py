"""A real Kubernetes cluster on this machine (kind), whose workers look like GPU machines."""

from __future__ import annotations

import argparse
import dataclasses
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.table import Table

from hack import build_images, log, tools
from hack import gpus as fake_gpus
from hack.kind import config, engine, loading, network, node_image, nodes, state
from hack.kind.engine import Engine
from hack.kind.node_image import NodeImage
from hack.kind.state import Found
from hack.log import UserError, console
from hack.machines import Machine, load_machine
from hack.paths import TOOLS_BIN, cache_dir
from hack.progress import Step, stop_all_on_failure

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
    engine: str
    node_image: str


def up(
    name: str | None = None,
    *,
    workers: int = DEFAULT_WORKERS,
    machine: str = DEFAULT_MACHINE,
    gpus: int | None = None,
    image: str | None = None,
    engine_name: str | None = None,
    api_port: int = 0,
    recreate: bool = False,
) -> Cluster:
    """Make the cluster, or reuse the healthy one; its workers get the looks and devices of the machine.

    `gpus` is the number of faked GPUs of each worker (default: what the machine has). Raises UserError; what was
    made of a cluster that could not be finished is removed.
    """
    name = name or state.default_name()
    state.check_name(name)
    look = _machine(machine, gpus)
    tools.ensure(["kind", "kubectl"])
    with _locked(name), ThreadPoolExecutor(max_workers=1) as pool, stop_all_on_failure():
        found = state.find(name)
        if found and recreate:
            Step("cluster").say(f"{name}: removing the old one")
            state.remove(found.engine, name)
            found = None
        if found:
            plugin = pool.submit(build_images.archives, [PLUGIN_IMAGE])
            cluster = _reuse(found, name, workers)
        else:
            if api_port:
                state.check_port(api_port)
            used = engine.find(engine_name)
            # Its downloads overlap with the node image's compilation.
            plugin = pool.submit(build_images.archives, [PLUGIN_IMAGE])
            cluster = _create(used, name, workers, image, api_port)
        load(plugin.result(), name)
        fake_gpus.dress(cluster.kubeconfig, look)
        fake_gpus.install(cluster.kubeconfig, look.resources)
    return cluster


def down(name: str | None = None) -> None:
    """Remove everything `up` made for the cluster; nothing there is fine."""
    name = name or state.default_name()
    state.check_name(name)
    with _locked(name):
        removed = [text for usable in engine.all_usable() for text in state.remove(usable, name)]
        removed += state.remove_files(name)
    Step("cluster").say(f"{name}: removed {', '.join(removed)}" if removed else f"{name}: nothing to remove")


def load(images: Iterable[str | Path], name: str | None = None) -> None:
    """Load images (names in the engine's store, or archives) onto every node of the running cluster."""
    name = name or state.default_name()
    found = _existing(name)
    loading.load(found.engine, images, sorted(found.containers))


def _machine(name: str, gpus: int | None) -> Machine:
    machine = load_machine(name)
    if gpus is None:
        return machine
    labels = {**machine.node_labels, "nvidia.com/gpu.count": str(gpus)}
    return dataclasses.replace(machine, gpus_per_node=gpus, node_labels=labels)


def _existing(name: str) -> Found:
    found = state.find(name)
    if found is None:
        raise UserError(f'there is no cluster "{name}": make it with `python -m hack.cluster up --name {name}`')
    return found


def _reuse(found: Found, name: str, workers: int) -> Cluster:
    step = Step("cluster")
    stopped = [container for container, status in found.containers.items() if status != "running"]
    if stopped:
        raise state.half_made(name, found, f"{', '.join(sorted(stopped))} does not run")
    kubeconfig = state.kubeconfig_path(name)
    used = found.engine.output("inspect", "--format", "{{.Config.Image}}", sorted(found.containers)[0])
    try:
        _kind(found.engine, step, "export", "kubeconfig", "--name", name, "--kubeconfig", kubeconfig)
        there = nodes.get_nodes(kubeconfig)
    except (UserError, nodes.NoAnswerError) as reason:
        raise state.half_made(name, found, f"its API server does not answer: {_last_line(str(reason))}") from reason
    if len(there) - 1 != workers:
        raise UserError(
            f'cluster "{name}" has {len(there) - 1} workers, not {workers}: give --workers {len(there) - 1} to use it, '
            "or --recreate to replace it"
        )
    try:
        there = nodes.wait_for(kubeconfig, "every node Ready", _ready(workers), REUSE_SECONDS, step)
        if node_image.is_own(found.engine, used):
            # A node that was restarted may have another address.
            network.install(found.engine, there)
        nodes.wait_for_addons(kubeconfig, REUSE_SECONDS, step)
    except UserError as reason:
        raise state.half_made(name, found, str(reason)) from reason
    step.say(f"{name}: reusing the running cluster ({found.engine.name}, {len(there)} nodes Ready)")
    return Cluster(name, kubeconfig, found.engine.name, used)


def _create(used: Engine, name: str, workers: int, image: str | None, api_port: int) -> Cluster:
    step = Step("cluster")
    step.say(f"{name}: using {used.name} {used.version}")
    engine.prepare_host(step)
    chosen = node_image.provide(used, image)
    kubeconfig = state.kubeconfig_path(name)
    try:
        _kind_create(used, name, workers, chosen, api_port)
        made = nodes.wait_for(kubeconfig, "a pod network on every node", _networked(workers), READY_SECONDS, step)
        if chosen.own:
            network.install(used, made)
        nodes.wait_for(kubeconfig, "every node Ready", _ready(workers), READY_SECONDS, step)
        nodes.wait_for_addons(kubeconfig, READY_SECONDS, step)
    except BaseException:
        # Also when interrupted: half a cluster is of no use to anybody.
        step.say(f"{name}: failed, removing what was made")
        state.remove(used, name)
        raise
    step.say(f"{name}: {workers + 1} nodes Ready")
    return Cluster(name, kubeconfig, used.name, chosen.reference)


def _kind_create(used: Engine, name: str, workers: int, chosen: NodeImage, api_port: int) -> None:
    step = Step("kind")
    step.say(f"creating one control plane and {workers} workers")
    settings = config.cluster_config(name, workers, own_image=chosen.own, cgroup_v1=used.cgroup_v1, api_port=api_port)
    with state.network_lock(), tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(settings)
        file.flush()
        arguments = ["--name", name, "--config", file.name, "--image", chosen.reference]
        _kind(used, step, "create", "cluster", *arguments, "--kubeconfig", state.kubeconfig_path(name))
    step.say("created")


def _kind(used: Engine, step: Step, *arguments: str | Path) -> None:
    what = f"kind {arguments[0]} {arguments[1]}"
    step.run([TOOLS_BIN / "kind", *arguments], what, env=used.kind_environment, observe=str.strip)


def _networked(workers: int) -> nodes.Condition:
    return lambda seen: len(seen) == workers + 1 and all(node.pod_network and node.address for node in seen)


def _ready(workers: int) -> nodes.Condition:
    return lambda seen: len(seen) == workers + 1 and all(node.ready for node in seen)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """One `up` or `down` of a cluster at a time."""
    # In the cache, not in the checkout: two checkouts share the container engine.
    lock = FileLock(cache_dir() / f"cluster-{name}.lock")
    if not _try(lock):
        Step("cluster").say(f"{name}: waiting for another process that works on it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _try(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _print_status(name: str) -> None:
    found = _existing(name)
    tools.ensure(["kubectl"])
    kubeconfig = state.kubeconfig_path(name)
    try:
        there = nodes.get_nodes(kubeconfig)
    except nodes.NoAnswerError as reason:
        raise state.half_made(name, found, f"its API server does not answer: {reason}") from reason
    console.print(f"cluster {name}: {found.engine.name}, Kubernetes {there[0].version}, kubeconfig {kubeconfig}")
    table = Table("node", "state", "allocatable devices", "labels and taints", "images")
    for column in table.columns:
        column.overflow = "fold"
    for node in there:
        ready = "[green]Ready[/green]" if node.ready else f"[red]{node.reason}[/red]"
        labels = [f"{key}={value}" for key, value in sorted(node.labels.items()) if _telling(key)]
        table.add_row(
            node.name,
            ready,
            "\n".join(_devices(node.extended_resources)) or "none",
            "\n".join([*labels, *(f"taint {taint}" for taint in node.taints)]),
            "\n".join(_images(node.images)),
        )
    console.print(table)


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


def run(argv: Sequence[str] | None = None) -> int:
    """The command line of `python -m hack.cluster`."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m hack.cluster up                                 two workers like gke-a3ultra, 8 GPUs each\n"
        "  python -m hack.cluster up --workers 4 --machine gke-a4x   another size and machine\n"
        "  python -m hack.cluster up --image kindest/node:v1.36.4    a node image of your own choice\n"
        "  python -m hack.cluster up --recreate                      replace the cluster\n"
        "  python -m hack.cluster load my/image:1 archive.tar        local images onto every node\n"
        "  python -m hack.cluster status\n"
        "  python -m hack.cluster down",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("up", help="make the cluster, or reuse the healthy one")
    make.add_argument("--workers", type=_count, default=DEFAULT_WORKERS, metavar="N", help="default: %(default)s")
    make.add_argument("--machine", default=DEFAULT_MACHINE, metavar="PRESET", help="default: %(default)s")
    make.add_argument("--gpus", type=_count, metavar="N", help="faked GPUs of each worker (default: the machine's)")
    make.add_argument("--image", metavar="NODE_IMAGE", help="node image (default: cached, else pulled, else built)")
    make.add_argument("--engine", choices=engine.ENGINES, help="default: Docker if usable, else Podman")
    make.add_argument("--api-port", type=_port, default=0, metavar="PORT", help="default: a free one")
    make.add_argument("--recreate", action="store_true", help="replace a cluster of this name")
    loads = commands.add_parser("load", help="load local images onto every node")
    loads.add_argument("images", nargs="+", metavar="IMAGE", help="name in the engine's store, or archive file")
    others = [commands.add_parser("status", help="show nodes, devices, labels and images")]
    others.append(commands.add_parser("down", help="remove the cluster and everything it made"))
    for command in (make, loads, *others):
        command.add_argument("--name", default=state.default_name(), help="default: %(default)s")
    options = parser.parse_args(argv)
    step = Step("cluster")
    if options.command == "up":
        cluster = up(
            options.name,
            workers=options.workers,
            machine=options.machine,
            gpus=options.gpus,
            image=options.image,
            engine_name=options.engine,
            api_port=options.api_port,
            recreate=options.recreate,
        )
        step.say(f"{cluster.name} is up: export KUBECONFIG={cluster.kubeconfig}")
    elif options.command == "load":
        load(options.images, options.name)
    elif options.command == "status":
        _print_status(options.name)
    else:
        down(options.name)
    return 0


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number from 1 to 64')
    return int(text)


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f'"{text}" is not a port number')
    return int(text)


if __name__ == "__main__":
    log.main(run)
