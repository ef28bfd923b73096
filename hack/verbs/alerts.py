"""One fault after the other on a cluster with faked GPUs, and the alerts that fire: each in its fault, in no other.

Installs the chart and a Prometheus with the release's alerts, whose times are shortened; asks the release all the time,
causes one fault after the other, and writes down what fires.
"""

from pathlib import Path

import click

from hack.base.log import print_table
from hack.cluster.kube import Kube
from hack.cluster.scalers import load
from hack.docs.pages import MONITORING_PAGE
from hack.reliability.alarms import FAULTS, alarms
from hack.reliability.alarms_report import COLUMNS, page, row
from hack.reliability.place import place
from hack.verbs.cli import FILE, examples


@click.command(
    short_help="Which alerts fire in which fault.",
    help=f"{__doc__}\n\nExits with 0 if exactly the right ones fired, else with 1.",
    epilog=examples("alerts --kubeconfig kubeconfig.yaml", 'alerts --fault "no frontend" --kubeconfig kubeconfig.yaml'),
)
@click.option(
    "--fault", "names", multiple=True, type=click.Choice(list(FAULTS)), show_default="all", help="One of them."
)
@click.option("--kubeconfig", type=FILE, required=True, help="Of a cluster as `make cluster` makes it.")
@click.option("--write", is_flag=True, help="Put the faults that ran, with the date, into docs/monitoring.md.")
def command(names: tuple[str, ...], kubeconfig: Path, write: bool) -> int:
    kube = Kube.answering(kubeconfig)
    load(kube, ("prometheus", "kube-state-metrics"))
    outcomes = []
    with place(kube, "alerts") as release:
        for seen in alarms(release, list(names or FAULTS)):
            outcomes.append(seen)
            print_table(COLUMNS, map(row, outcomes))
            if write:
                MONITORING_PAGE.write_text(page(outcomes))
    return int(not all(one.right for one in outcomes))
