"""`images`: what a release pulls, and what is built here."""

import json
from pathlib import Path

import click

from hack.base.log import console, print_table
from hack.chart import images
from hack.containers import build_images
from hack.release import mirror as mirrors
from hack.release import pin as pinning
from hack.release.registry import Repository
from hack.verbs.cli import NEW_FILE, examples, helm_values, registry_connection


@click.group(
    epilog=examples(
        "images list -f values/a3u-multi.yaml",
        "images list -f values/a3u-multi.yaml -f mine.yaml --to registry.corp/ai",
        "images mirror -f values/a3u-multi.yaml --to registry.corp/ai",
        "images pin -f values/a3u-multi.yaml -f mine.yaml --out mine.digests.yaml",
        "images build              # every image that is not in the cache",
        "images build sim-runtime  # only this one",
        "images built",
    )
)
def command() -> None:
    """The images of a release, and those of a test cluster."""


@command.command(name="list", help=images.__doc__)
@helm_values
@click.option("--to", metavar="REGISTRY", help="Print beside each image what it is called in this mirror.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_images(files: tuple[Path, ...], settings: tuple[str, ...], to: str | None, as_json: bool) -> None:
    if to:
        pairs = mirrors.copies(files, settings, str(Repository.parse(to)))
        rows = [[pair.source, pair.target] for pair in pairs]
        print(json.dumps(rows, indent=2) if as_json else "\n".join(" ".join(row) for row in rows))
    else:
        found = images.needed(files, settings)
        print(json.dumps(found, indent=2) if as_json else "\n".join(found))


@command.command(help=mirrors.__doc__)
@helm_values
@click.option("--to", required=True, metavar="REGISTRY", help="host[:port][/path] of the mirror.")
@registry_connection
def mirror(files: tuple[Path, ...], settings: tuple[str, ...], to: str, ca_file: Path | None, plain_http: bool) -> None:
    digests = mirrors.mirror(files, settings, to, ca_file=ca_file, plain_http=plain_http)
    print_table(("image in the mirror", "digest"), digests.items())
    console.print(f"Install with --set global.imageRegistry={Repository.parse(to)}")


@command.command(help=pinning.__doc__)
@helm_values
@click.option("--out", type=NEW_FILE, required=True, help="The values file to write.")
@click.option("--login", default="", metavar="HOST", help="The registry of REGISTRY_USERNAME and REGISTRY_PASSWORD.")
@registry_connection
def pin(
    files: tuple[Path, ...], settings: tuple[str, ...], out: Path, login: str, ca_file: Path | None, plain_http: bool
) -> None:
    values = pinning.pins(files, settings, login=login, ca_file=ca_file, plain_http=plain_http)
    out.write_text(pinning.written(values, pinning.places(files, settings)))
    console.print(f"{out}: written; give it after the others: {' '.join(f'-f {file}' for file in (*files, out))}")


@command.command(help=build_images.__doc__)
@click.argument("names", nargs=-1, metavar="[NAME]...")
def build(names: tuple[str, ...]) -> None:
    build_images.archives(names or None)
    show_built()


@command.command()
def built() -> None:
    """Show the images that are built here, and their archives in the cache."""
    show_built()


def show_built() -> None:
    """Print name, archive and size of each image that is built here."""
    rows = []
    for image in build_images.images().values():
        size = f"{image.archive.stat().st_size / 1e6:.0f} MB" if image.archive.exists() else "not built"
        rows.append((image.reference.removeprefix("docker.io/"), image.archive.name, size))
    print_table(("image", "archive", "size"), rows)
