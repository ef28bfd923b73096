"""Container images of a test cluster, as archives in the cache that can be loaded into its nodes.

sim-runtime is always built: the Dynamo frontend and mocker, and the fake GPU plugin. etcd and nats are pulled
where a registry answers; else stand-ins with the same binaries at the same paths are built from source.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

from filelock import FileLock
from rich.table import Table

from hack import gobuild, log
from hack.containers import context, fake_gpu, runtime
from hack.kind import archive, packages
from hack.kind import engine as engines
from hack.kind.engine import Engine
from hack.kind.node_build import BUILT_NAMES, OTHER_COMMANDS
from hack.log import UserError, console
from hack.paths import cache_dir, content_key
from hack.progress import Step
from hack.versions import versions

# Never pulled: the name exists in no registry.
REPOSITORY = "docker.io/dynamo-disagg"
REGISTRY_SECONDS = 20
KEEP_SECONDS = 24 * 3600
BASE_PACKAGES = ["ca-certificates", "libstdc++6", "python3", "usr-is-merged"]
GO_COMMANDS: dict[str, tuple[list[str], dict[str, str] | None]] = {
    # The packages of the node image's build, so that both share one build.
    "etcd": (list(OTHER_COMMANDS["etcd"]), BUILT_NAMES["etcd"]),
    "nats": (["github.com/nats-io/nats-server/v2"], None),
}


@dataclass(frozen=True)
class Image:
    """One image: its names in the cluster and upstream, and the key of what goes into it."""

    name: str
    version: str
    pulled: str
    key: str

    @property
    def reference(self) -> str:
        """The full name in the cluster; `dynamo-disagg/<name>:<version>` is the same in short."""
        return f"{REPOSITORY}/{self.name}:{self.version}"

    @property
    def archive(self) -> Path:
        """Where the cache keeps (or will keep) the image: an uncompressed archive of `docker save` format."""
        return cache_dir() / "images" / f"{self.name}-{self.key}.tar"


def images() -> dict[str, Image]:
    """The images by name."""
    inputs: dict[str, list[Path]] = {
        "sim-runtime": [
            runtime.FOLDER / "Containerfile",
            runtime.FOLDER / "requirements.txt",
            runtime.FOLDER / "model.py",
            Path(context.__file__),
            fake_gpu.PROGRAM,
            fake_gpu.PROTO,
            runtime.RENDEZVOUS,
        ],
        "etcd": [gobuild.GO_MODULES / "etcd"],
        "nats": [gobuild.GO_MODULES / "nats"],
    }
    return {name: _image(name, versions()["images"][name], paths) for name, paths in inputs.items()}


def _image(name: str, entry: dict[str, Any], inputs: Sequence[Path]) -> Image:
    key = content_key(*inputs, str(sorted(entry.items())), platform.machine())
    return Image(name=name, version=str(entry["version"]), pulled=str(entry["pulled"]), key=key)


def archives(names: Iterable[str] | None = None) -> list[Path]:
    """The archives of the named images (default: all), building what is missing."""
    known = images()
    wanted = list(names) if names is not None else list(known)
    for name in wanted:
        if name not in known:
            raise UserError(f'unknown image "{name}": choose from {", ".join(known)}')
    missing = [name for name in wanted if not known[name].archive.exists()]
    engine = engines.find() if missing else None
    for name in missing:
        assert engine is not None
        _provide(known[name], engine)
    return [known[name].archive for name in wanted]


def _provide(image: Image, engine: Engine) -> None:
    image.archive.parent.mkdir(parents=True, exist_ok=True)
    # One lock for all contents of an image: they share its name in the engine's store.
    with FileLock(image.archive.with_name(f"{image.name}.lock")):
        if image.archive.exists():
            return
        step = Step(image.name)
        with tempfile.TemporaryDirectory(dir=image.archive.parent, prefix=f".{image.name}-") as folder:
            output = Path(folder) / "image.tar"
            make: Callable[[Image, Engine, Step, Path], str]
            make = _make_runtime if image.name == "sim-runtime" else _make_upstream
            how = make(image, engine, step, output)
            _prune(image)
            output.replace(image.archive)
    step.say(f"{image.version} ready, {how}, {image.archive.stat().st_size / 1e6:.0f} MB")


def _prune(image: Image) -> None:
    """Remove archives of the image's earlier content, but none another command may be loading just now."""
    for old in image.archive.parent.glob(f"{image.name}-*.tar"):
        if time.time() - old.stat().st_mtime > KEEP_SECONDS:
            old.unlink(missing_ok=True)


