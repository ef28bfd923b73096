"""`release`: package the chart, publish it, check a published one, and prepare the next version."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hack.base.log import Table, console
from hack.release import attestations, package, signing
from hack.release import publish as publishing
from hack.release.signing import Trust
from hack.verbs.cli import FOLDER, NEW_FILE, examples, registry_connection, together

output = click.option("--out", type=FOLDER, default=Path("dist"), show_default=True, help="Where the package goes.")
_signer = together(
    click.option("--key", default="", metavar="FILE|URI", help="cosign key: private to sign, public to check."),
    click.option("--identity", default="", metavar="NAME", help="Keyless: the identity in the certificate."),
    click.option("--issuer", default="", metavar="URL", help="Keyless: the issuer of that identity."),
    click.option("--no-transparency-log", is_flag=True, help="For a key: record nothing in public."),
)


def signer(function: Callable[..., None]) -> Callable[..., None]:
    """These options, given to a command as one `trust`."""

    @functools.wraps(function)
    def with_trust(*, key: str, identity: str, issuer: str, no_transparency_log: bool, **others: Any) -> None:
        if not key and not identity and not issuer:
            identity, issuer = signing.identity_of_this_job()
        function(trust=Trust(key, identity, issuer, not no_transparency_log), **others)

    return _signer(with_trust)


@click.group(
    short_help="Package, publish and verify the chart; bump its version.",
    help=publishing.__doc__,
    epilog=examples(
        "release package --out dist",
        "release publish --registry oci://ghcr.io/acme/charts --key cosign.key",
        "release verify oci://ghcr.io/acme/charts/dynamo-disagg:VERSION --key cosign.pub",
        "release bump 0.2.0",
    )
    + "\n\nCredentials: REGISTRY_USERNAME and REGISTRY_PASSWORD, or docker login. The key's password: COSIGN_PASSWORD.",
)
def command() -> None:
    pass


@command.command(name="package")
@output
@click.option("--allow-dirty", is_flag=True, help="Although files differ from the commit.")
def make_package(out: Path, allow_dirty: bool) -> None:
    """Write the package and its bill of materials into a folder."""
    built = package.build(out, allow_dirty=allow_dirty)
    bom = built.file.with_suffix(".sbom.json")
    bom.write_text(json.dumps(attestations.bill_of_materials(built), indent=2))
    console.print(f"{built.file}\nsha256:{built.sha256}\n{bom}")


@command.command()
@click.option("--registry", required=True, metavar="URL", help="Where charts lie: oci://host/path.")
@output
@signer
@registry_connection
def publish(registry: str, out: Path, trust: Trust, ca_file: Path | None, plain_http: bool) -> None:
    """Package, push, sign, attest, check, then tag."""
    publishing.publish(registry, trust, out, ca_file=ca_file, plain_http=plain_http)


@command.command()
@click.argument("reference")
@click.option("--package", "file", type=NEW_FILE, help="It must also equal this package.")
@signer
@registry_connection
def verify(reference: str, file: Path | None, trust: Trust, ca_file: Path | None, plain_http: bool) -> None:
    """Check signature and attestations of a published chart: oci://host/path/chart:version, or @sha256:..."""
    facts = publishing.verify(reference, trust, file=file, ca_file=ca_file, plain_http=plain_http)
    table = Table(show_header=False)
    for name, value in facts.items():
        table.add_row(name, value)
    console.print(table)


@command.command()
@click.argument("version")
def bump(version: str) -> None:
    """Write the next version, such as 0.2.0, everywhere and close the changelog."""
    console.print("\n".join(publishing.bump(version)))
