"""An own node image, for machines where no registry answers: Debian packages and Go modules, nothing pulled."""

import os
import platform
import shutil
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from hack.base.log import UserError
from hack.base.paths import ROOT, cache_dir, content_key, prune
from hack.base.step import Step, stop_all_on_failure
from hack.base.versions import versions
from hack.containers import archive, roots
from hack.containers.runtimes import Runtime
from hack.tools import gobuild

NODE_FILES = ROOT / "hack" / "data" / "node"
LABEL = "dynamo-disagg.node-image"
NAME = "localhost/dynamo-disagg/node"

KUBERNETES_COMMANDS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubeadm",
    "kubelet",
    "kubectl",
)
# Modules of hack/data/go beside Kubernetes: package -> file name of its command.
OTHER_COMMANDS = {
    "etcd": {"go.etcd.io/etcd/server/v3": "etcd", "go.etcd.io/etcd/etcdctl/v3": "etcdctl"},
    "coredns": {".": "coredns"},
    "local-path-provisioner": {"github.com/rancher/local-path-provisioner": "local-path-provisioner"},
    "pause": {".": "pause"},
}
BUILT_NAMES = {"etcd": {"server": "etcd"}}

NODE_PACKAGES = [
    *("bash", "ca-certificates", "curl", "dbus", "e2fsprogs", "hostname", "jq", "procps", "socat"),
    *("containerd", "containernetworking-plugins", "runc"),
    *("conntrack", "ethtool", "iproute2", "iptables", "nftables"),
    *("kmod", "mount", "systemd", "systemd-sysv", "util-linux"),
]
# What kube-proxy and the volume helper call: nft, and a shell. Without netbase's /etc/protocols nft prints numbers for
# tcp and udp; kube-proxy then takes its own rules for leftovers of others at its next full sync, and deletes them.
USERLAND_PACKAGES = ["nftables", "netbase", "conntrack", "busybox-static"]
# What unpacking alone does not make: the links of a merged /usr, and busybox under the names that are called.
USERLAND_LINKS = {
    **{f"/{folder}": f"usr/{folder}" for folder in ("bin", "sbin", "lib", "lib64")},
    **{f"/usr/bin/{name}": "busybox" for name in ("sh", "mkdir", "rm", "ls", "cat")},
}


@dataclass(frozen=True)
class _Parts:
    """Everything the image is put together from."""

    commands: dict[str, Path]
    root: Path
    userland: Path


def key() -> str:
    """The content key of the node image: all that goes into it."""
    modules = [gobuild.GO_MODULES / name for name in ("kubernetes", *OTHER_COMMANDS)]
    settings = f"{versions()['kubernetes']}{versions()['node-image']}{NODE_PACKAGES}{USERLAND_PACKAGES}"
    code = [Path(__file__), Path(archive.__file__), Path(roots.__file__)]
    return content_key(NODE_FILES, *modules, *code, settings, platform.machine())


def reference() -> str:
    """The name of the own node image with its content key."""
    return f"{NAME}:v{versions()['kubernetes']['version']}-{key()}"


def cached_archive() -> Path:
    """Where the cache keeps (or will keep) the archive of the own node image."""
    return cache_dir() / "node-image" / f"{key()}.tar"


def build(runtime: Runtime, step: Step) -> None:
    """Build the own node image into the runtime's store, and keep its archive in the cache."""
    _check_host(step)
    cached_archive().parent.mkdir(parents=True, exist_ok=True)
    with FileLock(cached_archive().with_suffix(".lock")):
        if cached_archive().exists():
            load(runtime, step)
            return
        parts = _parts()
        with tempfile.TemporaryDirectory(prefix="node-", dir=cache_dir()) as folder:
            _assemble(runtime, step, parts, Path(folder))
            _save(runtime, step)
        _prune(runtime)


def load(runtime: Runtime, step: Step) -> None:
    """Load the cached archive into the runtime's store."""
    step.run(
        [runtime.name, "load", "--quiet", "--input", cached_archive()],
        "loading the cached node image",
        env=runtime.environment,
    )


def _check_host(step: Step) -> None:
    missing = []
    if platform.system() != "Linux":
        missing.append("Linux")
    elif os.geteuid() != 0:
        missing.append("root (to make a Debian root file system)")
    if shutil.which("go") is None:
        missing.append("Go 1.26 or newer")
    if not roots.can_make(step):
        missing.append("mmdebstrap (a Debian package)")
    if missing:
        raise UserError(
            f"no registry answers for {versions()['node-image']['pulled']}, and a node image cannot be built "
            f"here without {', '.join(missing)}. Add what is missing, connect to the registry, or give a local "
            "image with --image."
        )


