"""The chart's package: only what a user needs, with computed annotations, the same bytes from the same commit."""

import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.base import process
from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml
from hack.chart import images
from hack.chart.helm import Helm
from hack.release import changelog
from hack.tools import pinned

# Every file of a chart is part of each release's Secret, 1.7 bytes for each one of the package; a Secret has 1 MiB.
MAX_BYTES = 320 * 1024
# What makes the chart render the subcharts that no scenario may use.
SUBCHARTS = (
    ["etcd.enabled=true", "global.discovery.backend=etcd"],
    ["nats.enabled=true", "global.requestPlane=nats"],
)

# Files outside these never get in; a file in one of the folders that fits no pattern stops the packaging.
FOLDERS = ("charts/", "crds/", "files/", "templates/", "values/")
ALLOWED = tuple(
    re.compile(pattern)
    for pattern in (
        r"Chart\.(yaml|lock)",
        r"values\.(yaml|schema\.json)",
        r"README\.md|LICENSE",
        r"(charts/[a-z]+/)?templates/([a-z0-9-]+/)*_?[a-z0-9-]+(\.[0-9]+)*\.(yaml|tpl|txt)",
        r"templates/NOTES\.txt",
        r"charts/[a-z]+/Chart\.yaml",
        r"charts/[a-z]+/values\.yaml",
        r"crds/[a-z0-9.]+\.yaml",
        r"files/([a-z_]+/)*[a-z0-9_-]+\.(py|sh|yaml|json)",
        r"values/([a-z]+/)?[a-z0-9-]+\.yaml",
        r"values/README\.md",
    )
)


@dataclass(frozen=True)
class Package:
    """A packaged chart and what it was made from."""

    file: Path
    version: str
    sha256: str
    commit: str
    # Seconds since 1970: the commit's time, which is also the time of every file in the package.
    timestamp: int
    metadata: dict[str, Any]
    images: tuple[str, ...]

    @property
    def name(self) -> str:
        """The chart's name."""
        return str(self.metadata["name"])


def git(root: Path, *arguments: str) -> str:
    """Output of git in a checkout; raises UserError with git's message."""
    return process.output(["git", "-C", root, *arguments], f"git {' '.join(arguments)}").rstrip("\n")


def check_clean(root: Path) -> None:
    """Raise UserError when the checkout differs from its commit, so that a package always has a commit."""
    changed = git(root, "status", "--porcelain").splitlines()
    if changed:
        shown = "\n".join(f"  {line}" for line in changed[:10]) + ("\n  ..." if len(changed) > 10 else "")
        raise UserError(
            f"{len(changed)} files differ from the commit:\n{shown}\n"
            "Commit or remove them, or add --allow-dirty (make: ALLOW_DIRTY=1) for a package of your own"
        )


def check_versions(root: Path) -> str:
    """The chart's version, which all its parts must have; raises UserError with the command that makes it so."""
    chart = read_yaml(root / "Chart.yaml")
    version = str(chart["version"])
    parts = {
        **{f"dependency {d['name']}": d["version"] for d in chart["dependencies"]},
        **{f"charts/{f.parent.name}": read_yaml(f)["version"] for f in sorted(root.glob("charts/*/Chart.yaml"))},
        **{f"Chart.lock {d['name']}": d["version"] for d in read_yaml(root / "Chart.lock")["dependencies"]},
    }
    wrong = [f"{name} has {found}" for name, found in parts.items() if found != version]
    if wrong:
        raise UserError(
            f"Chart.yaml has version {version}, but {', '.join(wrong)}: run `python3 -m hack release bump {version}`"
        )
    return version


def tracked(root: Path) -> list[str]:
    """Paths of a checkout's files that git has or would take."""
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted({f for f in listed if f and (root / f).is_file()})


def contents(root: Path) -> list[str]:
    """Paths of the files that belong in the package; raises UserError on one that no rule knows."""
    files = tracked(root)
    unknown = [f for f in files if f.startswith(FOLDERS) and not _allowed(f)]
    if unknown:
        raise UserError(
            f"no rule lets {', '.join(unknown)} into the package: move it out of {'|'.join(FOLDERS)}, "
            "or add it to ALLOWED in hack/release/package.py if every user needs it"
        )
    return [f for f in files if _allowed(f)]


def _allowed(path: str) -> bool:
    return any(pattern.fullmatch(path) for pattern in ALLOWED)


