"""Load that grows and shrinks, on a cluster with faked GPUs: KEDA and an HPA add pods and take them away.

Installs KEDA, metrics-server and Prometheus, and the chart with one pod of each component and scalers that own their
number; hands over, upgrades, and counts what came of every request. Afterwards all of it is gone again.
"""

from pathlib import Path

import click

from hack.base.log import console, print_table
from hack.cluster.kube import Kube
from hack.cluster.scalers import load, scalers
from hack.reliability import scaling
from hack.reliability.place import place
from hack.reliability.scaling_report import COLUMNS, PAGE, draw, page, rows
from hack.verbs.cli import FILE, examples


@click.command(
    short_help="A release that follows its load.",
    help=f"{__doc__}\n\nExits with 0 if all was as promised, else with 1.",
    epilog=examples("scaling --kubeconfig kubeconfig.yaml"),
)
@click.option("--kubeconfig", type=FILE, required=True, help="Of a cluster as `make cluster` makes it.")
@click.option("--write", is_flag=True, help="Put what came of it, with date and picture, into docs/autoscaling.md.")
def command(kubeconfig: Path, write: bool) -> int:
    kube = Kube.answering(kubeconfig)
    load(kube, ("prometheus",))
    with scalers(kube), place(kube, "scaling") as release:
        seen = scaling.scaling(release)
    print_table(COLUMNS, rows(seen))
    for wrong in seen.wrong():
        console.print(wrong)
    if write:
        PAGE.write_text(page(seen))
        draw(seen)
    return int(bool(seen.wrong()))
