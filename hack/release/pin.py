"""Write the digests of every image that a values file makes the chart pull, as a second values file to lay over it.

The digests are what the registries answer now. Whoever moves a tag later changes nothing in a release with both files.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml
from hack.chart.images import references
from hack.chart.manifests import merged, nested
from hack.release import registry as oci
from hack.release.mirror import digest, repository
from hack.schema import valueschema


def places(files: Sequence[Path | str], settings: Sequence[str], chart: Path = ROOT) -> dict[str, str]:
    """Which value pins which image: path of a digest -> the image that is pulled without it. None for pinned ones."""
    values = merged(*(read_yaml(Path(file)) for file in (ROOT / "values.yaml", *files)))
    paths = [node.path[:-1] for node in valueschema.leaves() if node.path[-2:] == ("image", "digest")]
    # A block that names no image of its own follows another, and its digest too.
    own = [p for p in paths if _names_an_image(_at(values, p)) or p == ("global", "engine", "image")]
    marks = {f"sha256:{number:064x}": ".".join((*path, "digest")) for number, path in enumerate(own)}
    marked = [f"{path}={mark}" for mark, path in marks.items() if not _at(values, path.split("."))]
    before = references(files, settings, chart=chart)
    after = references(files, [*settings, *marked], chart=chart)
    found = {}
    for image, pinned in zip(before, after, strict=True):
        mark = pinned.rpartition("@")[2]
        if mark in marks:
            found[marks[mark]] = image
    return found


def pins(
    files: Sequence[Path | str],
    settings: Sequence[str] = (),
    *,
    login: str = "",
    ca_file: Path | None = None,
    plain_http: bool = False,
    chart: Path = ROOT,
) -> dict[str, Any]:
    """The values that pin the images. Raises UserError that names every image whose registry gives no digest.

    `login` is the host that REGISTRY_USERNAME and REGISTRY_PASSWORD are of.
    """
    found = places(files, settings, chart)
    values: dict[str, Any] = {}
    failed = []
    hosts = sorted({repository(image).host for image in found.values()})
    # Never guessed, not even where there is one: the variables may be there for a registry of the user's own.
    if hosts and os.environ.get("REGISTRY_USERNAME") and login not in hosts:
        raise UserError(
            "whose login are REGISTRY_USERNAME and REGISTRY_PASSWORD? Give the registry (--login, make: LOGIN=), one "
            f"of {', '.join(hosts)}{f', not {login}' if login else ''}; or unset both"
        )
    with oci.connect(login, ca_file=ca_file, plain_http=plain_http) as client:
        for path, image in sorted(found.items()):
            try:
                values = merged(values, nested(path, digest(client, image)))
            except oci.RegistryError as error:
                failed.append(f"  {image} ({path}): {error}")
    if failed:
        raise UserError("no digest of:\n" + "\n".join(failed))
    return values


def written(values: Mapping[str, Any], images: Mapping[str, str]) -> str:
    """The text of the values file."""
    lines = [f"#   {path}: {image}" for path, image in sorted(images.items())]
    head = "# Digests of the images below, to be laid over the values they were made from.\n"
    return head + "\n".join(lines) + "\n" + yaml.safe_dump(dict(values), sort_keys=True)


def _at(values: Any, path: Sequence[str]) -> Any:
    for key in path:
        values = (values or {}).get(key)
    return values


def _names_an_image(image: Any) -> bool:
    return bool(image and (image.get("repository") or image.get("tag")))
