"""Container images of a test cluster, as archives in the cache that can be loaded into its nodes.

sim-runtime is always built: the Dynamo frontend and mocker, and the fake GPU plugin; so is aiperf, which the Job of the
benchmark runs, where it is asked for. The others are pulled where a registry answers; else stand-ins with the same
binaries at the same paths are built from source.
"""

import json
import platform
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from hack.base.log import UserError
from hack.base.paths import cache_dir, content_key, prune
from hack.base.step import Step
from hack.base.versions import tools, versions
from hack.containers import archive, context, roots, runtimes
from hack.containers.node_build import BUILT_NAMES, OTHER_COMMANDS
from hack.containers.runtimes import Runtime
from hack.data import aiperf, fake_gpu
from hack.data import runtime as simulated
from hack.tools import gobuild, keda

# Of Python packages, on the same base.
BUILT: dict[str, Callable[[Path, Step], None]] = {
    "sim-runtime": context.runtime,
    "sim-runtime-previous": context.previous_runtime,
    "aiperf": context.benchmark,
}
FIREWALL_PARTS = ("", "-save", "-restore")
# Never pulled: the name exists in no registry.
REPOSITORY = "docker.io/dynamo-disagg"
BASE_PACKAGES = ["ca-certificates", "libstdc++6", "python3", "usr-is-merged"]
BASE_OPTIONS = [
    # With the links of a merged /usr there from the start, no package has to bring Perl to make them.
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    # The licenses stay.
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
]


@dataclass(frozen=True)
class StandIn:
    """
    An image of a Go module's commands: the arguments of gobuild.build. `runs`: where upstream's image has its only
    command, which it starts as nobody: for manifests that give arguments alone.
    """

    module: str
    packages: list[str]
    names: dict[str, str] | None = None
    ldflags: str = ""
    tags: str = ""
    changed: Callable[[Path], None] | None = None
    runs: str = ""

    def build(self, step: Step | None = None) -> Path:
        """The folder of its commands."""
        return gobuild.build(self.module, self.packages, self.ldflags, step, self.names, self.tags, self.changed)

    def inputs(self) -> list[Path | str]:
        """What decides the content of its image."""
        built = gobuild.build_dir(self.module, self.packages, self.ldflags, self.names, self.tags, self.changed)
        return [built.name, self.runs, NOBODY, Path(archive.__file__)]


PROMETHEUS = tools()["prometheus"]
STAND_INS = {
    # The packages of the node image's build, so that both share one build.
    "etcd": StandIn("etcd", list(OTHER_COMMANDS["etcd"]), BUILT_NAMES["etcd"]),
    "nats": StandIn("nats", ["github.com/nats-io/nats-server/v2"]),
    "oauth2-proxy": StandIn("oauth2-proxy", ["github.com/oauth2-proxy/oauth2-proxy/v7"]),
    "kube-router": StandIn("kube-router", ["github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"]),
    "lws": StandIn("lws", ["sigs.k8s.io/lws/cmd"], {"cmd": "manager"}, runs="/manager"),
    "kueue": StandIn("kueue", ["sigs.k8s.io/kueue/cmd/kueue"], {"kueue": "manager"}, runs="/manager"),
    "keda": StandIn("keda", ["./cmd/operator"], ldflags=keda.LDFLAGS, changed=keda.sources, runs="/keda"),
    "keda-metrics-apiserver": StandIn(
        "keda", ["./cmd/adapter"], ldflags=keda.LDFLAGS, changed=keda.sources, runs="/keda-adapter"
    ),
    "metrics-server": StandIn(
        "metrics-server", ["sigs.k8s.io/metrics-server/cmd/metrics-server"], runs="/metrics-server"
    ),
    "kube-state-metrics": StandIn("kube-state-metrics", ["k8s.io/kube-state-metrics/v2"], runs="/kube-state-metrics"),
    # The build of the tool.
    "prometheus": StandIn(
        PROMETHEUS.module,
        [PROMETHEUS.package],
        {"prometheus": PROMETHEUS.name},
        PROMETHEUS.ldflags,
        PROMETHEUS.tags,
        runs="/bin/prometheus",
    ),
}
NOBODY = "65534"
# What kube-router calls, and what unpacking alone does not make: the links of a merged /usr, and iptables' own.
FIREWALL_PACKAGES = ["iptables", "ipset", "netbase"]
FIREWALL_LINKS = {
    **{f"/{folder}": f"usr/{folder}" for folder in ("bin", "sbin", "lib", "lib64")},
    **{f"/usr/sbin/{name}{part}": "xtables-nft-multi" for name in ("iptables", "ip6tables") for part in FIREWALL_PARTS},
}


