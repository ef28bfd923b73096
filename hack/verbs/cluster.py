"""`cluster`: a kind cluster on this machine, and its faked GPUs."""

from pathlib import Path
from typing import Any

import click

from hack.base.log import print_table
from hack.base.step import Step
from hack.chart.machines import load_machine
from hack.cluster import gpus as fake_gpus
from hack.cluster import lifecycle
from hack.cluster.state import default_name
from hack.containers import runtimes
from hack.verbs.cli import examples, test_cluster

cluster_name = click.option("--name", default=default_name, show_default="dynamo-disagg", help="Of the cluster.")


@click.group(
    epilog=examples(
        "cluster up                                 # two workers like gke-a3ultra, 8 GPUs each",
        "cluster up --workers 4 --machine gke-a4x   # another size and machine",
        "cluster up --image kindest/node:v1.36.4    # a node image of your own choice",
        "cluster up --recreate                      # replace the cluster",
        "cluster load my/image:1 archive.tar        # local images onto every node",
        "cluster status",
        "cluster down",
    )
)
def command() -> None:
    """A kind cluster whose workers look like GPU machines."""


@command.command()
@click.option("--workers", type=click.IntRange(1, 64), default=lifecycle.DEFAULT_WORKERS, show_default=True)
@click.option("--machine", metavar="PRESET", default=lifecycle.DEFAULT_MACHINE, show_default=True)
@click.option("--gpus", type=click.IntRange(1, 64), help="Faked GPUs of each worker.", show_default="the machine's")
@click.option("--image", metavar="NODE_IMAGE", help="Node image.", show_default="cached, else pulled, else built")
@click.option(
    "--runtime", "runtime_name", type=click.Choice(runtimes.RUNTIMES), show_default="Docker if usable, else Podman"
)
@click.option("--api-port", type=click.IntRange(0, 65535), default=0, show_default="a free one")
@click.option("--recreate", is_flag=True, help="Replace a cluster of this name.")
@cluster_name
def up(**options: Any) -> None:
    """Make the cluster, or reuse the healthy one."""
    cluster = lifecycle.up(**options)
    Step("cluster").say(f"{cluster.name} is up: export KUBECONFIG={cluster.kubeconfig}")


@command.command()
@cluster_name
def down(name: str) -> None:
    """Remove the cluster and everything it made."""
    lifecycle.down(name)


@command.command()
@cluster_name
def status(name: str) -> None:
    """Show nodes, devices, labels and images."""
    lifecycle.print_status(name)


@command.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@cluster_name
def load(images: tuple[str, ...], name: str) -> None:
    """Load local images onto every node: names in the runtime's store, or archive files."""
    lifecycle.load(images, name)


@command.group(
    epilog=examples(
        "cluster gpus install --machine gke-a3ultra",
        "cluster gpus install --resource nvidia.com/gpu=4 --node dynamo-disagg-worker",
        "cluster gpus health dynamo-disagg-worker nvidia.com/gpu --unhealthy gpu-3",
        "cluster gpus health dynamo-disagg-worker nvidia.com/gpu",
        "cluster gpus status",
    )
)
def gpus() -> None:
    """Faked GPUs on the nodes of a test cluster: the device plugin, the looks of a machine, broken devices."""


@gpus.command()
@test_cluster
@click.option("--machine", help="Resources, labels and taints of this machine preset.")
@click.option("--resource", "resources", multiple=True, metavar="NAME=COUNT", help="May be repeated.")
@click.option("--node", "nodes", multiple=True, show_default="every worker", help="May be repeated.")
def install(kubeconfig: Path, machine: str | None, resources: tuple[str, ...], nodes: tuple[str, ...]) -> None:
    """Install the device plugin, for a machine preset or for some resources."""
    if bool(machine) == bool(resources):
        raise click.UsageError("give either --machine or --resource")
    if machine:
        preset = load_machine(machine)
        fake_gpus.apply_machine(kubeconfig, preset, nodes or None)
        fake_gpus.install(kubeconfig, preset.resources, nodes or None)
    else:
        fake_gpus.install(kubeconfig, dict(_resource(text) for text in resources), nodes or None)
    _print_allocatable(kubeconfig)


@gpus.command()
@test_cluster
@click.argument("node")
@click.argument("resource")
@click.option("--unhealthy", multiple=True, metavar="DEVICE", help="Such as gpu-3; may be repeated.")
def health(kubeconfig: Path, node: str, resource: str, unhealthy: tuple[str, ...]) -> None:
    """Say which devices of a node are broken; all others become healthy."""
    fake_gpus.set_health(kubeconfig, node, resource, unhealthy)
    _print_allocatable(kubeconfig)


@gpus.command(name="status")
@test_cluster
def gpus_status(kubeconfig: Path) -> None:
    """Show the allocatable extended resources of every node."""
    _print_allocatable(kubeconfig)


def _resource(text: str) -> tuple[str, int]:
    name, _, count = text.rpartition("=")
    if "/" not in name or not count.isdigit():
        raise click.BadParameter(f'"{text}" is not of the form vendor/name=count, as in nvidia.com/gpu=8')
    return name, int(count)


def _print_allocatable(kubeconfig: Path) -> None:
    found = fake_gpus.allocatable(kubeconfig)
    rows = [(node, name, str(count)) for node, resources in found.items() for name, count in resources.items()]
    print_table(("node", "resource", "allocatable"), rows)
