"""The "restricted" Pod Security Standard, and OpenShift's restricted-v2, as lists of what violates them.

Sources: kubernetes.io, "Pod Security Standards", baseline and restricted, for Linux pods of Kubernetes 1.36;
docs.redhat.com, "Managing security context constraints", OpenShift 4.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from hack.base import process
from hack.chart.manifests import PodTemplate
from hack.tools import gobuild

VOLUME_TYPES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}

# From the ranges of the namespace.
OPENSHIFT_CHOOSES = ("runAsUser", "fsGroup", "seLinuxOptions")


def violations(pod: PodTemplate) -> list[str]:
    """What the admission of a "restricted" namespace would refuse, one short text each."""
    return sorted({*_of_pod(pod), *_of_containers(pod)})


def by_kubernetes(pods: Sequence[PodTemplate]) -> list[list[str]]:
    """What Kubernetes' own evaluator says of each pod: tests/policy compare it with violations()."""
    asked = json.dumps([{"metadata": pod.metadata, "spec": pod.spec} for pod in pods])
    program = gobuild.build("podsecurity", ["."]) / "podsecurity"
    found: list[list[str]] = json.loads(process.output([program], "podsecurity", stdin=asked))
    return found


def of_openshift(pod: PodTemplate) -> list[str]:
    """What restricted-v2 would refuse: the same, and each id or label that the pod chooses itself."""
    contexts = [pod.spec.get("securityContext", {}), *(c.spec.get("securityContext", {}) for c in pod.containers())]
    chosen = {f"{key} {context[key]}" for context in contexts for key in OPENSHIFT_CHOOSES if key in context}
    return sorted({*violations(pod), *chosen})


def _of_pod(pod: PodTemplate) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(field):
            yield field
    for volume in pod.volumes().values():
        for kind in volume.keys() - {"name"} - VOLUME_TYPES:
            yield f"volume type {kind}"
    if pod.spec.get("securityContext", {}).get("sysctls"):
        yield "sysctls"


def _of_containers(pod: PodTemplate) -> Iterator[str]:
    of_pod: dict[str, Any] = pod.spec.get("securityContext", {})
    for container in pod.containers():
        own: dict[str, Any] = container.spec.get("securityContext", {})
        capabilities = own.get("capabilities", {})
        if own.get("privileged"):
            yield "privileged"
        if own.get("allowPrivilegeEscalation") is not False:
            yield "allowPrivilegeEscalation"
        if "ALL" not in capabilities.get("drop", []):
            yield "capabilities not dropped"
        for capability in capabilities.get("add", []):
            if capability != "NET_BIND_SERVICE":
                yield f"capability {capability}"
        if own.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
            yield "runAsNonRoot"
        if own.get("runAsUser", of_pod.get("runAsUser")) == 0:
            yield "runAsUser 0"
        seccomp = own.get("seccompProfile", of_pod.get("seccompProfile", {})).get("type")
        if seccomp not in ("RuntimeDefault", "Localhost"):
            yield "seccompProfile"
        if own.get("procMount", "Default") != "Default":
            yield "procMount"
        if any(port.get("hostPort") for port in container.spec.get("ports", [])):
            yield "hostPort"
