"""Container image archives (the `docker save` format) written without a container runtime."""

import hashlib
import io
import json
import platform
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Names of a processor in images, by those of Python.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """An image of a few executables (path inside -> file here) and links (path inside -> target) on a base layer."""

    reference: str
    files: dict[str, Path] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    base: Path | None = None
    entrypoint: list[str] | None = None
    user: str = ""


def write(archive: Path, images: list[Image]) -> None:
    """Write several images of this machine's architecture into one archive that any runtime and containerd can load."""
    manifest = []
    with tarfile.open(archive, "w") as output:
        for number, image in enumerate(images):
            own = image.files or image.links
            layers = [_own_layer(archive.with_suffix(f".layer{number}"), image)] if own else []
            bases = [image.base] if image.base else []
            digests = []
            names = []
            for layer in [*bases, *layers]:
                digest = _sha256(layer)
                name = f"{digest}/layer.tar"
                if name not in output.getnames():
                    output.add(layer, name)
                digests.append(f"sha256:{digest}")
                names.append(name)
            for layer in layers:
                layer.unlink()
            config = json.dumps(_config(image, digests), sort_keys=True).encode()
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add_bytes(output, config_name, config)
            manifest.append({"Config": config_name, "RepoTags": [image.reference], "Layers": names})
        _add_bytes(output, "manifest.json", json.dumps(manifest).encode())


def _config(image: Image, layers: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {"Env": [f"PATH={PATH}"]}
    if image.entrypoint:
        config["Entrypoint"] = image.entrypoint
    if image.user:
        config["User"] = image.user
    return {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": layers},
        "history": [{"created_by": "hack.containers.archive"} for _ in layers],
    }


def _own_layer(path: Path, image: Image) -> Path:
    with tarfile.open(path, "w") as layer:
        for target, destination in image.links.items():
            link = tarfile.TarInfo(target.lstrip("/"))
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, destination, 0o777
            layer.addfile(link)
        for target, source in image.files.items():
            entry = layer.gettarinfo(source, arcname=target.lstrip("/"))
            # Equal inputs, equal layer: nothing of this machine's owners and times.
            entry.mode, entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0o755, 0, 0, 0, "", ""
            with source.open("rb") as content:
                layer.addfile(entry, content)
    return path


def _add_bytes(output: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    output.addfile(entry, io.BytesIO(content))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
