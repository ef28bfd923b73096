"""Local images onto the nodes of a cluster, without a registry."""

import json
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from hack.base import process
from hack.base.log import UserError
from hack.base.step import Step
from hack.containers.runtimes import Runtime, full_name

CTR = ("ctr", "--namespace=k8s.io")


def load(runtime: Runtime, images: Iterable[str | Path], nodes: Sequence[str]) -> None:
    """Load images (names in the runtime's store, or archive files) onto nodes; a node that has one is skipped."""
    for image in images:
        with _archive(runtime, str(image)) as archive:
            _load_archive(runtime, archive, nodes)


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
def _archive(runtime: Runtime, image: str) -> Iterator[Path]:
    if os.path.isfile(image):
        yield Path(image)
        return
    name = full_name(image)
    found = runtime.inspect_image(image) or runtime.inspect_image(name)
    if found is None:
        raise UserError(
            f'image "{image}" is neither a file nor known to {runtime.name}: build it first '
            "(`make images` builds the project's own), or check the name"
        )
    with tempfile.TemporaryDirectory(prefix="image-") as folder:
        archive = Path(folder) / "image.tar"
        # The archive must carry the name the nodes will look for, which may not be the one it was built with.
        tagged = runtime.inspect_image(name) is not None
        runtime.output("tag", found["Id"], name)
        try:
            runtime.output("save", "--output", archive, name)
        finally:
            if not tagged:
                untag = ("untag", found["Id"]) if runtime.name == "podman" else ("rmi", "--no-prune")
                runtime.run(*untag, name)
        yield archive


def _load_archive(runtime: Runtime, archive: Path, nodes: Sequence[str]) -> None:
    images = archive_images(archive)
    step = Step("load")
    with ThreadPoolExecutor() as pool:
        has = dict(zip(nodes, pool.map(lambda node: _has(runtime, node, images), nodes), strict=True))
        missing = [node for node in nodes if not has[node]]
        shown = ", ".join(name.removeprefix("docker.io/") for name in images)
        if not missing:
            step.say(f"{shown}: already on {', '.join(nodes)}")
            return
        step.say(f"{shown}: {archive.stat().st_size / 1e6:.0f} MB onto {', '.join(missing)}")
        list(pool.map(lambda node: _import(runtime, node, archive), missing))
    step.say(f"{shown}: loaded")


def _import(runtime: Runtime, node: str, archive: Path) -> None:
    command = ["exec", "--interactive", node, *CTR, "images", "import", "--snapshotter=overlayfs", "-"]
    with archive.open("rb") as content:
        result = runtime.run(*command, stdin=content)
    if result.returncode != 0:
        raise UserError(f"loading {archive} onto {node} failed: {process.message(result)}")


def _has(runtime: Runtime, node: str, images: dict[str, str]) -> bool:
    """Whether a node has all these images with these ids (the digest of an image's configuration)."""
    return all(_image_id(runtime, node, name) == identifier for name, identifier in images.items())


def _image_id(runtime: Runtime, node: str, name: str) -> str | None:
    listed = runtime.run("exec", node, *CTR, "images", "list", f"name=={name}")
    if listed.returncode != 0:
        raise UserError(f"cannot list the images of {node}: {listed.stderr.strip()}")
    digests = [field for field in listed.stdout.split() if field.startswith("sha256:")]
    if not digests:
        return None
    manifest = runtime.run("exec", node, *CTR, "content", "get", digests[0])
    try:
        return str(json.loads(manifest.stdout)["config"]["digest"]).removeprefix("sha256:")
    except (ValueError, KeyError):
        # An index of several platforms has no configuration of its own: load again rather than guess.
        return None
