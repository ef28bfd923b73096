"""`tools`: the pinned command-line tools."""

import click

from hack.base.step import Step
from hack.base.versions import tools
from hack.tools import pinned
from hack.verbs.cli import examples


@click.command(
    help=pinned.__doc__,
    epilog=examples(
        "tools               # provide every tool but those on demand",
        "tools helm kubectl  # provide these two",
        "tools --list        # show versions and where each tool comes from",
    ),
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "only_list", is_flag=True, help="Show the tools and change nothing.")
def command(names: tuple[str, ...], only_list: bool) -> None:
    if only_list:
        pinned.print_list()
        return
    paths = pinned.ensure(names or None)
    known = tools()
    Step("tools").say(f"{len(paths)} ready in .tools/bin: {', '.join(f'{n} {known[n].version}' for n in paths)}")
