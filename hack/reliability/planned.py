"""Planned changes of a release, as whoever runs it makes them."""

import json
import time
from collections.abc import Callable
from dataclasses import replace

from hack.base.paths import ROOT
from hack.base.wait import pause, wait_for
from hack.chart.helm import Helm, Values
from hack.chart.manifests import merged, nested
from hack.cluster.load import CTR
from hack.containers.build_images import images
from hack.reliability import faults
from hack.reliability.subject import COMPONENTS, SETTLED_SECONDS, WORKERS, Subject


def stamp(*components: str) -> Values:
    """A change of the components' pods that changes nothing they do."""
    return {component: {"env": {"STAMP": str(time.time_ns())}} for component in components}


def scale(component: str) -> Callable[[Subject], None]:
    def act(subject: Subject) -> None:
        for replicas in (3, 2):
            subject.upgrade({component: {"replicas": replicas}})

    return act


def drain(subject: Subject) -> None:
    """The node of a decode worker, as docs/runbook.md says, of this release's pods."""
    node = faults.pod_of(subject.release, "decode").spec.node_name
    pods = f"--pod-selector=app.kubernetes.io/instance={subject.release.name}"
    try:
        subject.kube.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", pods)
    finally:
        subject.kube.kubectl("uncordon", node)


def twice(subject: Subject) -> None:
    """All pods anew, and again while that is under way."""
    for seconds in (4, 0):
        subject.values = merged(subject.values, stamp(*COMPONENTS))
        subject.release.install(subject.values, wait=not seconds, timeout=SETTLED_SECONDS)
        pause(seconds)


def _and_back(subject: Subject, change: Values, seconds: float) -> None:
    """An upgrade, and a rollback some seconds after its start."""
    subject.release.install(merged(subject.values, change), wait=False)
    pause(seconds)
    done = subject.release.attempt("rollback", subject.release.name, "--wait", f"--timeout={SETTLED_SECONDS}s")
    assert done.code == 0, done.stderr


def missing_image(subject: Subject) -> None:
    """A tag that no registry has, and back."""
    _and_back(subject, nested("global.simulation.image.tag", "1.6.1-missing"), 10)


def another_image(subject: Subject) -> None:
    """The same by another tag, which every node gets first and keeps."""
    image = images()["sim-runtime"]
    for node in subject.kube.nodes():
        tagged = ("images", "tag", "--force", image.reference, f"{image.reference}-again")
        faults.on_node(subject.release, node.metadata.name, *CTR, *tagged)
    subject.upgrade(nested("global.simulation.image.tag", f"{image.version}-again"))


def rollback(subject: Subject) -> None:
    """A generation, and back in the middle of its rollout."""
    _and_back(subject, nested("global.engine.args", {"dtype": "bfloat16"}), 5)


def kubectl_scale(subject: Subject) -> None:
    """By hand, and then an upgrade with the number in the values, as docs/runbook.md says."""
    subject.scale("deployment", "decode", 3)
    subject.values = merged(subject.values, {"decode": {"replicas": 3}})
    subject.settle()
    for replicas in (3, 2):
        subject.upgrade({"decode": {"replicas": replicas}}, "--force-conflicts")


def rotate_token(subject: Subject) -> None:
    """A token for the hub, and after that the one that takes its place, as docs/runbook.md says."""
    secret, where = "hub-token", ("--namespace", subject.release.namespace)

    def write(token: str) -> None:
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": {"HF_TOKEN": token}}
        subject.kube.kubectl(*where, "apply", "--filename=-", stdin=json.dumps(made))

    write("the old one")
    subject.upgrade(nested("global.env.HF_TOKEN", {"secretKeyRef": {"name": secret, "key": "HF_TOKEN"}}))
    write("the new one")
    for role in WORKERS:
        deployment = f"deployment/{subject.release.name}-{role}"
        subject.kube.kubectl(*where, "rollout", "restart", deployment)
        subject.kube.kubectl(*where, "rollout", "status", deployment, "--timeout=170s")
        subject.settle()
        for pod in subject.pods(role):
            assert subject.kube.kubectl(*where, "exec", pod, "--", "printenv", "HF_TOKEN") == "the new one\n", pod


def restart_groups(subject: Subject) -> None:
    """All pods of LeaderWorkerSets anew, of the same generation, as docs/runbook.md says."""
    wanted = {"restarted": "2026-11-30"}
    before = {role: subject.generations(role) for role in WORKERS}
    subject.upgrade({role: {"podAnnotations": wanted} for role in WORKERS})

    def old() -> list[str]:
        pods = [pod.metadata for role in WORKERS for pod in subject.running(role)]
        return [pod.name for pod in pods if not wanted.items() <= (pod.annotations or {}).items()]

    wait_for("all ranks are new ones", old, lambda names: not names, SETTLED_SECONDS, 1)
    assert {role: subject.generations(role) for role in WORKERS} == before


def uninstall(subject: Subject) -> None:
    """And an installation of the same a moment later."""
    subject.release.uninstall()
    subject.upgrade({})


def by_helm_4(subject: Subject) -> None:
    """A release that Helm 3 made: no change, and then all pods anew."""
    subject.release = replace(subject.release, helm=Helm(), chart=str(ROOT))
    subject.upgrade({})
    subject.upgrade(stamp(*COMPONENTS))


def away(subject: Subject, component: str, seconds: float) -> None:
    """No pod of a StatefulSet for a while."""
    subject.scale("statefulset", component, 0)
    pause(seconds)
    subject.scale("statefulset", component, subject.values[component]["replicas"])
    subject.settle()
    # The next upgrade would be refused otherwise: docs/runbook.md.
    subject.upgrade({}, "--force-conflicts")


def lose_a_volume(subject: Subject) -> None:
    """Of an etcd member; and what docs/runbook.md has done then, in its order."""
    namespace, etcd = subject.release.namespace, f"{subject.release.name}-etcd"
    lost, where = f"{etcd}-1", ("--namespace", namespace)

    def etcdctl(*arguments: str) -> str:
        return subject.kube.kubectl(*where, "exec", f"{etcd}-0", "--", "etcdctl", *arguments)

    def empty() -> None:
        subject.kube.kubectl(*where, "delete", "pvc", f"data-{lost}", "--wait=false")
        subject.kube.kubectl(*where, "delete", "pod", lost)

    def state() -> list[str]:
        arguments = subject.kube.core.read_namespaced_pod(lost, namespace).spec.containers[0].args
        return [argument for argument in arguments if "initial-cluster-state" in argument]

    empty()
    subject.values = merged(subject.values, {"etcd": {"initialClusterState": "existing"}})
    # Helm's --wait gives up at once on a member that cannot start.
    subject.release.install(subject.values, wait=False)
    wait_for(f"{lost} is to join", state, lambda seen: seen == ["--initial-cluster-state=existing"], SETTLED_SECONDS, 1)
    (member,) = (
        one for one in json.loads(etcdctl("member", "list", "--write-out=json"))["members"] if one["name"] == lost
    )
    # "unhealthy cluster" until those that were replaced have been there for some seconds.
    wait_for("it is removed", lambda: etcdctl("member", "remove", f"{member['ID']:x}"), bool, 60, 1)
    empty()
    etcdctl("member", "add", lost, f"--peer-urls={member['peerURLs'][0]}")


def delete(component: str, *options: str) -> Callable[[Subject], None]:
    return lambda subject: subject.delete(component, *options)
