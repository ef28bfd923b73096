"""What happens to a release: planned changes, by Kubernetes' and Helm's own commands, and single faults."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hack.base.wait import pause, wait_for
from hack.chart.helm import Values
from hack.chart.manifests import merged, nested
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.containers.build_images import loaded
from hack.reliability import faults

# Less than a command of Helm may take.
SETTLED_SECONDS = 330
COMPONENTS = ("frontend", "prefill", "decode")


@dataclass
class Subject:
    """A release, and the values that it has."""

    release: Release
    values: Values

    @property
    def kube(self) -> Kube:
        """Its cluster."""
        return self.release.kube

    def upgrade(self, change: Values) -> None:
        """`helm upgrade` with a change that stays."""
        self.values = merged(self.values, change)
        self.release.install(self.values, timeout=SETTLED_SECONDS)

    def pods(self, component: str) -> list[str]:
        """Names of the pods of a component that are not on their way out."""
        found = self.kube.pods(self.release.namespace, instance=self.release.name, component=component)
        return [pod.metadata.name for pod in found if not pod.metadata.deletion_timestamp]

    def delete(self, component: str, *options: str) -> None:
        """Delete one of its pods."""
        self.kube.kubectl(
            "--namespace", self.release.namespace, "delete", "pod", self.pods(component)[0], "--wait=false", *options
        )

    def settle(self) -> None:
        """Wait until the wanted pods are ready and no other is left."""
        wanted = {name: self.values[name].get("replicas", 1) for name in (*COMPONENTS, "etcd") if name in self.values}
        wait_for(
            f"{wanted} pods are ready", lambda: self._ready(wanted), lambda seen: seen == wanted, SETTLED_SECONDS, 1
        )

    def _ready(self, components: Iterable[str]) -> dict[str, int]:
        """Ready pods of each component; -1 while one is on its way out."""
        counts = {}
        for component in components:
            pods = self.kube.pods(self.release.namespace, instance=self.release.name, component=component)
            leaving = any(pod.metadata.deletion_timestamp for pod in pods)
            ready = [c for pod in pods for c in pod.status.conditions or [] if (c.type, c.status) == ("Ready", "True")]
            counts[component] = -1 if leaving else len(ready)
        return counts


def _stamp(component: str) -> Values:
    """A change of the pods that changes nothing they do."""
    return {component: {"env": {"STAMP": str(time.time_ns())}}}


def _scale(component: str) -> Callable[[Subject], None]:
    def act(subject: Subject) -> None:
        for replicas in (3, 2):
            subject.upgrade({component: {"replicas": replicas}})

    return act


def _drain(subject: Subject) -> None:
    """The node of a decode worker."""
    namespace, name = subject.release.namespace, subject.pods("decode")[0]
    node = subject.kube.core.read_namespaced_pod(name, namespace).spec.node_name
    subject.kube.kubectl("cordon", node)
    try:
        for pod in subject.kube.core.list_namespaced_pod(namespace, field_selector=f"spec.nodeName={node}").items:
            if (pod.metadata.labels or {}).get("app.kubernetes.io/component") in COMPONENTS:
                subject.kube.kubectl("--namespace", namespace, "delete", "pod", pod.metadata.name, "--wait=false")
                subject.settle()
    finally:
        subject.kube.kubectl("uncordon", node)


def _twice(subject: Subject) -> None:
    """All pods anew, and again while that is under way."""
    for seconds in (4, 0):
        for component in COMPONENTS:
            subject.values = merged(subject.values, _stamp(component))
        subject.release.install(subject.values, wait=not seconds, timeout=SETTLED_SECONDS)
        pause(seconds)


def _missing_image(subject: Subject) -> None:
    """A tag that no registry has, and back."""
    change = merged(subject.values, nested("global.simulation.image.tag", "1.6.1-missing"))
    subject.release.install(change, wait=False)
    pause(10)
    done = subject.release.attempt("rollback", subject.release.name, "--wait", f"--timeout={SETTLED_SECONDS}s")
    assert done.code == 0, done.stderr


def _kubectl_scale(subject: Subject) -> None:
    """By hand, and then an upgrade with the number in the values, as docs/runbook.md says."""
    namespace, name = subject.release.namespace, f"{subject.release.name}-decode"
    subject.kube.kubectl("--namespace", namespace, "scale", "deployment", name, "--replicas=3")
    subject.values = merged(subject.values, {"decode": {"replicas": 3}})
    subject.settle()
    options = ["--force-conflicts"]
    subject.release.install(subject.values, timeout=SETTLED_SECONDS, options=options)
    subject.values = merged(subject.values, {"decode": {"replicas": 2}})
    subject.release.install(subject.values, timeout=SETTLED_SECONDS, options=options)


def _rollback(subject: Subject) -> None:
    """A generation, and back in the middle of its rollout."""
    change = merged(subject.values, nested("global.engine.args", {"dtype": "bfloat16"}))
    subject.release.install(change, wait=False)
    pause(5)
    done = subject.release.attempt("rollback", subject.release.name, "--wait", f"--timeout={SETTLED_SECONDS}s")
    assert done.code == 0, done.stderr


def _delete(component: str, *options: str) -> Callable[[Subject], None]:
    return lambda subject: subject.delete(component, *options)


@dataclass(frozen=True)
class Case:
    """
    What happens, why clients lose something in it though the chart does what it can (empty where they must lose
    nothing), and to a release with which values, of which images that not every cluster has.
    """

    act: Callable[[Subject], None]
    loses: str = ""
    values: Values = field(default_factory=dict)
    images: tuple[str, ...] = ()


ACTIVATION = (
    "503 for some milliseconds, from a new generation's last worker to the activation of its prefill router in the "
    "frontend ([Dynamo 1.6.1](../findings/dynamo-ready-before-its-prefill-router.sh)): clients or a gateway ask again"
)
OWN_STREAMS = (
    "the streams of the killed frontend are its own, and new connections reach it until Kubernetes sees its end"
)
OUTAGE = (
    "with one worker of a role and no room for another the old one ends before the new one starts: the notes of the "
    "installation say so"
)
ALONE: Values = {"replicas": 1, "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
ETCD: Values = {
    "global": {"discovery": {"backend": "etcd"}},
    "etcd": {"enabled": True, "replicas": 3, "image": loaded("etcd"), "resources": {"requests": {"cpu": "20m"}}},
}

PREVIOUS = loaded("sim-runtime-previous")


def of_version(image: dict[str, str]) -> Values:
    """A release of the Dynamo that an image has."""
    return {"global": {"engine": {"image": {"tag": image["tag"]}}, "simulation": {"image": image}}}


CASES: dict[str, Case] = {
    "an upgrade of prefill": Case(lambda subject: subject.upgrade(_stamp("prefill"))),
    "an upgrade of decode": Case(lambda subject: subject.upgrade(_stamp("decode"))),
    "an upgrade of the frontend": Case(lambda subject: subject.upgrade(_stamp("frontend"))),
    "an upgrade of all, and again": Case(_twice),
    "an upgrade of the only workers": Case(
        lambda subject: subject.upgrade(merged(_stamp("prefill"), _stamp("decode"))),
        loses=OUTAGE,
        values={"prefill": ALONE, "decode": ALONE},
    ),
    "another block size": Case(
        lambda subject: subject.upgrade(nested("global.kvCache.blockSize", 64)), loses=ACTIVATION
    ),
    "another dtype": Case(
        lambda subject: subject.upgrade(nested("global.engine.args", {"dtype": "float16"})), loses=ACTIVATION
    ),
    f"from Dynamo {PREVIOUS['tag']}": Case(
        lambda subject: subject.upgrade(of_version(loaded("sim-runtime"))),
        loses=ACTIVATION,
        values=of_version(PREVIOUS),
        images=("sim-runtime-previous",),
    ),
    "a rollback in the middle": Case(_rollback, loses=ACTIVATION),
    "a missing image, and a rollback": Case(_missing_image),
    "a prefill worker more, and less": Case(_scale("prefill")),
    "a decode worker more, and less": Case(_scale("decode")),
    "a frontend more, and less": Case(_scale("frontend")),
    "kubectl scale, and an upgrade": Case(_kubectl_scale),
    "a drained node": Case(_drain),
    **{f"a deleted {name} pod": Case(_delete(name)) for name in COMPONENTS},
    **{
        f"a {name} pod deleted by force": Case(
            _delete(name, "--force", "--grace-period=0"), loses=OWN_STREAMS if name == "frontend" else ""
        )
        for name in COMPONENTS
    },
    **{
        f"a killed {name} process": Case(
            lambda subject, name=name: faults.kill(subject.release, name),  # type: ignore[misc]
            loses=OWN_STREAMS if name == "frontend" else "",
        )
        for name in COMPONENTS
    },
    "a decode worker that hangs": Case(lambda subject: faults.hang(subject.release, "decode")),
    "a prefill worker that hangs": Case(lambda subject: faults.hang(subject.release, "prefill")),
    "a restarted kubelet": Case(lambda subject: faults.restart_kubelet(subject.release)),
    "a killed API server": Case(lambda subject: faults.kill_api_server(subject.release)),
    "a deleted etcd member": Case(lambda subject: subject.delete("etcd"), values=ETCD),
    "a killed etcd process": Case(lambda subject: faults.kill(subject.release, "etcd"), values=ETCD),
}
