"""`flags`: what the chart knows about the flags of the engines."""

import click

from hack.base.versions import versions
from hack.flags import generate as generator
from hack.flags.programs import PROGRAMS
from hack.verbs.cli import examples

PINNED = versions()["engine-flags"]


@click.group(
    epilog=examples(
        "flags generate",
        "flags generate --engine vllm --version 0.32.0 --dry-run",
        "flags generate --dynamo 1.6.0",
    )
)
def command() -> None:
    """What the chart knows of the engines' flags."""


@command.command(help=generator.__doc__)
@click.option("--engine", type=click.Choice(list(PROGRAMS)), help="One program only.")
@click.option("--version", help="Engine version.", show_default="the one that Dynamo pins")
@click.option("--dynamo", default=PINNED["dynamo"], show_default=True, help="Dynamo version.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would change.")
def generate(engine: str | None, version: str | None, dynamo: str, dry_run: bool) -> None:
    generator.generate(engine, version, dynamo, dry_run=dry_run)
