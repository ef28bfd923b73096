"""Three times the load that a release can take, on a cluster with faked GPUs: what is refused, and how the others fare.

Installs the chart with one worker of each role and `frontend.rejection`, finds out how many requests a second it can
answer, and sends that many and then three times as many.
"""

from pathlib import Path

import click

from hack.base.log import console, print_table
from hack.cluster.kube import Kube
from hack.reliability import overload
from hack.reliability.overload_report import COLUMNS, PAGE, page, rows
from hack.reliability.place import place
from hack.verbs.cli import FILE, examples


@click.command(
    short_help="What a release refuses under too much load.",
    help=f"{__doc__}\n\nExits with 0 if all was as promised, else with 1.",
    epilog=examples("overload --kubeconfig kubeconfig.yaml"),
)
@click.option("--kubeconfig", type=FILE, required=True, help="Of a cluster as `make cluster` makes it.")
@click.option("--write", is_flag=True, help="Put what came of it, with the date, into docs/autoscaling.md.")
def command(kubeconfig: Path, write: bool) -> int:
    with place(Kube.answering(kubeconfig), "overload") as release:
        seen = overload.overload(release)
    print_table(COLUMNS, rows(seen))
    for wrong in seen.wrong():
        console.print(wrong)
    if write:
        PAGE.write_text(page(seen))
    return int(bool(seen.wrong()))