@dataclass(frozen=True)
class Image:
    """One image: its names in the cluster and upstream, and the key of what goes into it."""

    name: str
    version: str
    pulled: str
    key: str
    # Made when it is asked for by name.
    on_demand: bool

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
    base: list[Path | str] = [*BASE_PACKAGES, *BASE_OPTIONS, *roots.UNNEEDED]
    runtime = [
        *base,
        simulated.FOLDER / "Containerfile",
        simulated.FOLDER / "requirements.txt",
        simulated.FOLDER / "model.py",
        Path(context.__file__),
        fake_gpu.PROGRAM,
        fake_gpu.PROTO,
        simulated.RENDEZVOUS,
    ]
    inputs: dict[str, list[Path | str]] = {
        "sim-runtime": runtime,
        "sim-runtime-previous": [*runtime, simulated.PREVIOUS],
        "aiperf": [
            *base,
            aiperf.FOLDER / "Containerfile",
            aiperf.FOLDER / "requirements.txt",
            simulated.FOLDER / "model.py",
            Path(context.__file__),
        ],
        **{name: image.inputs() for name, image in STAND_INS.items()},
    }
    inputs["kube-router"] += [*FIREWALL_PACKAGES, str(FIREWALL_LINKS), *roots.UNNEEDED]
    return {name: _image(name, versions()["images"][name], paths) for name, paths in inputs.items()}


def _image(name: str, entry: dict[str, Any], inputs: Sequence[Path | str]) -> Image:
    key = content_key(*inputs, str(sorted(entry.items())), platform.machine())
    demanded = bool(entry.get("on-demand"))
    return Image(name=name, version=str(entry["version"]), pulled=str(entry["pulled"]), key=key, on_demand=demanded)


def archives(names: Iterable[str] | None = None) -> list[Path]:
    """The archives of the named images (default: all that every cluster gets), building what is missing."""
    known = images()
    wanted = list(names) if names is not None else [name for name, image in known.items() if not image.on_demand]
    for name in wanted:
        if name not in known:
            raise UserError(f'unknown image "{name}": choose from {", ".join(known)}')
    missing = [name for name in wanted if not known[name].archive.exists()]
    runtime = runtimes.find() if missing else None
    for name in missing:
        assert runtime is not None
        _provide(known[name], runtime)
    return [known[name].archive for name in wanted]


def built_here(image: Image) -> bool:
    """Whether an image's archive is a stand-in, and not the published image."""
    with tarfile.open(image.archive) as file:
        (entry,) = json.load(file.extractfile("manifest.json"))  # type: ignore[arg-type]
        history = json.load(file.extractfile(entry["Config"]))["history"]  # type: ignore[arg-type]
    return bool(history[-1].get("created_by") == archive.__name__)


def _provide(image: Image, runtime: Runtime) -> None:
    image.archive.parent.mkdir(parents=True, exist_ok=True)
    # One lock for all contents of an image: they share its name in the runtime's store.
    with FileLock(image.archive.with_name(f"{image.name}.lock")):
        if image.archive.exists():
            return
        step = Step(image.name)
        with tempfile.TemporaryDirectory(dir=image.archive.parent, prefix=f".{image.name}-") as folder:
            output = Path(folder) / "image.tar"
            make: Callable[[Image, Runtime, Step, Path], str]
            make = _make_built if image.name in BUILT else _make_upstream
            how = make(image, runtime, step, output)
            # The names of some images begin with those of others.
            prune(image.archive.parent, f"{image.name}-{'?' * len(image.key)}.tar")
            output.replace(image.archive)
    step.say(f"{image.version} ready, {how}, {image.archive.stat().st_size / 1e6:.0f} MB")


