"""Rendering the chart for tests, each combination of inputs once.

Helm's own engine renders, in a process that stays (renderer.py); tests/policy/test_versions.py and
tests/schema/test_mistakes.py compare it with the binaries.
"""

import functools
import json
import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hack.base.paths import ROOT, cache_dir, content_key
from hack.base.yamlfile import parse_all, read_yaml
from hack.chart import kubeschema
from hack.chart.helm import Helm, HelmError, HelmResult, Values, values_arguments
from hack.chart.manifests import Manifests, Object, merged
from hack.chart.renderer import KUBE_VERSION, Renderer
from hack.schema import kubernetes as openapi
from hack.tools.gobuild import GO_MODULES

CHART_PARTS = (
    "Chart.yaml",
    "Chart.lock",
    ".helmignore",
    "values.yaml",
    "values.schema.json",
    "charts",
    "crds",
    "files",
    "templates",
)
# Folders of rendered results, one for each state of the chart; more would only fill the disk.
KEPT_STATES = 8


# The type of render(), for tests that get it as a fixture.
Render = Callable[..., Manifests]


class InvalidObjectsError(AssertionError):
    """The chart rendered objects that Kubernetes would refuse."""


@dataclass(frozen=True)
class _Rendered:
    argv: Sequence[str]
    code: int
    stderr: str
    # JSON: reading it again is the fastest copy.
    objects: str
    notes: str
    problems: Sequence[str]


_memory: dict[str, _Rendered] = {}


@functools.cache
def engine(helm: str = "helm", kube_version: str = KUBE_VERSION) -> Renderer:
    """The process that renders the chart as it was when this process first looked at it."""
    _, before = state()
    renderer = Renderer(ROOT, helm, kube_version)
    # Its first answer comes after it has read the chart.
    renderer({})
    if _signature() != before:
        raise RuntimeError(f"{ROOT} changed since these tests began: run them again")
    return renderer


@functools.cache
def state() -> tuple[str, tuple[Any, ...]]:
    """A key of all that a render depends on beside its inputs, and a signature of the chart: once for a process."""
    signature = _signature()
    parts = [path for name in CHART_PARTS if (path := ROOT / name).exists()]
    return content_key(*parts, openapi.FOLDER, kubeschema.CUSTOM_RESOURCES, GO_MODULES / "render"), signature


def attempt(
    values: Values | None = None,
    files: Sequence[Path | str] = (),
    *,
    release: str = "demo",
    namespace: str = "default",
    helm: str = "helm",
    binary: bool = False,
    kube_version: str = KUBE_VERSION,
) -> tuple[HelmResult, Manifests]:
    """As render(), but a refusal is a result too: its exit code is not 0 and there are no objects.

    `helm` is helm or helm3: its engine, or the binary of that name.
    Raises InvalidObjectsError when an object does not fit the schema of its kind.
    """
    rendered = _rendered(values or {}, files, release, namespace, helm, binary, kube_version)
    if rendered.problems:
        lines = "\n".join(rendered.problems)
        raise InvalidObjectsError(f"{' '.join(rendered.argv)}\n{lines}")
    result = HelmResult(tuple(rendered.argv), rendered.code, "", rendered.stderr)
    return result, Manifests(json.loads(rendered.objects))


def render(values: Values | None = None, files: Sequence[Path | str] = (), **options: Any) -> Manifests:
    """The objects `helm template` makes of values files (relative to the root) and then values.

    Raises HelmError, with the command and the values, when Helm refuses.
    """
    result, manifests = attempt(values, files, **options)
    if result.code:
        raise HelmError(result, values)
    return manifests


def notes(values: Values | None = None, files: Sequence[Path | str] = (), release: str = "demo") -> str:
    """What an installation would print: the rendered NOTES.txt."""
    return _rendered(values or {}, files, release).notes


def _rendered(
    values: Values,
    files: Sequence[Path | str],
    release: str,
    namespace: str = "default",
    helm: str = "helm",
    binary: bool = False,
    kube_version: str = KUBE_VERSION,
) -> _Rendered:
    paths = [ROOT / f for f in files]
    who = [helm, kube_version, binary and Helm(helm).version]
    key = content_key(json.dumps([values, release, namespace, *who], sort_keys=True), *paths)
    if key not in _memory:
        file = cache_dir() / "render" / state()[0] / f"{key}.json"
        known = _load(file)
        if known is None:
            run = _by_binary if binary else _by_engine
            known = run(values, paths, release, namespace, helm, kube_version)
            # A chart that changed while a binary read it must not be remembered under either state.
            if not binary or _signature() == state()[1]:
                _write(file, json.dumps(asdict(known)))
        _memory[key] = known
    return _memory[key]


def _signature() -> tuple[Any, ...]:
    """What changes when a file of the chart does."""
    paths = [str(ROOT / name) for name in CHART_PARTS]
    paths += [os.path.join(folder, file) for part in paths for folder, _, files in os.walk(part) for file in files]
    return tuple((path, (s := os.stat(path)).st_size, s.st_mtime_ns) for path in paths if os.path.exists(path))


def _by_binary(
    values: Values, files: Sequence[Path], release: str, namespace: str, helm: str, kube_version: str
) -> _Rendered:
    flags = ("--namespace", namespace, "--kube-version", kube_version)
    with values_arguments(values, files) as arguments:
        result = Helm(helm).attempt("template", release, str(ROOT), *flags, *arguments)
    return _judged(result, parse_all(result.stdout) if not result.code else [], "")


def _by_engine(
    values: Values, files: Sequence[Path], release: str, namespace: str, helm: str, kube_version: str
) -> _Rendered:
    together = merged(*map(read_yaml, files), values)
    outcome = engine(helm, kube_version)(together, release=release, namespace=namespace)
    # The command that does the same, for whoever reads of an error.
    arguments = [part for file in files for part in ("--values", str(file))]
    argv = (helm, "template", release, str(ROOT), "--namespace", namespace, "--kube-version", kube_version, *arguments)
    error = outcome.error and f"Error: {outcome.error}"
    return _judged(HelmResult(argv, int(bool(error)), "", error), outcome.manifests, outcome.notes)


def _judged(result: HelmResult, objects: Sequence[Object], notes: str) -> _Rendered:
    problems = kubeschema.problems(*objects)
    return _Rendered(result.argv, result.code, result.stderr, json.dumps(objects), notes, problems)


def _load(file: Path) -> _Rendered | None:
    try:
        return _Rendered(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(file: Path, text: str) -> None:
    folder = file.parent
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted((p for p in folder.parent.iterdir() if p != folder), key=_changed, reverse=True)
        for old in others[KEPT_STATES - 1 :]:
            shutil.rmtree(old, ignore_errors=True)
    # Written aside and renamed: another process sees a whole entry or none.
    part = folder / f"{file.name}.{uuid.uuid4().hex}.part"
    part.write_text(text)
    part.rename(file)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
