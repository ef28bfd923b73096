"""What is left in a namespace after an uninstall."""

from __future__ import annotations

import subprocess

from hack.paths import TOOLS_BIN
from tests.harness.kube import Kube
from tests.harness.wait import wait_for

# What every namespace has, and what the control plane removes in its own time.
BELONGS = {"serviceaccount/default", "configmap/kube-root-ca.crt"}
PASSING = ("event/", "event.events.k8s.io/")
# The longest grace period of the scenarios, and a margin: under load Dynamo 1.6.1's process can hang at its exit
# ("tasks still running at interpreter exit"), and the kubelet ends it then.
SECONDS = 330


def of(kube: Kube, namespace: str) -> list[str]:
    """Names ("kind.group/name") of all objects of all kinds that do not belong to the namespace itself."""
    kinds = [kind for kind in _kubectl(kube, "api-resources", "--namespaced", "--verbs=list", "--output=name") if kind]
    found = _kubectl(kube, "get", ",".join(kinds), "--namespace", namespace, "--output=name", "--ignore-not-found")
    return sorted(name for name in found if name and name not in BELONGS and not name.startswith(PASSING))


def wait_until_gone(kube: Kube, namespace: str, timeout: float = SECONDS) -> None:
    """Wait until nothing of any release is left; the error names what is."""
    wait_for(f"namespace {namespace} is empty", lambda: of(kube, namespace), lambda found: not found, timeout, 1)


def _kubectl(kube: Kube, *arguments: str) -> list[str]:
    command = [str(TOOLS_BIN / "kubectl"), "--kubeconfig", str(kube.kubeconfig), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.splitlines()