def _make_upstream(image: Image, runtime: Runtime, step: Step, output: Path) -> str:
    if _pulled(image.pulled, runtime, step):
        runtime.output("tag", image.pulled, image.reference)
        _save(image.reference, runtime, step, output)
        return f"pulled as {image.pulled}"
    if platform.system() != "Linux":
        raise UserError(f"{image.pulled} cannot be pulled, and a stand-in can be built on Linux only")
    stand_in = STAND_INS[image.name]
    commands = sorted(stand_in.build(step).iterdir())
    files = {stand_in.runs or f"/usr/local/bin/{command.name}": command for command in commands}
    base, links = None, {}
    if image.name == "kube-router":
        suite = str(versions()["images"][image.name]["debian"])
        _check_debian(step)
        base, links = roots.make("firewall", suite, "extract", FIREWALL_PACKAGES), FIREWALL_LINKS
    entrypoint, user = ([stand_in.runs], NOBODY) if stand_in.runs else (None, "")
    archive.write(output, [archive.Image(image.reference, files, links, base, entrypoint, user)])
    return "built from its Go module"


def _make_built(image: Image, runtime: Runtime, step: Step, output: Path) -> str:
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        BUILT[image.name](Path(folder), step)
        base, how = image.pulled, f"on {image.pulled}"
        if not _pulled(image.pulled, runtime, step):
            base, how = f"{REPOSITORY}/base:{image.key}", "on a Debian root file system made here"
            root = _root_file_system(image, step)
            step.say("importing the root file system")
            runtime.output("import", root, base)
        # Podman's RUN in a container of its own needs rights a restricted host does not have; a chroot does not.
        # Without layers it leaves no intermediate images behind.
        options = ["--isolation", "chroot", "--layers=false"] if runtime.name == "podman" else []
        # Docker looks for a Dockerfile only.
        options += ["--file", f"{folder}/Containerfile"]
        step.run(
            [runtime.name, "build", *options, "--build-arg", f"BASE={base}", "--tag", image.reference, folder],
            f"{runtime.name} build",
            # Docker would wrap the image in an index with an attestation, which has another id.
            env={**runtime.environment, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
            observe=lambda line: line[:100] if line.startswith(("STEP", "#")) else None,
        )
    _save(image.reference, runtime, step, output)
    if base != image.pulled:
        runtime.run("image", "rm", base)
    return how


def _pulled(reference: str, runtime: Runtime, step: Step) -> bool:
    """Whether an upstream image is here, pulled now where its registry answers; where not, the reason is said."""
    if runtime.inspect_image(reference) is None:
        try:
            runtime.pull(reference, step)
        except UserError as reason:
            step.say(f"{reference}: not pulled (...{str(reason)[-70:]})")
            return False
    return True


def _save(reference: str, runtime: Runtime, step: Step, output: Path) -> None:
    """Write an image to an archive and take it out of the runtime's store, where nothing needs it."""
    step.run([runtime.name, "save", "--output", output, reference], "saving it to the cache", env=runtime.environment)
    runtime.run("image", "rm", reference)


def _root_file_system(image: Image, step: Step) -> Path:
    """A minimal Debian with Python as a tar archive, from the cache or made now."""
    _check_debian(step)
    suite = str(versions()["images"][image.name]["debian"])
    return roots.make("runtime-base", suite, "essential", BASE_PACKAGES, BASE_OPTIONS)


def _check_debian(step: Step) -> None:
    if not roots.can_make(step):
        raise UserError(
            "no container registry answers, and mmdebstrap is not installed to make a base without one: "
            "connect to a registry, or install the Debian package mmdebstrap"
        )


def loaded(name: str) -> dict[str, str]:
    """The name under which a cluster of `make cluster` has an image, as the chart's values say it."""
    registry, repository = REPOSITORY.split("/", 1)
    return {"registry": registry, "repository": f"{repository}/{name}", "tag": images()[name].version}
