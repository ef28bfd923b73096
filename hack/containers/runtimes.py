"""The container runtime: Docker where its daemon answers, else Podman; with what a restricted host needs."""

import json
import os
import platform
import re
import resource
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from hack.base import process
from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.step import Step
from hack.containers import packages

RUNTIMES = ("docker", "podman")
# Docker before 23 asks for every capability for --privileged, also for those the host does not have.
MINIMUM_MAJOR = {"docker": 23, "podman": 4}
# Without runc Podman takes crun, whose Debian 12 version refuses a host with both cgroup versions.
PODMAN_PACKAGES = ["podman", "runc", "netavark", "aardvark-dns", "conntrack", "socat", "iptables"]
PROBE_SECONDS = 15
# A registry that has not answered by then counts as not there; the pull itself may take as long as it needs.
REGISTRY_SECONDS = 20
CAP_SYS_RESOURCE = 24
INOTIFY_INSTANCES = 8192

PROCESS_STATUS = Path("/proc/self/status")
# Exists where all control groups are of version 2; on a hybrid host they are of both.
CGROUP_V2_ONLY = Path("/sys/fs/cgroup/cgroup.controllers")
SYSTEMD_RUNS = Path("/run/systemd/system")


class UnusableError(Exception):
    """Why a runtime cannot be used."""


