"""The Job in a cluster: made from a release's values, waited for, and its result fetched from its log."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.base import process
from hack.base.log import UserError, console
from hack.base.paths import ROOT
from hack.base.step import Step
from hack.base.wait import UnrecoverableError, wait_for
from hack.benchmark import arms
from hack.benchmark.local import MARK, failed, open_new
from hack.benchmark.results import FILE
from hack.chart.helm import Values, values_arguments
from hack.chart.manifests import merged
from hack.tools import pinned

QUESTION_SECONDS = 60
INSTALL_SECONDS = 3600


@dataclass(frozen=True)
class Place:
    """A namespace of a cluster, by the user's own kubeconfig."""

    namespace: str
    kubeconfig: Path | None = None
    context: str | None = None

    def kubectl(self, *arguments: str, stdin: str | None = None) -> process.Done:
        """One command, whatever its exit code."""
        where = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        where += [f"--context={self.context}"] if self.context else []
        return self._run("kubectl", [*where, f"--namespace={self.namespace}", *arguments], QUESTION_SECONDS, stdin)

    def helm(self, *arguments: str, timeout: float = QUESTION_SECONDS) -> process.Done:
        """One command, whatever its exit code."""
        where = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        where += [f"--kube-context={self.context}"] if self.context else []
        return self._run("helm", [*arguments, f"--namespace={self.namespace}", *where], timeout, None)

    def _run(self, tool: str, arguments: Sequence[str], timeout: float, stdin: str | None) -> process.Done:
        command: list[str | Path] = [pinned.ensure([tool])[tool], *arguments]
        return process.run(command, stdin=stdin, timeout=timeout)


def installed_values(place: Place, release: str) -> dict[str, Any]:
    """What the release was installed with. Raises UserError."""
    done = place.helm("get", "values", release, "--output=json")
    if done.returncode:
        raise UserError(f"release {release} in namespace {place.namespace} cannot be read: {process.message(done)}")
    found: dict[str, Any] = json.loads(done.stdout) or {}
    return found


def component(release: str, values: Values) -> str:
    """The name of the benchmark's objects."""
    names = values.get("global", {})
    override = names.get("nameOverride")
    return (names.get("fullnameOverride") or (f"{release}-{override}" if override else release)) + "-benchmark"


def measure(place: Place, release: str, values: Values, folder: Path, step: Step) -> None:
    """Run the Job against an installed release and write its result folder. Raises UserError."""
    open_new(folder)
    before = installed_values(place, release)
    closed = before.get("networkPolicy", {}).get("enabled") and not before.get("benchmark", {}).get("enabled")
    if closed:
        raise UserError(
            f"networkPolicy.enabled: release {release} lets no benchmark in: upgrade it with benchmark.enabled=true"
        )
    all_values = merged(before, values)
    made = arms.objects([], all_values, release, place.namespace)
    (folder / "values.yaml").write_text(yaml.safe_dump(all_values))
    job = component(release, all_values)
    # A Job cannot be changed, and an old one's log would be taken for this one's.
    _must(place.kubectl("delete", "job", job, "--ignore-not-found", "--wait"), "the last Job cannot be removed")
    _must(place.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(made)), "the Job cannot be made")
    step.say(f"Job {job} made")
    seconds = next(o for o in made if o["kind"] == "Job")["spec"]["activeDeadlineSeconds"]
    wait_for(
        f"the end of Job {job}",
        lambda: _state(place, job),
        lambda state: state[0] != "running",
        # The Job's controller may say late that it has ended.
        seconds + 120,
        2,
        show=lambda state: state[1],
        step=step,
    )
    _fetch(place, job, folder)


def fetch(place: Place, release: str, folder: Path) -> None:
    """Write the result folder of a Job that has ended; its release may be gone. Raises UserError."""
    open_new(folder)
    try:
        values = installed_values(place, release)
    except UserError:
        values = {}
    _fetch(place, component(release, values), folder)


def _fetch(place: Place, job: str, folder: Path) -> None:
    state, last = _state(place, job)
    if state == "running":
        raise UserError(f"Job {job} in namespace {place.namespace} still runs ({last}): fetch when it has ended")
    log = _must(place.kubectl("logs", f"job/{job}", "--tail=-1"), f"the log of Job {job} cannot be read")
    (folder / "job.log").write_text(log)
    lines = log.splitlines()
    results = [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
    if results:
        part = folder / f"{FILE}.part"
        part.write_text(json.dumps(json.loads(results[-1]), indent=1))
        part.rename(folder / FILE)
    if not results or state == "failed":
        console.print(f"its log: {folder / 'job.log'}")
        raise failed(lines, f"Job {job} in namespace {place.namespace}")


def _state(place: Place, job: str) -> tuple[str, str]:
    """running, complete or failed, and the last thing it said."""
    done = place.kubectl("get", "job", job, "--output=json")
    if "NotFound" in done.stderr:
        raise UnrecoverableError(f"there is no Job {job} in namespace {place.namespace}: `hack bench run` makes one")
    if done.returncode:
        raise UserError(f"Job {job} in namespace {place.namespace} cannot be read: {process.message(done)}")
    for condition in json.loads(done.stdout).get("status", {}).get("conditions", []):
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return condition["type"].lower(), condition.get("message", "")
    said = place.kubectl("logs", f"job/{job}", "--tail=1").stdout.strip()
    return "running", said or _waits(place, job)


def _waits(place: Place, job: str) -> str:
    """Why its pod does not run yet, as Kubernetes says it."""
    found = place.kubectl("get", "pods", f"--selector=job-name={job}", "--output=json").stdout
    for status in (pod.get("status", {}) for pod in json.loads(found or "{}").get("items", [])):
        refused = [item for item in status.get("conditions", []) if item["status"] == "False" and item.get("message")]
        waiting = [
            item["state"]["waiting"] for item in status.get("containerStatuses", []) if "waiting" in item["state"]
        ]
        for item in (*waiting, *refused):
            return f"{item.get('reason', '')}: {item.get('message', '')}".strip(": ")
    return "no output yet"


def _must(done: process.Done, what: str) -> str:
    if done.returncode:
        raise UserError(f"{what}: {process.message(done)}")
    return done.stdout


def refuse_present(place: Place, release: str) -> None:
    """Whoever installs and removes a release must not remove another's. Raises UserError."""
    if place.helm("status", release).returncode == 0:
        raise UserError(
            f"release {release} is in namespace {place.namespace} already, and each arm is installed and removed: name "
            "another with --release"
        )


def install(place: Place, release: str, files: Sequence[Path], values: Values, step: Step) -> None:
    """A release, until it is ready. Raises UserError."""
    enabled = merged(values, {"benchmark": {"enabled": True}})
    with values_arguments(enabled, files) as arguments:
        options = ("--wait", f"--timeout={INSTALL_SECONDS}s", "--create-namespace")
        step.say("helm install")
        done = place.helm("install", release, str(ROOT), *options, *arguments, timeout=INSTALL_SECONDS + 60)
    _must(done, f"release {release} cannot be installed")


def uninstall(place: Place, release: str, name: str) -> None:
    """With all its pods, whose GPUs the next arm needs. The benchmark's objects, of this name, are no part of it."""
    pods = "--cascade=foreground"
    place.helm("uninstall", release, "--wait", pods, "--ignore-not-found", "--timeout=600s", timeout=660)
    place.kubectl("delete", "job,service,configmap", name, "--ignore-not-found", "--wait", pods)
