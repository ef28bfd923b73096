"""Package the chart, publish it signed to an OCI registry, check a published one, and prepare the next version.

A version's tag appears in the registry last: after the chart was pushed without a tag, signed, given its bill of
materials and provenance, and all of that was checked. So what can be installed by its version is always complete.
"""

import datetime
import functools
import hashlib
import json
import operator
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hack.base import process
from hack.base.log import UserError, console
from hack.base.paths import ROOT
from hack.base.process import Background
from hack.base.step import Step
from hack.base.versions import tools
from hack.base.wait import UnrecoverableError, wait_for
from hack.base.yamlfile import read_yaml
from hack.release import attestations, changelog, package, signing
from hack.release import registry as oci
from hack.release.package import Package, git
from hack.release.registry import Client, Repository
from hack.release.signing import PROVENANCE, SBOM, Trust

STATEMENTS = (SBOM, PROVENANCE)
CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
STAGING_SECONDS = 20
PORT = re.compile(r"serving on port (\d+)")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
# Files that name the version, and how they write it.
VERSIONED = {
    "Chart.yaml": r"\bversion: {}(?=[\s,}}])",
    "charts/*/Chart.yaml": r"\bversion: {}(?=\s)",
    "pyproject.toml": r'^version = "{}"',
    "docs/install.md": r"{}(?![\d.])",
    "docs/mirror.md": r"{}(?![\d.])",
    "docs/own-values.md": r"\bv{}(?![\d.])",
}


def publish(
    registry: str,
    trust: Trust,
    output: Path,
    *,
    root: Path = ROOT,
    ca_file: Path | None = None,
    plain_http: bool = False,
) -> str:
    """Package a clean checkout and publish it; returns the published digest.

    Publishing once more what is published already is no error, publishing something else under its version is.
    Raises UserError, and then has made no tag in the registry.
    """
    parent = Repository.parse(registry)
    step = Step("publish")
    package.check_clean(root)
    check_git_tag(root, package.check_versions(root))
    built = package.build(output, root=root)
    if parent.path.endswith(f"/{built.name}"):
        raise UserError(f'"{registry}": the registry is the folder that holds charts, leave out "/{built.name}"')
    target = parent / built.name
    step.say(f"packaged {built.file.name}, sha256:{built.sha256}")
    with (
        oci.connect(parent.host, ca_file=ca_file, plain_http=plain_http, tools=("crane", "cosign")) as client,
        signing.public_half(client, trust) as public,
    ):
        existing = client.digest(target, built.version)
        with _staged(client, built) as (staged, digest):
            if existing is not None:
                _check_same(client, target, built.version, existing, digest, public)
                return digest
            reference = f"{target}@{digest}"
            client.crane("copy", f"{staged}@{digest}", reference, about=target)
        step.say(f"pushed {reference}, without a tag so far")
        try:
            signing.sign(client, reference, trust, _statements(built, root))
            # Read back the way a user does.
            _checked(client, reference, public)
            # The tag is the only step that could overwrite, and the steps before it took a while.
            taken = client.digest(target, built.version)
            if taken is None:
                client.crane("tag", reference, built.version, about=target)
        except UserError as error:
            raise UserError(
                f"{error}\nNot published: {target}:{built.version} does not exist. The chart lies in the registry "
                f"without a tag ({digest}); once the cause is gone the same command completes it"
            ) from None
    if taken not in (None, digest):
        raise UserError(f"{target}:{built.version} was published by somebody else meanwhile ({taken})")
    step.say(f"signed, attested, checked and tagged {target}:{built.version}")
    console.print(
        f"\ninstall:  helm install demo oci://{target} --version {built.version}\n"
        f"or:       helm install demo oci://{target}@{digest}"
    )
    return digest


def check_git_tag(root: Path, version: str) -> None:
    """Raise UserError when the commit carries the tag of another version."""
    tags = [tag for tag in git(root, "tag", "--points-at", "HEAD").split() if VERSION.fullmatch(tag.removeprefix("v"))]
    if tags and f"v{version}" not in tags:
        raise UserError(
            f"this commit has the tag {', '.join(tags)}, but Chart.yaml says {version}: tag the commit that "
            f"`python3 -m hack release bump` made, with v{version}"
        )


@contextmanager
def _staged(client: Client, built: Package) -> Iterator[tuple[str, str]]:
    """The chart as `helm push` makes it, in a registry in memory: its repository there and its digest.

    Helm would tag the version at once; from here it is copied without a tag.
    """
    command: list[str | Path] = [client.tools["crane"], "registry", "serve", "--address", "127.0.0.1:0"]
    with process.background(command) as server:
        staging = Repository(f"127.0.0.1:{_port(server)}", "")
        # Helm writes the file's time in the local time zone into the manifest.
        package.helm("push", built.file, f"oci://{staging}", "--plain-http", env={"TZ": "UTC"})
        chart = staging / built.name
        yield str(chart), client.crane("digest", f"{chart}:{built.version}", about=chart)


def _port(server: Background) -> int:
    def served() -> str:
        if server.exit_code is not None:
            raise UnrecoverableError(f"crane registry serve ended: {server.said().strip()}")
        return server.said()

    text = wait_for("crane registry serve", served, lambda said: PORT.search(said) is not None, STAGING_SECONDS, 0.02)
    return int(PORT.findall(text)[0])