@dataclass(frozen=True)
class Runtime:
    """A container runtime that answers, with the environment it and kind must run in."""

    name: str
    version: str
    cgroup_v1: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    def run(
        self, *args: str | Path, stdin: str | IO[bytes] | None = None, timeout: float | None = None
    ) -> process.Done:
        """Run a runtime command and return its result, whatever its exit code."""
        environment = {**os.environ, **self.environment}
        return process.run([self.name, *args], env=environment, stdin=stdin, timeout=timeout)

    def output(self, *args: str | Path, stdin: str | None = None) -> str:
        """Run a runtime command and return what it printed; its failure is a UserError."""
        result = self.run(*args, stdin=stdin)
        if result.returncode != 0:
            shown = " ".join(map(str, args[:4]))
            raise UserError(f"{self.name} {shown} failed: {process.message(result)}")
        return result.stdout.strip()

    def pull(self, reference: str, step: Step) -> None:
        """Pull an image. Its registry is asked first: it answers quickly or never, a pull may take minutes.

        Raises UserError with the reason.
        """
        try:
            answer = self.run("manifest", "inspect", reference, timeout=REGISTRY_SECONDS)
        except process.NotFinishedError as error:
            raise UserError(f"the registry did not answer within {REGISTRY_SECONDS} s") from error
        if answer.returncode != 0:
            raise UserError(process.message(answer))
        command = [self.name, "pull", reference]
        step.run(command, f"pulling {reference}", env=self.environment, observe=lambda line: line[:100])

    def inspect_image(self, reference: str) -> dict[str, Any] | None:
        """What the runtime knows of a local image, or None when it has no such image."""
        result = self.run("image", "inspect", reference)
        if result.returncode != 0:
            return None
        found: list[dict[str, Any]] = json.loads(result.stdout)
        return found[0] if found else None

    def node_containers(self, cluster: str) -> dict[str, str]:
        """The containers of a kind cluster: name -> state ("running", "exited", ...)."""
        label = f"label=io.x-k8s.kind.cluster={cluster}"
        names = self.output("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()
        if not names:
            return {}
        lines = self.output("inspect", "--format", "{{.Name}}\t{{.State.Status}}", *names).splitlines()
        # Docker puts a slash before the names.
        return {name.lstrip("/"): status for name, status in (line.split("\t") for line in lines)}

    @property
    def kind_environment(self) -> dict[str, str]:
        """The environment in which kind uses this runtime."""
        return {**self.environment, "KIND_EXPERIMENTAL_PROVIDER": self.name}


def find(wanted: str | None = None) -> Runtime:
    """The runtime to use: the wanted one, else Docker, else Podman, else Podman installed now (Debian, root)."""
    reasons: dict[str, str] = {}
    for name in [wanted] if wanted else RUNTIMES:
        try:
            return probe(name)
        except UnusableError as reason:
            reasons[name] = str(reason)
    if wanted in (None, "podman") and shutil.which("podman") is None and packages.can_install():
        step = Step("runtime")
        step.say("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
        packages.install(step, PODMAN_PACKAGES)
        try:
            return probe("podman")
        except UnusableError as reason:
            reasons["podman"] = f"installed, but {reason}"
    listed = "".join(f"\n  {name}: {reason}" for name, reason in reasons.items())
    if wanted:
        raise UserError(
            f"the container runtime asked for cannot be used:{listed}\nLeave --runtime out to take another."
        )
    raise UserError(
        f"no usable container runtime:{listed}\n"
        "Install and start Docker 23 or newer (https://docs.docker.com/engine/install), or Podman 4 or newer "
        "(https://podman.io/docs/installation), then run this again."
    )


def all_usable() -> list[Runtime]:
    """Every runtime that answers; nothing is installed."""
    found = []
    for name in RUNTIMES:
        try:
            found.append(probe(name))
        except UnusableError:
            continue
    return found


def probe(name: str) -> Runtime:
    """The named runtime if it answers and is new enough; raises UnusableError with the reason otherwise."""
    if shutil.which(name) is None:
        raise UnusableError("not installed")
    environment = podman_environment() if name == "podman" else {}
    answer = _ask([name, "info", "--format", "{{json .}}"], environment)
    try:
        info: dict[str, Any] = json.loads(answer)
    except ValueError as error:
        raise UnusableError(f"`{name} info` gave no JSON: {answer[:200]}") from error
    if name == "docker":
        # Docker's client answers without a daemon, with the reason among the server errors.
        if errors := info.get("ServerErrors"):
            raise UnusableError(str(errors[0]))
        version = str(info.get("ServerVersion") or "")
        cgroup = str(info.get("CgroupVersion") or "")
    else:
        version = str((info.get("version") or {}).get("Version") or "")
        cgroup = str((info.get("host") or {}).get("cgroupVersion") or "")
    match = re.match(r"(\d+)\.", version)
    if not match:
        raise UnusableError(f"`{name} info` names no {name} version (it is another program's stand-in?)")
    if int(match.group(1)) < MINIMUM_MAJOR[name]:
        raise UnusableError(f"version {version} is too old, {MINIMUM_MAJOR[name]} or newer is needed")
    return Runtime(name, version, cgroup_v1=cgroup in ("1", "v1"), environment=environment)


def _ask(command: list[str], environment: dict[str, str]) -> str:
    try:
        result = process.run(command, env={**os.environ, **environment}, timeout=PROBE_SECONDS)
    except OSError as error:
        raise UnusableError(f"cannot be run: {error}") from error
    except process.NotFinishedError as error:
        raise UnusableError(str(error)) from error
    if result.returncode != 0:
        raise UnusableError(process.message(result).splitlines()[-1])
    return result.stdout


def full_name(reference: str) -> str:
    """The name Kubernetes gives an image: "a/b:1" is "docker.io/a/b:1", also if Podman built it as localhost."""
    reference = reference.removeprefix("localhost/")
    first, _, rest = reference.partition("/")
    if not rest:
        reference = f"docker.io/library/{reference}"
    elif not ("." in first or ":" in first):
        reference = f"docker.io/{reference}"
    return reference if ":" in reference.rsplit("/", 1)[-1] else f"{reference}:latest"


def podman_environment() -> dict[str, str]:
    """CONTAINERS_CONF for Podman where this host needs other settings than the defaults; else nothing."""
    settings = podman_settings()
    if not settings or "CONTAINERS_CONF" in os.environ:
        return {}
    file = ROOT / ".tools" / "containers.conf"
    if not file.exists() or file.read_text() != settings:
        file.parent.mkdir(exist_ok=True)
        file.write_text(settings)
    return {"CONTAINERS_CONF": str(file)}


def podman_settings() -> str:
    """The containers.conf this host needs, found from what it can and cannot do; empty on an ordinary host."""
    if platform.system() != "Linux" or os.geteuid() != 0:
        return ""
    containers, engine = [], []
    if not has_capability(CAP_SYS_RESOURCE):
        # Podman would raise the limits, which needs the capability; it lowers its own nproc to 32768 first.
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        processes = 32768 if hard == resource.RLIM_INFINITY else min(32768, hard)
        containers.append(f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]')
    if not CGROUP_V2_ONLY.exists() and shutil.which("runc"):
        engine.append('runtime = "runc"')
    if not SYSTEMD_RUNS.exists():
        engine.append('cgroup_manager = "cgroupfs"')
    sections = {"containers": containers, "engine": engine}
    return "\n".join(f"[{name}]\n" + "\n".join(lines) + "\n" for name, lines in sections.items() if lines)


def has_capability(number: int) -> bool:
    """Whether this process holds a Linux capability."""
    status = PROCESS_STATUS.read_text()
    match = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return match is not None and bool(int(match.group(1), 16) >> number & 1)


def prepare_host(step: Step) -> None:
    """What kind's nodes need of a Linux host and a bare one may lack; needs root, changes nothing otherwise."""
    if platform.system() != "Linux" or os.geteuid() != 0:
        return
    modules = Path("/lib/modules")
    if not modules.exists():
        # kind mounts it into every node; an empty folder will do where the kernel has no modules.
        modules.mkdir()
        step.say(f"made the empty folder {modules} (kind mounts it)")
    instances = Path("/proc/sys/fs/inotify/max_user_instances")
    if instances.exists() and int(instances.read_text()) < 512:
        # Three systemds, kubelets and containerds use more than the kernel's default of 128.
        instances.write_text(str(INOTIFY_INSTANCES))
        step.say(f"raised fs.inotify.max_user_instances to {INOTIFY_INSTANCES}, until the next boot")
