"""One fault after the other on a release, and the alerts that fire in it: each in its fault, and in no other."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

import requests

from hack.base.step import Step
from hack.base.wait import pause, wait_for
from hack.chart import render as chart
from hack.chart.helm import Values
from hack.chart.manifests import Object, merged, nested
from hack.cluster import prometheus
from hack.cluster.prometheus import Prometheus
from hack.cluster.release import Release
from hack.cluster.serving import RequestFailedError
from hack.reliability import faults
from hack.reliability.clients import MODEL
from hack.reliability.subject import Subject

# All times of the rules are so many times shorter here, which keeps their order.
FACTOR = 20
SCRAPE_SECONDS = 2
# The longest time for which anything must last, a range before it, and some scrapes.
WATCH_SECONDS = 90
CALM_SECONDS = 400
# Questions when nothing else is said, and how many there can be at once.
USUAL, MOST_AT_ONCE = (2, 20, 16), 40
NOWHERE = {"nodeSelector": {"example.com/none": "true"}}
BASE: Values = {
    "global": {
        "simulation": {"enabled": True, "resources": {"requests": {"cpu": "20m"}}},
        "router": {"mode": "kv"},
        "engine": {"args": {"max-model-len": 16384}},
    },
    # For its alert; it runs when a fault says so.
    "canary": {"enabled": True, "schedule": "0 0 1 1 *"},
    "metrics": {
        "rules": {
            "enabled": True,
            "objectives": {"timeToFirstTokenSeconds": 2, "interTokenLatencySeconds": 0.2},
            "thresholds": {"queuedRequests": 5},
        }
    },
}
NO_RULES: Values = nested("metrics.rules.enabled", False)


def shortened(rule: Object, factor: int = FACTOR) -> Object:
    """A PrometheusRule with all times divided."""
    units = {"s": 1, "m": 60, "h": 3600}

    def divided(match: re.Match[str]) -> str:
        before, number, unit = match.groups()
        return f"{before}{max(int(number) * units[unit] // factor, 0)}s"

    groups = [
        {
            **group,
            "rules": [
                {
                    **one,
                    "expr": re.sub(r"(\[|offset )(\d+)([smh])", divided, one["expr"]),
                    "for": re.sub(r"^()(\d+)([smh])$", divided, one["for"]),
                }
                for one in group["rules"]
            ],
        }
        for group in rule["spec"]["groups"]
    ]
    return {**rule, "spec": {"groups": groups}}


@dataclass
class Askers:
    """Clients that ask one question after the other, as long and as many at once as they are told."""

    release: Release
    # How many at once, the words of a question, and the tokens of an answer.
    now: tuple[int, int, int] = USUAL
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def going(self) -> Iterator[None]:
        """While the block runs."""
        for number in range(MOST_AT_ONCE):
            threading.Thread(target=self._go_on, args=(number,), daemon=True).start()
        try:
            yield
        finally:
            self.stop.set()

    def _go_on(self, number: int) -> None:
        while not self.stop.wait(0.5):
            at_once, words, tokens = self.now
            if number < at_once:
                # What becomes of an answer is for the alerts to say.
                with suppress(RequestFailedError, requests.RequestException):
                    question = f"{time.monotonic_ns()} " + "banana " * words
                    self.release.endpoint.chat(MODEL, question, max_tokens=tokens, stream=True)


@dataclass(frozen=True)
class Scene:
    """What a fault happens to."""

    subject: Subject
    askers: Askers

    @contextmanager
    def scaled(self, **replicas: int) -> Iterator[None]:
        """Components with another number of pods."""
        for name, count in replicas.items():
            self.subject.scale("deployment", name, count)
        try:
            yield
        finally:
            for name in replicas:
                self.subject.scale("deployment", name, self.subject.values.get(name, {}).get("replicas", 1))

    @contextmanager
    def asked(self, at_once: int, words: int, tokens: int) -> Iterator[None]:
        """Other questions."""
        self.askers.now = (at_once, words, tokens)
        try:
            yield
        finally:
            self.askers.now = USUAL


Act = Callable[[Scene], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """What happens, the alerts that are right in it, and to a release with which values."""

    act: Act
    fires: frozenset[str]
    values: Values = field(default_factory=dict)
    # Whether it lies in the values: then no pod needs to be ready.
    from_the_start: bool = False


def _fault(act: Act, *fires: str, values: Values | None = None, from_the_start: bool = False) -> Fault:
    return Fault(act, frozenset(f"Dynamo{name}" for name in fires), values or {}, from_the_start)


@contextmanager
def _killed_decode(scene: Scene) -> Iterator[None]:
    with scene.asked(8, 20, 400):
        pause(10)
        faults.kill(scene.subject.release, "decode")
        yield


@contextmanager
def _half_a_generation(scene: Scene) -> Iterator[None]:
    """A rollout to another block size, in which prefill finds no node."""
    change = merged(nested("global.kvCache.blockSize", 64), {"prefill": NOWHERE}, NO_RULES)
    scene.subject.release.install(merged(scene.subject.values, change), wait=False)
    yield


@contextmanager
def _mocked(scene: Scene, role: str, argument: str, words: int = USUAL[1], tokens: int = USUAL[2]) -> Iterator[None]:
    """An argument of the mocker that no value gives: somebody else changes the Deployment."""
    release = scene.subject.release
    name = f"{release.name}-{role}"
    (container,) = release.kube.apps.read_namespaced_deployment(name, release.namespace).spec.template.spec.containers
    changed = {"name": container.name, "args": [*container.args, argument]}
    change = {"spec": {"template": {"spec": {"containers": [changed]}}}}
    release.kube.apps.patch_namespaced_deployment(name, release.namespace, change)
    scene.subject.settle()
    with scene.asked(2, words, tokens):
        yield


@contextmanager
def _canary(scene: Scene) -> Iterator[None]:
    """Its next run, now."""
    kube, namespace = scene.subject.release.kube, scene.subject.release.namespace
    cron_job = f"{scene.subject.release.name}-canary"
    kube.kubectl("--namespace", namespace, "create", "job", f"{cron_job}-1", f"--from=cronjob/{cron_job}")
    try:
        yield
    finally:
        kube.kubectl("--namespace", namespace, "delete", "job", f"{cron_job}-1")


PATIENT_PROBES = {"probes": {"liveness": {"failureThreshold": 60}}}
FAULTS: dict[str, Fault] = {
    "workers find no node, from the first install on": _fault(
        lambda _: nullcontext(), "ModelNeverKnown", values={"prefill": NOWHERE, "decode": NOWHERE}, from_the_start=True
    ),
    "none": _fault(lambda _: nullcontext()),
    "no frontend": _fault(lambda scene: scene.scaled(frontend=0), "FrontendAbsent"),
    "no prefill worker": _fault(lambda scene: scene.scaled(prefill=0), "ModelNotReady", "RequestsRefused"),
    "no decode worker": _fault(lambda scene: scene.scaled(decode=0), "ModelNotReady"),
    "no worker at all": _fault(lambda scene: scene.scaled(prefill=0, decode=0), "ModelGone", "ModelNeverKnown"),
    "prompts longer than the context": _fault(
        lambda scene: scene.asked(2, 600, 16),
        "ErrorRatioHigh",
        values=nested("global.engine.args", {"max-model-len": 512}),
    ),
    "a slow prefill engine": _fault(
        lambda scene: _mocked(scene, "prefill", "--speedup-ratio=0.02", words=300), "FirstTokenSlow"
    ),
    "a slow decode engine": _fault(
        lambda scene: _mocked(scene, "decode", "--speedup-ratio=0.02", tokens=64), "TokensSlow"
    ),
    "more prompts than prefill can compute": _fault(lambda scene: scene.asked(40, 2000, 16), "FirstTokenSlow"),
    "the same with `router-queue-threshold`": _fault(
        lambda scene: scene.asked(40, 2000, 16),
        *("RequestsQueue", "FirstTokenSlow"),
        values=nested("frontend.args", {"router-queue-threshold": 0}),
    ),
    "the same with `frontend.rejection`": _fault(
        lambda scene: scene.asked(30, 500, 16),
        "RequestsRejected",
        values=nested("frontend.rejection.promptTokens", 2000),
    ),
    "a decode worker is killed, without migration": _fault(
        _killed_decode, "AnswersLost", values={"frontend": {"migrationLimit": 0}, "decode": {"replicas": 2}}
    ),
    "prefill publishes no KV events": _fault(
        lambda scene: _mocked(scene, "prefill", "--no-enable-prefix-caching"), "CacheUnknown"
    ),
    "a rollout stands still": _fault(_half_a_generation, "WorkerNotRegistered"),
    "one of two frontends hangs": _fault(
        lambda scene: faults.stopped(scene.subject.release, "frontend"),
        "TargetDown",
        values={"frontend": {"replicas": 2, **PATIENT_PROBES}},
    ),
    "a canary that does not end in time": _fault(
        _canary,
        "CanaryFailed",
        # More than it can ask in a minute.
        values={"canary": {"requests": 100, "timeoutSeconds": 60}},
    ),
}
# Alerts that no fault here can cause, and why.
ELSEWHERE = dict.fromkeys(
    ("DynamoKvTransferSlow", "DynamoKvTransferFails"),
    "the mocker moves no KV cache; tried on series as real engines have them (tests/unit/alerts.yaml)",
)


@dataclass(frozen=True)
class Seen:
    """A fault, what should have fired in it, and what did, after how many seconds."""

    fault: str
    expected: frozenset[str]
    fired: dict[str, float]

    @property
    def right(self) -> bool:
        """Whether each alert that should have fired did, and no other."""
        return set(self.fired) == self.expected


def _watched(server: Prometheus, seconds: float) -> dict[str, float]:
    """The alerts that fire within a time, and when they first did."""
    fired: dict[str, float] = {}
    begin = time.monotonic()
    while (now := time.monotonic() - begin) < seconds:
        for name in server.firing():
            fired.setdefault(name, round(now))
        pause(SCRAPE_SECONDS)
    return fired


def alarms(release: Release, names: list[str]) -> Iterator[Seen]:
    """One fault after the other, on one release."""
    rules = chart.render(BASE, ["values/overlays/simulate.yaml"], namespace=release.namespace).one("PrometheusRule")
    server = prometheus.install(release.kube, release.namespace, shortened(rules), SCRAPE_SECONDS, kube_state=True)
    askers, step = Askers(release), Step("alerts")
    with askers.going():
        for name in names:
            fault = FAULTS[name]
            # The cluster has no Prometheus operator: its rules are given to Prometheus as they are rendered.
            subject = Subject(release, merged(BASE, NO_RULES, fault.values))
            step.say(f"{name}: the release is made ready")
            # Whatever somebody else changed is the values' again.
            options = ["--force-conflicts"]
            release.install(subject.values, wait=not fault.from_the_start, timeout=330, options=options)
            if not fault.from_the_start:
                subject.settle()
                release.endpoint.wait_for_model(MODEL)
                wait_for("no alert fires", server.firing, lambda firing: not firing, CALM_SECONDS, 2)
            step.say(f"{name}: watching")
            with fault.act(Scene(subject, askers)):
                yield Seen(name, fault.fires, _watched(server, WATCH_SECONDS))
