"""Rendering the chart with the real Helm, each combination of inputs once."""

from __future__ import annotations

import copy
import json
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack import openapi
from hack.paths import ROOT, cache_dir, content_key
from hack.versions import versions
from tests.harness import kubeschema
from tests.harness.helm import Helm, HelmError, HelmResult, Values, values_arguments
from tests.harness.manifests import Manifests

KUBE_VERSION = str(versions()["kubernetes"]["version"])
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


class InvalidObjectsError(AssertionError):
    """The chart rendered objects that Kubernetes would refuse."""


@dataclass(frozen=True)
class _Rendered:
    result: HelmResult
    objects: list[dict[str, Any]]
    problems: list[str]


_memory: dict[str, _Rendered] = {}
_state: tuple[str, str] = ("", "")


def chart_key() -> str:
    """A key of the chart's content, recomputed only when a file's size or time changed."""
    global _state
    parts = [path for name in CHART_PARTS if (path := ROOT / name).exists()]
    files = [f for part in parts for f in ([part] if part.is_file() else sorted(part.rglob("*")))]
    stats = [(str(f), s.st_size, s.st_mtime_ns) for f in files if (s := f.stat())]
    signature = json.dumps(stats)
    if _state[0] != signature:
        _state = (signature, content_key(*parts))
    return _state[1]


def attempt(
    values: Values | None = None,
    files: Sequence[Path | str] = (),
    *,
    release: str = "demo",
    namespace: str = "default",
    helm: str = "helm",
    kube_version: str = KUBE_VERSION,
    api_versions: Sequence[str] = (),
    show_crds: bool = False,
) -> tuple[HelmResult, Manifests]:
    """As render(), but a refusal is a result too: its exit code is not 0 and there are no objects.

    Raises InvalidObjectsError when an object does not fit the schema of its kind.
    """
    binary = Helm(helm)
    paths = [ROOT / f for f in files]
    flags = [
        *("--namespace", namespace),
        *("--kube-version", kube_version),
        *(part for version in api_versions for part in ("--api-versions", version)),
        *(["--include-crds"] if show_crds else []),
    ]
    state = chart_key()
    key = content_key(
        state,
        openapi.FOLDER,
        *paths,
        json.dumps(values or {}, sort_keys=True),
        json.dumps([release, flags]),
        binary.version,
    )
    folder = cache_dir() / "render" / state
    if key not in _memory:
        _memory[key] = _load(folder / f"{key}.json") or _run(binary, release, flags, values, paths)
        # A chart that changed while Helm read it must not be remembered under either state.
        if chart_key() == state:
            _store(folder, key, _memory[key])
        else:
            return _checked(_memory.pop(key))
    return _checked(_memory[key])


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
    paths, state = [ROOT / f for f in files], chart_key()
    key = content_key(state, *paths, json.dumps(values or {}, sort_keys=True), release, Helm().version, "notes")
    known = cache_dir() / "render" / state / f"{key}.txt"
    if known.exists():
        return known.read_text()
    with values_arguments(values, paths) as arguments:
        result = Helm().run(
            "install",
            release,
            str(ROOT),
            "--namespace",
            "default",
            "--dry-run=client",
            *arguments,
            values=values,
        )
    text = result.stdout.partition("\nNOTES:\n")[2]
    if chart_key() == state:
        _write(known, text)
    return text


def _checked(rendered: _Rendered) -> tuple[HelmResult, Manifests]:
    if rendered.problems:
        lines = "\n".join(rendered.problems)
        raise InvalidObjectsError(f"{' '.join(rendered.result.argv)}\n{lines}")
    return rendered.result, Manifests(copy.deepcopy(rendered.objects))


def _run(binary: Helm, release: str, flags: list[str], values: Values | None, files: Sequence[Path]) -> _Rendered:
    with values_arguments(values, files) as arguments:
        result = binary.attempt("template", release, str(ROOT), *flags, *arguments)
    documents = yaml.load_all(result.stdout, Loader=yaml.CSafeLoader) if not result.code else ()
    objects = [document for document in documents if document]
    return _Rendered(result, objects, [line for item in objects for line in kubeschema.problems(item)])


def _load(file: Path) -> _Rendered | None:
    try:
        entry = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    result = HelmResult(tuple(entry["argv"]), entry["code"], "", entry["stderr"])
    return _Rendered(result, entry["objects"], entry["problems"])


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


def _store(folder: Path, key: str, rendered: _Rendered) -> None:
    entry = {
        "argv": rendered.result.argv,
        "code": rendered.result.code,
        "stderr": rendered.result.stderr,
        "objects": rendered.objects,
        "problems": rendered.problems,
    }
    _write(folder / f"{key}.json", json.dumps(entry))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
