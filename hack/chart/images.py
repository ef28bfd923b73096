"""Every image that some values make the chart pull.

The list comes from rendering the chart, hooks and tests included, so it is what a release really pulls.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hack.base.paths import ROOT
from hack.base.versions import versions
from hack.chart.objects import rendered


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
