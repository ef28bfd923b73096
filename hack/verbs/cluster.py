"""`cluster`: a kind cluster on this machine, and its faked GPUs."""

from typing import Any

import click

from hack.base.step import Step
from hack.cluster import lifecycle
from hack.cluster.state import default_name
from hack.containers import runtimes
from hack.verbs.cli import examples

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