def _parts() -> _Parts:
    """Compile and download side by side: the one needs processors, the other the network."""
    with ThreadPoolExecutor(max_workers=2) as pool, stop_all_on_failure():
        debian = pool.submit(_debian_roots)
        commands = pool.submit(_commands)
        both: list[Future[Any]] = [debian, commands]
        for finished in as_completed(both):
            finished.result()
        return _Parts(commands.result(), *debian.result())


def _commands() -> dict[str, Path]:
    """Every command of the node, name -> executable. One after the other: they share compiled packages."""
    kubernetes = [f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES_COMMANDS]
    folder = gobuild.build("kubernetes", kubernetes, str(versions()["kubernetes"]["ldflags"]))
    commands = {name: folder / name for name in KUBERNETES_COMMANDS}
    for module, built in OTHER_COMMANDS.items():
        folder = gobuild.build(module, list(built), names=BUILT_NAMES.get(module))
        commands |= {name: folder / name for name in built.values()}
    return commands


def _debian_roots() -> tuple[Path, Path]:
    suite = str(versions()["node-image"]["debian"])
    root = roots.make("node-root", suite, "minbase", NODE_PACKAGES)
    # Only unpacked, nothing is configured: no package manager, no shell but busybox.
    return root, roots.make("userland", suite, "extract", USERLAND_PACKAGES)


def _pod_images(parts: _Parts) -> list[archive.Image]:
    """What `kubeadm config images list` names, and the storage add-on."""
    version = f"v{versions()['kubernetes']['version']}"
    pins = versions()["node-image"]
    commands = parts.commands
    images = [
        archive.Image(f"registry.k8s.io/{name}:{version}", {f"/usr/local/bin/{name}": commands[name]})
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ]
    return [
        *images,
        archive.Image(
            f"registry.k8s.io/kube-proxy:{version}",
            {"/usr/local/bin/kube-proxy": commands["kube-proxy"]},
            USERLAND_LINKS,
            base=parts.userland,
        ),
        archive.Image(
            f"registry.k8s.io/etcd:{pins['etcd']}-0",
            {f"/usr/local/bin/{name}": commands[name] for name in ("etcd", "etcdctl")},
        ),
        archive.Image(
            f"registry.k8s.io/coredns/coredns:v{pins['coredns']}",
            {"/coredns": commands["coredns"]},
            entrypoint=["/coredns"],
        ),
        archive.Image(
            f"registry.k8s.io/pause:{pins['pause']}",
            {"/pause": commands["pause"]},
            entrypoint=["/pause"],
            user="65535:65535",
        ),
        archive.Image(
            "docker.io/dynamo-disagg/local-path-provisioner:local",
            {"/usr/local/bin/local-path-provisioner": commands["local-path-provisioner"]},
            entrypoint=["/usr/local/bin/local-path-provisioner"],
        ),
        archive.Image("docker.io/dynamo-disagg/node-userland:local", links=USERLAND_LINKS, base=parts.userland),
    ]


def _assemble(runtime: Runtime, step: Step, parts: _Parts, context: Path) -> None:
    step.say("putting the node image together")
    shutil.copytree(NODE_FILES, context, dirs_exist_ok=True)
    os.link(parts.root, context / "rootfs.tar")
    (context / "bin").mkdir()
    for name in ("kubeadm", "kubelet", "kubectl"):
        shutil.copy2(parts.commands[name], context / "bin" / name)
    archive.write(context / "images.tar", _pod_images(parts))
    # Podman's RUN in a container of its own needs rights a restricted host does not have; a chroot does not.
    isolation = ["--isolation", "chroot"] if runtime.name == "podman" else []
    arguments = ["--build-arg", f"VERSION={versions()['kubernetes']['version']}", "--build-arg", f"KEY={key()}"]
    containerfile = str(context / "Containerfile")
    # Podman's layer cache does not see that a file mounted for RUN (images.tar) has changed.
    build = [runtime.name, "build", "--no-cache", *isolation, *arguments]
    step.run(
        [*build, "--file", containerfile, "--tag", reference(), str(context)],
        f"{runtime.name} build",
        env=runtime.environment,
        observe=lambda line: line[:100] if line.startswith(("STEP", "#")) else None,
    )


def _save(runtime: Runtime, step: Step) -> None:
    temporary = cached_archive().with_suffix(".part")
    try:
        step.run(
            [runtime.name, "save", "--output", temporary, reference()],
            "saving the node image to the cache",
            env=runtime.environment,
        )
        temporary.rename(cached_archive())
    finally:
        temporary.unlink(missing_ok=True)


def _prune(runtime: Runtime) -> None:
    """Remove what earlier contents of the image left, a gigabyte each. Images in use stay, or with their archives."""
    folder = cached_archive().parent
    prune(folder, "*.tar")
    for old_reference in runtime.output("images", "--format", "{{.Repository}}:{{.Tag}}", NAME).split():
        if not (folder / f"{old_reference.rpartition('-')[2]}.tar").exists():
            runtime.run("image", "rm", old_reference)
