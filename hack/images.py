"""List every image that a values file makes the chart pull, and copy them to a registry of your own.

The list comes from rendering the chart, hooks and tests included, so it is what a release really pulls. With the
copies made, `global.imageRegistry` set to the same registry makes the release pull from there and nowhere else.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from hack import log, oci
from hack.log import UserError, console
from hack.paths import ROOT
from hack.progress import Step
from hack.render import rendered
from hack.versions import versions


@dataclass(frozen=True)
class Copy:
    """An image as the values name it, and as a release that uses the mirror pulls it."""

    source: str
    target: str


def references(
    files: Sequence[Path | str] = (), settings: Sequence[str] = (), registry: str = "", chart: Path = ROOT
) -> list[str]:
    """Image references of everything the chart renders, in the order of the objects, repeated where used twice.

    `settings` are Helm's --set arguments; `registry` becomes global.imageRegistry. Raises UserError with Helm's
    message when Helm refuses the values.
    """
    options = ["--kube-version", str(versions()["kubernetes"]["version"])]
    if registry:
        options += ["--set-string", f"global.imageRegistry={registry}"]
    return [image for item in rendered(files, settings, *options, chart=chart) for image in _images(item)]


def needed(files: Sequence[Path | str] = (), settings: Sequence[str] = (), chart: Path = ROOT) -> list[str]:
    """The images some values need, each once, sorted."""
    return sorted(set(references(files, settings, chart=chart)))


def copies(files: Sequence[Path | str], settings: Sequence[str], registry: str, chart: Path = ROOT) -> list[Copy]:
    """Which image has to be copied where, so that `global.imageRegistry=registry` finds them all."""
    # Rendered twice and paired by position: the chart's own templates decide what a mirrored image is called.
    pairs = zip(
        references(files, settings, chart=chart), references(files, settings, registry, chart=chart), strict=True
    )
    result = [Copy(source, target) for source, target in sorted(set(pairs))]
    stray = [copy.source for copy in result if not copy.target.startswith(f"{registry}/")]
    if stray:
        raise UserError(f"global.imageRegistry does not reach {', '.join(stray)}: these values pin another registry")
    return result


def _images(node: Any) -> Iterator[str]:
    """The images of a rendered object: containers of any kind at any depth, and image volumes."""
    if isinstance(node, list):
        for item in node:
            yield from _images(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("containers", "initContainers") and isinstance(value, list):
                yield from (str(c["image"]) for c in value if isinstance(c, dict) and "image" in c)
            elif key == "volumes" and isinstance(value, list):
                volumes = (v.get("image") for v in value if isinstance(v, dict))
                yield from (str(v["reference"]) for v in volumes if isinstance(v, dict) and "reference" in v)
            else:
                yield from _images(value)


def mirror(
    files: Sequence[Path | str],
    settings: Sequence[str],
    to: str,
    *,
    ca_file: Path | None = None,
    plain_http: bool = False,
) -> dict[str, str]:
    """Copy every image the values need, all platforms of it; returns the digests by target.

    Every source is asked for before the first is copied. Raises UserError that names all images that failed; a
    second run skips what is there already.
    """
    registry = oci.Repository.parse(to)
    wanted = copies(files, settings, str(registry))
    step = Step("mirror")
    with oci.connect(registry.host, ca_file=ca_file, plain_http=plain_http) as client:
        step.say(f"asking for {len(wanted)} images")
        digests = _each(wanted, lambda copy: _digest(client, copy.source), "not found or not readable")
        for number, copy in enumerate(wanted, start=1):
            step.say(f"{number}/{len(wanted)} {copy.source} -> {copy.target}")
            client.crane("copy", copy.source, copy.target, about=_repository(copy.target), timeout=oci.COPY_SECONDS)
        copied = _each(wanted, lambda copy: _digest(client, copy.target), "not in the mirror after the copy")
    for copy in wanted:
        if copied[copy.target] != digests[copy.target]:
            raise UserError(f"{copy.target} is {copied[copy.target]}, its source {copy.source} {digests[copy.target]}")
    step.say(f"{len(wanted)} images in {registry}")
    return copied


def _each(wanted: Sequence[Copy], ask: Any, what: str) -> dict[str, str]:
    found, failed = {}, []
    for copy in wanted:
        try:
            found[copy.target] = str(ask(copy))
        except oci.RegistryError as error:
            failed.append(f"  {copy.source}: {error}")
    if failed:
        raise UserError(f"{len(failed)} of {len(wanted)} images {what}:\n" + "\n".join(failed))
    return found


def _digest(client: oci.Client, image: str) -> str:
    return client.crane("digest", image, about=_repository(image))


def _repository(image: str) -> oci.Repository:
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    host, _, path = f"{head}{slash}{last.partition(':')[0]}".partition("/")
    # Without a host an image is one of Docker Hub's.
    known = path and (set(".:") & set(host) or host == "localhost")
    return oci.Repository(host, f"/{path}") if known else oci.Repository("docker.io", f"/{host}/{path}".rstrip("/"))


def run(argv: Sequence[str] | None = None) -> int:
    """The command line of `python -m hack.images`."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.images",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m hack.images list -f values/a3u-multi.yaml\n"
        "  python -m hack.images list -f values/a3u-multi.yaml -f mine.yaml --to registry.corp/ai\n"
        "  python -m hack.images mirror -f values/a3u-multi.yaml --to registry.corp/ai\n"
        "  helm install demo . -f values/a3u-multi.yaml --set global.imageRegistry=registry.corp/ai",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="print the images, one a line")
    listing.add_argument("--to", metavar="REGISTRY", help="print beside each image what it is called in this mirror")
    listing.add_argument("--json", action="store_true", help="as JSON")
    copying = commands.add_parser("mirror", help="copy the images to a registry")
    copying.add_argument("--to", metavar="REGISTRY", required=True, help="host[:port][/path] of the mirror")
    copying.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="the registries' authority (on macOS: its keychain)"
    )
    copying.add_argument("--plain-http", action="store_true", help="registries without TLS (never over a network)")
    for command in (listing, copying):
        command.add_argument("-f", "--values", action="append", default=[], metavar="FILE", help="as for helm install")
        command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for helm install")
    options = parser.parse_args(argv)
    if options.command == "mirror":
        _print_mirror(options)
    elif options.to:
        registry = str(oci.Repository.parse(options.to))
        pairs = copies(options.values, options.set, registry)
        _print_lines([f"{c.source} {c.target}" for c in pairs], [[c.source, c.target] for c in pairs], options.json)
    else:
        found = needed(options.values, options.set)
        _print_lines(found, found, options.json)
    return 0


def _print_lines(lines: list[str], data: Any, as_json: bool) -> None:
    print(json.dumps(data, indent=2) if as_json else "\n".join(lines))


def _print_mirror(options: argparse.Namespace) -> None:
    digests = mirror(options.values, options.set, options.to, ca_file=options.ca_file, plain_http=options.plain_http)
    table = Table("image in the mirror", "digest")
    for target, digest in digests.items():
        table.add_row(target, digest)
    console.print(table)
    console.print(f"Install with --set global.imageRegistry={oci.Repository.parse(options.to)}")


if __name__ == "__main__":
    log.main(run)
