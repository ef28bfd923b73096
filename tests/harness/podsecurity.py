"""The "restricted" Pod Security Standard, as a list of what violates it.

Source: kubernetes.io, "Pod Security Standards", baseline and restricted, for Linux pods of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.harness.manifests import PodTemplate

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


def violations(pod: PodTemplate) -> list[str]:
    """What the admission of a "restricted" namespace would refuse, one short text each."""
    return sorted({*_of_pod(pod), *_of_containers(pod)})


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
