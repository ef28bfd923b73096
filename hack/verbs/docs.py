"""`docs`: the pages made from the chart."""

import click

from hack.base.log import UserError, console
from hack.base.paths import ROOT
from hack.docs import pages
from hack.verbs.cli import check_only, examples


@click.command(
    short_help="Generate the pages that are made from the chart.",
    help=pages.__doc__,
    epilog=examples("docs", "docs --check"),
)
@check_only
def command(check: bool) -> None:
    for page, text in pages.generated().items():
        name = page.relative_to(ROOT)
        if page.is_file() and page.read_text() == text:
            console.print(f"{name} is current")
        elif check:
            raise UserError(f"{name} is stale: run make generate and commit the result")
        else:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text)
            console.print(f"{name}: written")
