"""`machines`: the machine presets of the chart."""

from __future__ import annotations

import click

from hack.base.log import Table, console
from hack.chart.machines import load_machine, names
from hack.verbs.cli import examples


@click.command(epilog=examples("machines", "machines gke-a3ultra"))
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Show the machine types, or what a fake node of one gets."""
    if name is None:
        table = Table("machine", "arch", "GPUs per node", "what it is")
        for known in names():
            machine = load_machine(known)
            table.add_row(known, machine.arch, str(machine.gpus_per_node), machine.description)
        console.print(table)
        return
    machine = load_machine(name)
    table = Table("of a node", "value", title=machine.description)
    for key, count in machine.resources.items():
        table.add_row("resource", f"{key}={count}")
    for key, count in machine.devices.items():
        table.add_row("DRA devices", f"{key}={count}")
    for key, value in machine.node_labels.items():
        table.add_row("label", f"{key}={value}")
    for taint in machine.taints:
        table.add_row("taint", f"{taint.key}={taint.value}:{taint.effect}")
    console.print(table)
