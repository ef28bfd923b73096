"""A release that something happens to."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hack.base.wait import wait_for
from hack.chart.helm import Values
from hack.chart.manifests import GENERATION, merged
from hack.cluster.kube import Kube
from hack.cluster.release import Release

# Less than a command of Helm may take.
SETTLED_SECONDS = 330
# The chart refuses upgrades that are outages while workers serve.
MEANT: Values = {"global": {"clusterChecks": False}}
WORKERS = ("prefill", "decode")
COMPONENTS = ("frontend", *WORKERS)
PEERS = ("etcd", "nats")


@dataclass
class Subject:
    """A release, and the values that it has."""

    release: Release
    values: Values

    @property
    def kube(self) -> Kube:
        """Its cluster."""
        return self.release.kube

    def prepare(self) -> None:
        """Its values, whatever the release was before: nobody is served yet."""
        self.release.install(merged(self.values, MEANT), timeout=SETTLED_SECONDS)

    def upgrade(self, change: Values, *options: str) -> None:
        """`helm upgrade` with a change that stays."""
        self.values = merged(self.values, change)
        self.release.install(self.values, timeout=SETTLED_SECONDS, options=options)

    def scale(self, workload: str, component: str, replicas: int) -> None:
        """`kubectl scale`, which the values do not know of."""
        name = f"{workload}/{self.release.name}-{component}"
        self.kube.kubectl("--namespace", self.release.namespace, "scale", name, f"--replicas={replicas}")

    def running(self, component: str) -> list[Any]:
        """The pods of a component that are not on their way out."""
        return [pod for pod in self._pods(component) if not pod.metadata.deletion_timestamp]

    def _pods(self, component: str) -> list[Any]:
        return self.kube.pods(self.release.namespace, instance=self.release.name, component=component)

    def pods(self, component: str) -> list[str]:
        """Their names."""
        return [pod.metadata.name for pod in self.running(component)]

    def generations(self, role: str) -> set[str]:
        """Of the workers of a role."""
        return {pod.metadata.labels[GENERATION] for pod in self.running(role)}

    def delete(self, component: str, *options: str) -> None:
        """Delete one of its pods."""
        self.kube.kubectl(
            "--namespace", self.release.namespace, "delete", "pod", self.pods(component)[0], "--wait=false", *options
        )

    def settle(self) -> None:
        """Wait until the wanted pods are ready and no other is left."""
        parts = [name for name in (*COMPONENTS, *PEERS) if name in self.values]
        wanted = {name: self.values[name].get("replicas", 1) * self._nodes(name) for name in parts}
        if max(map(self._nodes, parts)) > 1:
            # Helm does not wait for LeaderWorkerSets.
            wait_for("all workers are of the new generation", self._old, lambda pods: not pods, SETTLED_SECONDS, 1)
        wait_for(
            f"{wanted} pods are ready", lambda: self._ready(wanted), lambda seen: seen == wanted, SETTLED_SECONDS, 1
        )

    def _nodes(self, component: str) -> int:
        """Pods of one worker."""
        gpus = self.values[component].get("parallelism", {}).get("tensor", 1)
        return int(gpus // self.values["global"].get("hardwareSpec", {}).get("gpusPerNode", gpus))

    def _old(self) -> list[str]:
        """Pods of another generation than the release's groups are to have."""
        where = ("--namespace", self.release.namespace, f"--selector=app.kubernetes.io/instance={self.release.name}")
        sets = json.loads(self.kube.kubectl("get", "leaderworkersets,disaggregatedsets", *where, "--output=json"))
        # A DisaggregatedSet has LeaderWorkerSets of its own, of each generation.
        ours = [item["spec"] for item in sets["items"] if "ownerReferences" not in item["metadata"]]
        (wanted,) = set(re.findall(rf'"{GENERATION}": "(\w+)"', json.dumps(ours)))
        pods = [pod.metadata for role in WORKERS for pod in self._pods(role)]
        return [pod.name for pod in pods if pod.labels[GENERATION] != wanted]

    def _ready(self, components: Iterable[str]) -> dict[str, int]:
        """Ready pods of each component; -1 while one is on its way out."""
        counts = {}
        for component in components:
            pods = self._pods(component)
            leaving = any(pod.metadata.deletion_timestamp for pod in pods)
            ready = [c for pod in pods for c in pod.status.conditions or [] if (c.type, c.status) == ("Ready", "True")]
            counts[component] = -1 if leaving else len(ready)
        return counts