def build(output: Path, *, root: Path = ROOT, allow_dirty: bool = False) -> Package:
    """Package the chart of a checkout into a folder; the same commit gives the same bytes, wherever it is cloned.

    Raises UserError, and leaves nothing behind, when the tree is dirty, a version differs, the changelog does not
    know the version, a file is not allowed in, Helm refuses the chart, or the package is too big.
    """
    if not allow_dirty:
        check_clean(root)
    version = check_versions(root)
    changes = changelog.changes(version, (root / "CHANGELOG.md").read_text())
    timestamp = int(os.environ.get("SOURCE_DATE_EPOCH") or git(root, "log", "-1", "--format=%ct"))
    with tempfile.TemporaryDirectory(prefix="package-") as folder:
        stage = Path(folder) / "chart"
        for name in contents(root):
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, stage / name)
        needed = all_images(stage)
        metadata = read_yaml(stage / "Chart.yaml")
        metadata["annotations"] = {
            **metadata.get("annotations", {}),
            **computed_annotations(version, changes, needed, sorted(stage.glob("crds/*.yaml"))),
        }
        (stage / "Chart.yaml").write_text(yaml.safe_dump(metadata, sort_keys=False, width=1000))
        helm("package", stage, "--destination", folder)
        archive = _normalised(next(Path(folder).glob("*.tgz")), timestamp)
    if len(archive) > MAX_BYTES:
        raise UserError(f"the package has {len(archive)} bytes, the limit is {MAX_BYTES}: see what grew in it")
    output.mkdir(parents=True, exist_ok=True)
    file = output / f"{metadata['name']}-{version}.tgz"
    file.write_bytes(archive)
    # `helm push` writes this time into the manifest, whose digest must not depend on when it is run.
    os.utime(file, (timestamp, timestamp))
    sha256 = hashlib.sha256(archive).hexdigest()
    return Package(file, version, sha256, git(root, "rev-parse", "HEAD"), timestamp, metadata, tuple(needed))


def all_images(chart: Path) -> list[str]:
    """Images of the defaults, of every scenario and of the optional subcharts of a chart folder."""
    inputs: list[tuple[list[Path], list[str]]] = [([file], []) for file in sorted(chart.glob("values/*.yaml"))]
    inputs += [([], settings) for settings in ([], *SUBCHARTS)]
    pinned.ensure(["helm"])
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda given: images.references(given[0], given[1], chart=chart), inputs)
        return sorted({image for some in found for image in some})


def computed_annotations(
    version: str, changes: Sequence[changelog.Change], needed: Sequence[str], crds: Sequence[Path]
) -> dict[str, str]:
    """What Artifact Hub shows of a version, computed so that it cannot be out of date."""
    result = {
        "artifacthub.io/changes": _dump([{"kind": c.kind, "description": c.description} for c in changes]),
        "artifacthub.io/images": _dump([{"name": image_name(image), "image": image} for image in needed]),
        "artifacthub.io/prerelease": "true" if "-" in version else "false",
        "artifacthub.io/containsSecurityUpdates": "true" if any(c.kind == "security" for c in changes) else "false",
    }
    if crds:
        result["artifacthub.io/crds"] = _dump([_crd_entry(read_yaml(file)) for file in crds])
    return result


def image_name(image: str) -> str:
    """The last part of an image's repository, such as vllm-runtime."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _crd_entry(crd: dict[str, Any]) -> dict[str, str]:
    spec = crd["spec"]
    version = next(v for v in spec["versions"] if v["storage"])
    kind = spec["names"]["kind"]
    description = version["schema"]["openAPIV3Schema"].get("description") or f"{kind} of {spec['group']}"
    return {
        "kind": kind,
        "version": version["name"],
        "name": crd["metadata"]["name"],
        "displayName": re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind),
        "description": description,
    }


def helm(command: str, *arguments: Path | str, env: Mapping[str, str] | None = None) -> str:
    """Output of the pinned Helm; raises UserError with Helm's message."""
    pinned.ensure(["helm"])
    done = Helm().attempt(command, *map(str, arguments), env=env)
    if done.code:
        raise UserError(f"helm {command}: {done.stderr.strip()}")
    return done.stdout


def _normalised(archive: Path, timestamp: int) -> bytes:
    """The files of a chart archive, sorted, with one time, owner and mode: Helm orders subcharts by chance."""
    buffer = io.BytesIO()
    with (
        tarfile.open(archive) as source,
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", compresslevel=9, mtime=timestamp) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as target,
    ):
        for name in sorted(source.getnames()):
            content = source.extractfile(name)
            assert content is not None, f"{name} is not a file"
            data = content.read()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), timestamp, 0o644
            target.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _dump(entries: Sequence[dict[str, str]]) -> str:
    return yaml.safe_dump(list(entries), sort_keys=False, width=1000)
