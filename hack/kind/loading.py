"""Local images onto the nodes of a cluster, without a registry."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from hack.kind.engine import Engine
from hack.log import UserError
from hack.progress import Step

CTR = ("ctr", "--namespace=k8s.io")


def load(engine: Engine, images: Iterable[str | Path], nodes: Sequence[str]) -> None:
    """Load images (names in the engine's store, or archive files) onto nodes; a node that has one is skipped."""
    for image in images:
        with _archive(engine, str(image)) as archive:
            _load_archive(engine, archive, nodes)


def full_name(reference: str) -> str:
    """The name Kubernetes gives an image: "a/b:1" is "docker.io/a/b:1", also if Podman built it as localhost."""
    reference = reference.removeprefix("localhost/")
    first, _, rest = reference.partition("/")
    if not rest:
        reference = f"docker.io/library/{reference}"
    elif not ("." in first or ":" in first):
        reference = f"docker.io/{reference}"
    return reference if ":" in reference.rsplit("/", 1)[-1] else f"{reference}:latest"


def archive_images(archive: Path) -> dict[str, str]:
    """The images of an archive of `docker save` format: full name -> image id (hex)."""
    try:
        with tarfile.open(archive) as file:
            content = file.extractfile("manifest.json")
            entries = json.load(content) if content else []
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{archive} is no image archive as `docker save` or `podman save` make: {reason}") from error
    # Docker writes "a/b:1" where Podman writes "docker.io/a/b:1", the name that containerd gives both.
    return {
        full_name(tag): Path(entry["Config"]).name.removesuffix(".json")
        for entry in entries
        for tag in entry["RepoTags"] or []
    }


@contextmanager
def _archive(engine: Engine, image: str) -> Iterator[Path]:
    if os.path.isfile(image):
        yield Path(image)
        return
    name = full_name(image)
    found = engine.inspect_image(image) or engine.inspect_image(name)
    if found is None:
        raise UserError(
            f'image "{image}" is neither a file nor known to {engine.name}: build it first '
            "(`make images` builds the project's own), or check the name"
        )
    with tempfile.TemporaryDirectory(prefix="image-") as folder:
        archive = Path(folder) / "image.tar"
        # The archive must carry the name the nodes will look for, which may not be the one it was built with.
        tagged = engine.inspect_image(name) is not None
        engine.output("tag", found["Id"], name)
        try:
            engine.output("save", "--output", archive, name)
        finally:
            if not tagged:
                engine.run("untag" if engine.name == "podman" else "rmi", *_untag_arguments(engine, found["Id"], name))
        yield archive


def _untag_arguments(engine: Engine, identifier: str, name: str) -> list[str]:
    return [identifier, name] if engine.name == "podman" else ["--no-prune", name]


def _load_archive(engine: Engine, archive: Path, nodes: Sequence[str]) -> None:
    images = archive_images(archive)
    step = Step("load")
    with ThreadPoolExecutor() as pool:
        has = dict(zip(nodes, pool.map(lambda node: _has(engine, node, images), nodes), strict=True))
        missing = [node for node in nodes if not has[node]]
        shown = ", ".join(name.removeprefix("docker.io/") for name in images)
        if not missing:
            step.say(f"{shown}: already on {', '.join(nodes)}")
            return
        step.say(f"{shown}: {archive.stat().st_size / 1e6:.0f} MB onto {', '.join(missing)}")
        list(pool.map(lambda node: _import(engine, node, archive), missing))
    step.say(f"{shown}: loaded")


def _import(engine: Engine, node: str, archive: Path) -> None:
    command = [engine.name, "exec", "--interactive", node, *CTR, "images", "import", "--snapshotter=overlayfs", "-"]
    with archive.open("rb") as content:
        result = subprocess.run(command, env={**os.environ, **engine.environment}, stdin=content, capture_output=True)
    if result.returncode != 0:
        raise UserError(f"loading {archive} onto {node} failed: {result.stderr.decode(errors='replace').strip()}")


def _has(engine: Engine, node: str, images: dict[str, str]) -> bool:
    """Whether a node has all these images with these ids (the digest of an image's configuration)."""
    return all(_image_id(engine, node, name) == identifier for name, identifier in images.items())


def _image_id(engine: Engine, node: str, name: str) -> str | None:
    listed = engine.run("exec", node, *CTR, "images", "list", f"name=={name}")
    if listed.returncode != 0:
        raise UserError(f"cannot list the images of {node}: {listed.stderr.strip()}")
    digests = [field for field in listed.stdout.split() if field.startswith("sha256:")]
    if not digests:
        return None
    manifest = engine.run("exec", node, *CTR, "content", "get", digests[0])
    try:
        return str(json.loads(manifest.stdout)["config"]["digest"]).removeprefix("sha256:")
    except (ValueError, KeyError):
        # An index of several platforms has no configuration of its own: load again rather than guess.
        return None
