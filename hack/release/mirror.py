"""Copy every image that a values file makes the chart pull to a registry of your own.

With the copies made, `global.imageRegistry` set to the same registry makes a release pull from there and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.step import Step
from hack.chart.images import references
from hack.release import registry as oci


@dataclass(frozen=True)
class Copy:
    """An image as the values name it, and as a release that uses the mirror pulls it."""

    source: str
    target: str


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
        digests = _each(wanted, lambda copy: digest(client, copy.source), "not found or not readable")
        for number, copy in enumerate(wanted, start=1):
            step.say(f"{number}/{len(wanted)} {copy.source} -> {copy.target}")
            client.crane("copy", copy.source, copy.target, about=repository(copy.target), timeout=oci.COPY_SECONDS)
        copied = _each(wanted, lambda copy: digest(client, copy.target), "not in the mirror after the copy")
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


def digest(client: oci.Client, image: str) -> str:
    """What a registry has under the name of an image now. Raises RegistryError."""
    return client.crane("digest", image, about=repository(image))


def repository(image: str) -> oci.Repository:
    """Where an image is."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    host, _, path = f"{head}{slash}{last.partition(':')[0]}".partition("/")
    # Without a host an image is one of Docker Hub's.
    known = path and (set(".:") & set(host) or host == "localhost")
    return oci.Repository(host, f"/{path}") if known else oci.Repository("docker.io", f"/{host}/{path}".rstrip("/"))
