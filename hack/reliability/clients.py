"""Pods that ask a release, and what came of their requests."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hack.base.paths import ROOT
from hack.base.wait import wait_for
from hack.cluster.kube import Kube
from hack.cluster.nodes import ANYWHERE, CONTROL_PLANE_LABEL
from hack.cluster.release import Release

MODEL = "Qwen/Qwen3-0.6B"
SCRIPTS = ("load", "waves")
FOLDER = "/opt/load"
# Longer than an answer may take.
LAST_SECONDS = 240


ON_CONTROL_PLANE = {
    "weight": 100,
    "preference": {"matchExpressions": [{"key": CONTROL_PLANE_LABEL, "operator": "Exists"}]},
}


@dataclass(frozen=True)
class Clients:
    """The pod that asks."""

    kube: Kube
    namespace: str
    name: str = "load"

    def last(self) -> Any:
        """What came of the requests so far."""
        lines = str(self.kube.core.read_namespaced_pod_log(self.name, self.namespace, tail_lines=1)).splitlines()
        return json.loads(lines[-1])

    def sent(self) -> int:
        """How many requests have ended."""
        return int(self.last()["sent"])

    def finish(self) -> Any:
        """Stop them, and say what came of their requests."""
        self.kube.kubectl("--namespace", self.namespace, "exec", self.name, "--", "touch", "/tmp/stop")
        return self.ended(LAST_SECONDS)

    def ended(self, seconds: float) -> Any:
        """What came of the requests of clients that end by themselves, or were told to."""
        state = lambda: self.kube.core.read_namespaced_pod(self.name, self.namespace).status.phase  # noqa: E731
        wait_for("the last answers have ended", state, lambda phase: phase == "Succeeded", seconds, 1)
        return self.last()


@contextmanager
def asking(release: Release, script: str, arguments: Sequence[str]) -> Iterator[Clients]:
    """A pod that runs one of the scripts of hack/data on a release's frontend and model, until the block ends."""
    kube, clients = release.kube, Clients(release.kube, release.namespace)
    namespace, name = clients.namespace, clients.name
    pod: Any = kube.pods(namespace, instance=release.name, component="frontend")[0]
    image = pod.spec.containers[0].image
    scripts = {f"{one}.py": (ROOT / "hack" / "data" / f"{one}.py").read_text() for one in SCRIPTS}
    kube.core.create_namespaced_config_map(namespace, {"metadata": {"name": name}, "data": scripts})
    url = f"http://{release.name}-frontend:8000"
    container = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", f"hack.data.{script}", url, MODEL, *arguments],
        "workingDir": FOLDER,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": name, "mountPath": FOLDER}],
    }
    # They import each other as here.
    files = {"name": name, "items": [{"key": file, "path": f"hack/data/{file}"} for file in scripts]}
    kube.core.create_namespaced_pod(
        namespace,
        {
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 1000,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                **ANYWHERE,
                # What happens to a worker's node is not to happen to them.
                "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [ON_CONTROL_PLANE]}},
                "containers": [container],
                "volumes": [{"name": name, "configMap": files}],
            },
        },
    )
    try:
        wait_for("the clients say what they do", clients.last, bool, 120, 1)
        yield clients
    finally:
        kube.kubectl("--namespace", namespace, "delete", f"pod/{name}", f"configmap/{name}", "--now")


@contextmanager
def load(release: Release, tokens: int) -> Iterator[Clients]:
    """Eight clients, one request after the other, until they are told to stop; the long answers have so many tokens."""
    with asking(release, "load", ["/tmp/stop", str(tokens)]) as clients:
        wait_for("answers arrive", clients.last, lambda seen: seen["right"] > 0, 120, 1)
        yield clients


def waves(release: Release, words: int, tokens: int, phases: Sequence[tuple[float, float]]) -> list[dict[str, Any]]:
    """What came of requests at a rate for so many seconds, phase by phase, whether or not the answers keep up."""
    arguments = [str(words), str(tokens), *(f"{rate:g}x{seconds:g}" for rate, seconds in phases)]
    with asking(release, "waves", arguments) as clients:
        found: list[dict[str, Any]] = clients.ended(sum(seconds for _, seconds in phases) + LAST_SECONDS)
        return found


def lost(phase: dict[str, Any]) -> int:
    """Requests with no right answer that were not refused."""
    return int(phase["sent"] - phase["right"] - phase["shed"])
