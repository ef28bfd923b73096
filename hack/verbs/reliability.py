"""What clients of a release lose while something happens to it: a table of cases, on a cluster with faked GPUs.

Each case installs the chart with two workers of each role and two frontends, has eight streaming clients ask them, does
one thing, and counts what came of every request.
"""

from pathlib import Path

import click

from hack.base.log import UserError, print_table
from hack.cluster.kube import Kube
from hack.reliability.cases import CASES
from hack.reliability.place import place
from hack.reliability.report import COLUMNS, PAGE, page, row
from hack.reliability.trial import trial
from hack.verbs.cli import FILE, examples

NAMESPACE = "reliability"


@click.command(
    short_help="What clients lose in upgrades and faults.",
    help=f"{__doc__}\n\nExits with 0 if no case lost what it should not, else with 1.",
    epilog=examples("reliability", 'reliability --case "another block size" --kubeconfig kubeconfig.yaml'),
)
@click.option("--case", "names", multiple=True, type=click.Choice(list(CASES)), show_default="all", help="One of them.")
@click.option("--kubeconfig", type=FILE, required=True, help="Of a cluster as `make cluster` makes it.")
@click.option(
    "--requests", type=click.IntRange(min=1), default=1000, show_default=True, help="At least so many in each case."
)
@click.option("--write", is_flag=True, help="Put the cases that ran, with the date, into docs/reliability.md.")
def command(names: tuple[str, ...], kubeconfig: Path, requests: int, write: bool) -> int:
    outcomes = []
    with place(Kube.answering(kubeconfig), NAMESPACE) as release:
        for name in names or CASES:
            try:
                outcomes.append(trial(release, name, CASES[name], requests))
            except (TimeoutError, AssertionError) as error:
                raise UserError(f"{name}: {error}") from error
            print_table(COLUMNS, map(row, outcomes))
            if write:
                PAGE.write_text(page(outcomes))
    return int(any(outcome.lost for outcome in outcomes))
