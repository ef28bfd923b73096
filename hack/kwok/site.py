"""A namespace that sees KWOK nodes only, with one release of the chart in it, as the scheduler leaves it."""

import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hack.base.paths import ROOT
from hack.base.wait import wait_for
from hack.chart import machines
from hack.chart.installation import plan
from hack.chart.machines import Machine
from hack.chart.manifests import COMPONENT, WORKERS, merged
from hack.chart.scenarios import Scenario
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.cluster.report import event_time, namespace_report
from hack.kwok import nodes, substitutes
from hack.kwok.nodes import FakeNode
from hack.kwok.simulator import Simulator

# LeaderWorkerSet's controller is not in the test cluster.
VALUES = {"global": {"multiNode": {"controller": "statefulset"}}}
CPU_NODES = 2
SECONDS = 60


@dataclass(frozen=True)
class Site:
    """One scenario on nodes of its machine."""

    kube: Kube
    simulator: Simulator
    scenario: Scenario
    namespace: str

    @property
    def machine(self) -> Machine:
        """The machine type of the scenario."""
        return machines.of_values(self.scenario.effective)

    def machines(self, count: int) -> list[FakeNode]:
        """Nodes of that type, not made yet."""
        return nodes.machines(self.machine, count, self.namespace)

    def install(self) -> float:
        """Install the release as it is for real engines, without waiting for pods; returns when that began."""
        values = merged(self.scenario.values, VALUES)
        made = plan(Scenario(self.scenario.name, self.scenario.files, values), namespace=self.namespace)
        specs = [pod.spec for pod in made.manifests.pods()]
        substitutes.make_prerequisites(self.simulator, self.namespace, specs)
        started = time.monotonic()
        release = Release(self.kube, self.namespace)
        release.install(values, files=[ROOT / file for file in self.scenario.files], wait=False)
        substitutes.make_claim_templates(self.simulator, self.namespace, release.name)
        return started

    def pods(self) -> list[Any]:
        """Every pod of the namespace."""
        return [pod for pod in self.kube.pods(self.namespace) if pod.metadata.deletion_timestamp is None]

    def wait_for(self, running: dict[str, int], pending: dict[str, int]) -> list[Any]:
        """Wait until so many pods of each component run and are pending; returns all pods."""

        def state() -> tuple[dict[str, int], dict[str, int]]:
            pods = self.pods()
            running_now, pending_now = (
                [p for p in pods if p.status.phase == phase] for phase in ("Running", "Pending")
            )
            return components(running_now), components(pending_now)

        wait_for(
            f"{running} running and {pending} pending", state, lambda seen: seen == (running, pending), SECONDS, 0.3
        )
        return self.pods()

    def wait_for_reason(self, pattern: str) -> None:
        """Wait until the scheduler has said of every pending pod what the pattern finds."""

        def messages() -> dict[str, str]:
            events = self.kube.core.list_namespaced_event(self.namespace, field_selector="reason=FailedScheduling")
            last = {e.involved_object.uid: e.message for e in sorted(events.items, key=event_time)}
            return {p.metadata.name: last.get(p.metadata.uid, "") for p in self.pods() if p.status.phase == "Pending"}

        def said(seen: dict[str, str]) -> bool:
            return bool(seen) and all(re.search(pattern, message) for message in seen.values())

        wait_for(f"FailedScheduling: {pattern}", messages, said, SECONDS, 0.3)

    def _claimed(self) -> dict[str, list[Any]]:
        """The devices that each claim holds."""
        found = self.simulator.api.get_json(f"/apis/resource.k8s.io/v1/namespaces/{self.namespace}/resourceclaims")
        return {
            item["metadata"]["name"]: item["status"].get("allocation", {}).get("devices", {}).get("results", [])
            for item in found["items"]
        }

    def claimed_gpus(self) -> int:
        """GPUs that claims hold."""
        held = [result for results in self._claimed().values() for result in results]
        return sum(result["driver"] in self.machine.gpu_classes for result in held)

    def claims_outside_their_node(self, pods: Sequence[Any]) -> list[str]:
        """Claims of these pods that hold no device of the pod's own node; every pod must have all of its claims."""
        allocated = {name: [result["pool"] for result in results] for name, results in self._claimed().items()}
        wrong = []
        for pod in pods:
            names = [s.resource_claim_name for s in pod.status.resource_claim_statuses or []]
            if len(names) != len(pod.spec.resource_claims or []):
                wrong.append(f"{pod.metadata.name}: claims {names}")
            wrong += [
                f"{pod.metadata.name}: claim {name}: devices of {allocated[name]}, pod on {pod.spec.node_name}"
                for name in names
                if set(allocated[name]) != {pod.spec.node_name}
            ]
        return wrong


def components(pods: Sequence[Any]) -> dict[str, int]:
    """How many pods of each component."""
    return dict(Counter(pod.metadata.labels[COMPONENT] for pod in pods))


def workers(pods: Sequence[Any]) -> list[Any]:
    """Those of the pools."""
    return [pod for pod in pods if pod.metadata.labels[COMPONENT] in WORKERS]


def gpus(pods: Sequence[Any], resource: str) -> int:
    """GPUs that pods hold."""
    containers = [container for pod in pods for container in pod.spec.containers]
    return sum(int((container.resources.limits or {}).get(resource, "0")) for container in containers)


@contextmanager
def made(kube: Kube, simulator: Simulator, scenario: Scenario) -> Iterator[Site]:
    """A site with nodes for frontends and none for workers; all of it is removed in the background afterwards."""
    name = f"kwok-{secrets.token_hex(3)}"
    site = Site(kube, simulator, scenario, name)
    simulator.open(name, name)
    simulator.add(name, nodes.cpu_nodes(site.machine.arch, CPU_NODES, name))
    try:
        yield site
    except BaseException:
        print(namespace_report(kube, name))
        raise
    finally:
        simulator.close(name)
