"""`machines`: the machine presets of the chart."""

import click

from hack.base.log import print_table
from hack.chart.machines import load_machine, names
from hack.verbs.cli import examples


@click.command(epilog=examples("machines", "machines gke-a3ultra"))
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Show the machine types, or what a fake node of one gets."""
    if name is None:
        known = [(m.name, m.arch, str(m.gpus_per_node), m.description) for m in map(load_machine, names())]
        print_table(("machine", "arch", "GPUs per node", "what it is"), known)
        return
    machine = load_machine(name)
    rows = [("resource", f"{key}={count}") for key, count in machine.resources.items()]
    rows += [("DRA devices", f"{key}={count}") for key, count in machine.devices.items()]
    rows += [("label", f"{key}={value}") for key, value in machine.node_labels.items()]
    rows += [("taint", f"{taint.key}={taint.value}:{taint.effect}") for taint in machine.taints]
    print_table(("of a node", "value"), rows, machine.description)