def _statements(built: Package, root: Path) -> dict[str, dict[str, Any]]:
    used = {name: tools()[name] for name in ("helm", "crane", "cosign")}
    origin = process.run(["git", "-C", root, "config", "--get", "remote.origin.url"]).stdout.strip()
    return {
        SBOM: attestations.bill_of_materials(built),
        PROVENANCE: attestations.provenance(built, origin, {name: tool.version for name, tool in used.items()}),
    }


def _check_same(client: Client, target: Repository, version: str, existing: str, digest: str, public: Trust) -> None:
    if existing != digest:
        raise UserError(
            f"{target}:{version} exists already, with another content ({existing}; this checkout makes {digest}): "
            "a published version never changes, run `python3 -m hack release bump` with the next version"
        )
    _checked(client, f"{target}@{digest}", public)
    console.print(f"{target}:{version} is published already, with this very content, and signed ({digest})")


def verify(
    reference: str,
    trust: Trust,
    *,
    file: Path | None = None,
    ca_file: Path | None = None,
    plain_http: bool = False,
) -> dict[str, str]:
    """Check a published chart: signature, attestations, that they speak of its content, and that it equals a file.

    `reference` is oci://host/path/chart:version or ...@sha256:...; returns what is known of it then. Raises
    UserError when anything does not fit.
    """
    match = re.fullmatch(r"(?P<repository>.+?)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w.-]+))", reference)
    if match is None:
        raise UserError(f'"{reference}" names no version: write oci://host/path/chart:version or ...@sha256:...')
    repository = Repository.parse(match["repository"])
    with oci.connect(repository.host, ca_file=ca_file, plain_http=plain_http, tools=("crane", "cosign")) as client:
        digest = match["digest"] or client.digest(repository, match["tag"])
        if digest is None:
            raise UserError(f"{reference} does not exist")
        facts = _checked(client, f"{repository}@{digest}", trust)
    if file is not None and (sha256 := hashlib.sha256(file.read_bytes()).hexdigest()) != facts["chart"]:
        raise UserError(f"{reference} holds the chart sha256:{facts['chart']}, {file} is sha256:{sha256}")
    return {"reference": f"{repository}@{digest}", "signed by": trust.name, **facts}


def _checked(client: Client, reference: str, trust: Trust) -> dict[str, str]:
    """Signature and attestations of a digest reference, and that they speak of the chart in it."""
    found = signing.check(client, reference, trust, STATEMENTS)
    manifest = json.loads(client.crane("manifest", reference, about=Repository.parse(reference.partition("@")[0])))
    layers = [layer["digest"] for layer in manifest["layers"] if layer["mediaType"] == CHART_LAYER]
    chart = str(layers[0]).removeprefix("sha256:") if layers else "none"
    boms = [bom for bom in found[SBOM] if _at(bom, "metadata", "component", "hashes", 0, "content") == chart]
    builds = [b for b in found[PROVENANCE] if _at(b, "runDetails", "byproducts", 0, "digest", "sha256") == chart]
    if not boms or not builds:
        raise UserError(f"{reference}: its bill of materials or provenance is not of the chart sha256:{chart} in it")
    build = builds[-1]
    source = build["buildDefinition"]["resolvedDependencies"][0]
    return {
        "chart": chart,
        "commit": " ".join(filter(None, [source.get("uri", ""), source["digest"]["gitCommit"]])),
        "built by": build["runDetails"]["builder"]["id"],
        "bill of materials": f"{sum(c['type'] == 'container' for c in boms[-1]['components'])} images",
    }


def _at(document: Any, *path: str | int) -> Any:
    """What stands there; None where nothing does."""
    try:
        return functools.reduce(operator.getitem, path, document)
    except (KeyError, IndexError):
        return None


def bump(version: str, *, root: Path = ROOT, date: datetime.date | None = None) -> list[str]:
    """Write a version into every file that names it and close the changelog; returns the changed files."""
    if not VERSION.fullmatch(version):
        raise UserError(f'"{version}" is not a version: write major.minor.patch, such as 0.2.0 or 1.0.0-rc.1')
    old = str(read_yaml(root / "Chart.yaml")["version"])
    today = date or datetime.datetime.now(datetime.UTC).date()
    log_text = changelog.closed(version, today, (root / "CHANGELOG.md").read_text())
    if version.endswith(".0.0") and f"## {version.partition('.')[0]}.x" not in (root / "UPGRADING.md").read_text():
        raise UserError(f'UPGRADING.md has no section "## {version.partition(".")[0]}.x": say what users must do')
    written = {root / "CHANGELOG.md": log_text}
    for pattern, form in VERSIONED.items():
        for file in sorted(root.glob(pattern)):
            text, count = re.subn(
                form.format(re.escape(old)), lambda m: m[0].replace(old, version), file.read_text(), flags=re.MULTILINE
            )
            if not count:
                raise UserError(f"{file.relative_to(root)} does not name version {old}: set it by hand first")
            written[file] = text
    for file, text in written.items():
        file.write_text(text)
    package.helm("dependency", "update", "--skip-refresh", root)
    package.check_versions(root)
    return [*(str(file.relative_to(root)) for file in written), "Chart.lock"]
