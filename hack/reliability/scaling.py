"""A release whose scalers follow the load, up and down: who scales when, and what clients lose in it."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from hack.base.wait import meanwhile, pause
from hack.chart.helm import Values
from hack.chart.manifests import merged
from hack.cluster import prometheus
from hack.cluster.release import Release
from hack.reliability.clients import LAST_SECONDS, MODEL, asking, lost
from hack.reliability.subject import COMPONENTS, Subject

# An engine a quarter as fast as the one that is modelled, with a small cache: two cores can ask more than it can do.
SIMULATED: Values = {
    "global": {
        "simulation": {"enabled": True, "speedupRatio": 0.25, "resources": {"requests": {"cpu": "100m"}}},
        "router": {"mode": "kv"},
        "kvCache": {"blockSize": 64},
        "engine": {"args": {"num-gpu-blocks-override": 320}},
    },
}
MOST = 3
SCALED: Values = {
    "frontend": {"autoscaling": {"enabled": True, "maxReplicas": 2, "target": 40, "scaleDownSeconds": 30}},
    "prefill": {"autoscaling": {"enabled": True, "maxReplicas": MOST, "target": 4000, "scaleDownSeconds": 30}},
    "decode": {
        "autoscaling": {
            **{"enabled": True, "maxReplicas": MOST, "target": 25, "scaleDownSeconds": 30},
            # Another scaler of KEDA's; it must not stand in the way.
            "otherRolePerWorker": 3,
        }
    },
}
WORDS, TOKENS = 1000, 32
# Requests a second, and for how many seconds: one pod goes a minute.
PHASES = ((0.5, 100), (6.0, 210), (0.5, 190))
# Of the second phase; by then the scalers have done what they do.
UPGRADE_AFTER_SECONDS = 150


@dataclass(frozen=True)
class Sample:
    """The pods of each component at a moment, in seconds since the load began, and the requests so far."""

    seconds: float
    wanted: dict[str, int]
    ready: dict[str, int]
    sent: int = 0
    right: int = 0


@dataclass(frozen=True)
class Scaling:
    """What came of the requests of each phase, and the pods over time."""

    phases: list[dict[str, Any]]
    samples: list[Sample]
    # Decode's pods before a scaler took them over, and after; and by hand before an upgrade, and after.
    taken_over: tuple[int, int]
    upgraded: tuple[int, int]

    def pods(self, phase: int) -> dict[str, int]:
        """Ready pods at the end of a phase."""
        end = sum(one["seconds"] for one in self.phases[: phase + 1])
        return [one for one in self.samples if one.seconds <= end][-1].ready

    def grown(self, component: str) -> float | None:
        """Seconds from the beginning of the second phase until one pod more was ready."""
        begin, before = self.phases[0]["seconds"], self.pods(0)[component]
        return next(
            (s.seconds - begin for s in self.samples if s.seconds > begin and s.ready[component] > before), None
        )

    def wrong(self) -> list[str]:
        """What should not be, if anything."""
        found = [f"{lost(one)} requests lost at {one['rate']:g}/s" for one in self.phases if lost(one)]
        found += [f"{name} did not grow" for name in COMPONENTS if self.grown(name) is None]
        busy = sum(one["seconds"] for one in self.phases[:-1])
        least = {name: min(s.ready[name] for s in self.samples if s.seconds > busy) for name in COMPONENTS}
        found += [f"{name} did not shrink" for name, count in least.items() if count > self.pods(0)[name]]
        for what, (before, after) in {"taking decode over": self.taken_over, "the upgrade": self.upgraded}.items():
            if before != after:
                found.append(f"{what} changed {before} pods to {after}")
        return found


@dataclass
class Watch:
    """The pods of a release, read every two seconds while its clients ask."""

    release: Release
    samples: list[Sample] = field(default_factory=list)

    def deployments(self) -> Iterator[tuple[str, int, int]]:
        """Component, wanted and ready pods."""
        label = f"app.kubernetes.io/instance={self.release.name}"
        for found in self.release.kube.apps.list_namespaced_deployment(
            self.release.namespace, label_selector=label
        ).items:
            component = found.metadata.labels["app.kubernetes.io/component"]
            yield component, found.spec.replicas, found.status.ready_replicas or 0

    def wanted(self, component: str) -> int:
        """Its pods by its Deployment."""
        return next(wanted for name, wanted, _ in self.deployments() if name == component)

    def during(self, clients: Any) -> AbstractContextManager[None]:
        """While these clients ask."""
        begin = time.monotonic()

        def read() -> None:
            found = list(self.deployments())
            told = clients.last()
            self.samples.append(
                Sample(
                    time.monotonic() - begin,
                    {name: wanted for name, wanted, _ in found},
                    {name: ready for name, _, ready in found},
                    sum(phase["sent"] for phase in told),
                    sum(phase["right"] for phase in told),
                )
            )

        return meanwhile(read, 2)


def _take_over(subject: Subject, watch: Watch, scaled: Values) -> tuple[int, int]:
    """Two decode workers, given to a scaler as docs/autoscaling.md says: their number before and after."""
    subject.upgrade({"decode": {"replicas": 2}})
    release = subject.release
    mine = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": f"{release.name}-decode"}}
    take = ("--namespace", release.namespace, "apply", "--server-side", "--field-manager=scaler", "-f", "-")
    subject.kube.kubectl(*take, stdin=json.dumps({**mine, "spec": {"replicas": 2}}))
    before = watch.wanted("decode")
    subject.values = merged(SIMULATED, scaled)
    subject.upgrade({})
    return before, watch.wanted("decode")


def _upgrade(subject: Subject, watch: Watch) -> tuple[int, int]:
    """`kubectl scale` to another number, and then an upgrade by Helm: decode's pods before and after it."""
    subject.scale("deployment", "decode", MOST - 1 if watch.wanted("decode") == MOST else MOST)
    before = watch.wanted("decode")
    subject.values = merged(subject.values, {"decode": {"autoscaling": {"scaleDownSeconds": 31}}})
    # Without waiting: the scaler may take a pod away at any time.
    subject.release.install(subject.values, wait=False)
    return before, watch.wanted("decode")


def scaling(release: Release, phases: Sequence[tuple[float, float]] = PHASES) -> Scaling:
    """Install, hand over to the scalers, and ask: few, many and few again."""
    server = prometheus.install(release.kube, release.namespace)
    subject, watch = Subject(release, SIMULATED), Watch(release)
    scaled = merged(SCALED, {"autoscaling": {"prometheusUrl": server.url, "pollingSeconds": 5}})
    taken_over = _take_over(subject, watch, scaled)
    release.endpoint.wait_for_model(MODEL)
    arguments = [str(WORDS), str(TOKENS), *(f"{rate:g}x{seconds:g}" for rate, seconds in phases)]
    with asking(release, "waves", arguments) as clients, watch.during(clients):
        pause(phases[0][1] + UPGRADE_AFTER_SECONDS)
        upgraded = _upgrade(subject, watch)
        found = clients.ended(sum(seconds for _, seconds in phases[1:]) - UPGRADE_AFTER_SECONDS + LAST_SECONDS)
    return Scaling(found, watch.samples, taken_over, upgraded)