def _make_upstream(image: Image, engine: Engine, step: Step, output: Path) -> str:
    if _pull(image.pulled, engine, step):
        engine.output("tag", image.pulled, image.reference)
        _save(image.reference, engine, step, output)
        return f"pulled as {image.pulled}"
    if platform.system() != "Linux":
        raise UserError(f"{image.pulled} cannot be pulled, and a stand-in can be built on Linux only")
    go_packages, names = GO_COMMANDS[image.name]
    folder = gobuild.build(image.name, go_packages, step=step, names=names)
    files = {f"/usr/local/bin/{command.name}": command for command in sorted(folder.iterdir())}
    archive.write(output, [archive.Image(image.reference, files)], _architecture())
    return "built from its Go module"


def _make_runtime(image: Image, engine: Engine, step: Step, output: Path) -> str:
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        context.prepare(Path(folder), step)
        base, how = image.pulled, f"on {image.pulled}"
        if not _pull(image.pulled, engine, step):
            base, how = f"{REPOSITORY}/base:{image.key}", "on a Debian root file system made here"
            root = _root_file_system(step)
            step.say("importing the root file system")
            engine.output("import", root, base)
        # Podman's RUN in a container of its own needs rights a restricted host does not have; a chroot does not.
        # Without layers it leaves no intermediate images behind.
        options = ["--isolation", "chroot", "--layers=false"] if engine.name == "podman" else []
        # Docker looks for a Dockerfile only.
        options += ["--file", f"{folder}/Containerfile"]
        step.run(
            [engine.name, "build", *options, "--build-arg", f"BASE={base}", "--tag", image.reference, folder],
            f"{engine.name} build",
            # Docker would wrap the image in an index with an attestation, which has another id.
            env={**engine.environment, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
            observe=lambda line: line[:100] if line.startswith(("STEP", "#")) else None,
        )
    _save(image.reference, engine, step, output)
    if base != image.pulled:
        engine.run("image", "rm", base)
    return how


def _pull(reference: str, engine: Engine, step: Step) -> bool:
    """Pull an upstream image; False, with the reason said, where its registry does not answer."""
    if engine.inspect_image(reference) is not None:
        return True
    try:
        answer = engine.run("manifest", "inspect", reference, timeout=REGISTRY_SECONDS)
        said = answer.stderr.strip().splitlines() or ["it said nothing"]
        reason = "" if answer.returncode == 0 else said[-1]
    except TimeoutExpired:
        reason = f"no answer within {REGISTRY_SECONDS} s"
    if reason:
        step.say(f"{reference}: no answer from its registry (...{reason[-70:]})")
        return False
    step.run([engine.name, "pull", "--quiet", reference], f"pulling {reference}", env=engine.environment)
    return True


def _save(reference: str, engine: Engine, step: Step, output: Path) -> None:
    """Write an image to an archive and take it out of the engine's store, where nothing needs it."""
    step.run([engine.name, "save", "--output", output, reference], "saving it to the cache", env=engine.environment)
    engine.run("image", "rm", reference)


def _root_file_system(step: Step) -> Path:
    """A minimal Debian with Python as a tar archive, from the cache or made by mmdebstrap."""
    suite = str(versions()["images"]["sim-runtime"]["debian"])
    without = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale", "info")]
    options = [
        "--variant=essential",
        # With the links of a merged /usr there from the start, no package has to bring Perl to make them.
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        f"--include={','.join(BASE_PACKAGES)}",
        *without,
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        suite,
    ]
    root = cache_dir() / "debian" / f"runtime-base-{content_key(*options, platform.machine())}.tar"
    if root.exists():
        return root
    if shutil.which("mmdebstrap") is None:
        if not packages.can_install():
            raise UserError(
                "no container registry answers, and mmdebstrap is not installed to make a base without one: "
                "connect to a registry, or install the Debian package mmdebstrap"
            )
        packages.install(step, ["mmdebstrap"])
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = root.with_suffix(".part.tar")
    try:
        step.run(
            ["mmdebstrap", *options, temporary],
            f"making a Debian {suite} root file system",
            observe=lambda line: line.removeprefix("I: ") if line.startswith("I: ") else None,
        )
        temporary.replace(root)
    finally:
        temporary.unlink(missing_ok=True)
    return root


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def run(argv: Sequence[str] | None = None) -> int:
    """The command line of `python -m hack.build_images`."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.build_images",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m hack.build_images build              every image that is not in the cache\n"
        "  python -m hack.build_images build sim-runtime  only this one\n"
        "  python -m hack.build_images list",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="provide images in the cache")
    build.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(images())} (default: all)")
    commands.add_parser("list", help="show the images and their archives")
    options = parser.parse_args(argv)
    if options.command == "build":
        archives(options.names or None)
    table = Table("image", "archive", "size")
    for image in images().values():
        size = f"{image.archive.stat().st_size / 1e6:.0f} MB" if image.archive.exists() else "not built"
        table.add_row(image.reference.removeprefix("docker.io/"), image.archive.name, size)
    console.print(table)
    return 0


if __name__ == "__main__":
    log.main(run)
