"""What a release's own pods say of the requests they had: how many moved, and which workers met."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import kubernetes
from urllib3.exceptions import HTTPError

from hack.base.process import Background
from hack.base.wait import meanwhile, wait_for
from hack.chart.manifests import RANK
from hack.cluster.apiserver import NoAnswerError
from hack.cluster.release import Release
from hack.cluster.serving import HTTP_PORT

MOVED = "dynamo_frontend_model_migration_total"
CONTAINER = "engine"
# A log arrives a moment after its line was written.
LAG_SECONDS, LOGS_SECONDS = 2, 60
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Dynamo's name of the generation, which ends in its hash, is part of it.
RECEIVED = re.compile(
    r'^(\S+Z) .* request received .*\brequest_id="(.+?)" component="(.+?)" endpoint="generate" namespace="(.+?)"',
    re.MULTILINE,
)


@dataclass(frozen=True)
class Pairs:
    """
    Who computed prompts and tokens of a disaggregated release: so many requests had a decode worker. `mixed`: those
    whose prompt was another generation's, in whole or in a part that moved. `alone`: those for whose prompt no worker
    was asked before.
    """

    requests: int = 0
    mixed: int = 0
    alone: int = 0


@dataclass
class Counters:
    """
    Of each frontend the requests that it moved, read every second: one that has gone keeps its last number. Of each
    worker its log.
    """

    release: Release
    seen: dict[str, int] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    logs: dict[str, list[Background]] = field(default_factory=dict)
    since: str = ""

    @contextmanager
    def going(self) -> Iterator[None]:
        """Count from now on, as long as the block runs. Requests begin and end in it."""
        self._read_all()
        self.before = dict(self.seen)
        # By the clock of the nodes of kind, which is this machine's.
        self.since = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        with ExitStack() as programs:

            def look() -> None:
                # An API server that is away is one of the cases.
                with contextlib.suppress(HTTPError, kubernetes.client.ApiException):
                    self._follow(programs)
                    self._read()

            look()
            with meanwhile(look, 1):
                yield
            self._read_all()

    def _follow(self, programs: ExitStack) -> None:
        """A log ends with its container, or where a node does not answer."""
        kube, namespace = self.release.kube, self.release.namespace
        for component in ("prefill", "decode"):
            for pod in kube.pods(namespace, instance=self.release.name, component=component):
                # The first rank is the one that is asked.
                name, runs = pod.metadata.name, pod.status.phase == "Running"
                logs = self.logs.setdefault(name, [])
                if runs and pod.metadata.labels.get(RANK) != "worker" and (not logs or logs[-1].exit_code is not None):
                    logs.append(programs.enter_context(kube.following(namespace, name, CONTAINER)))

    def _read_all(self) -> None:
        wait_for("each frontend says what it has counted", self._read, lambda silent: not silent, 60, 1)

    def _read(self) -> dict[str, str]:
        """The frontends that do not answer, and why."""
        silent = {}
        kube, namespace = self.release.kube, self.release.namespace
        for pod in kube.pods(namespace, instance=self.release.name, component="frontend"):
            name = pod.metadata.name
            # One that was evicted says nothing more.
            if pod.status.phase in {"Failed", "Succeeded"}:
                continue
            try:
                answer = kube.pod(namespace, name, HTTP_PORT, "metrics", timeout=2)
                answer.raise_for_status()
            except (OSError, NoAnswerError) as error:
                # It starts, or has gone.
                silent[name] = str(error)
                continue
            now = _total(MOVED, answer.text)
            # A process that was killed begins anew.
            if now < self.seen.get(name, 0):
                self.before[name] = self.before.get(name, 0) - self.seen[name]
            self.seen[name] = now
        return silent

    def pairs(self, right: int) -> Pairs:
        """
        Who answered, while the logs are followed. Raises NotReachedError where they know of fewer requests than were
        answered right; a request that failed at a decode worker may stand for one that they lack.
        """
        seen: list[Pairs] = []

        def look() -> list[Pairs]:
            seen.append(pairs((log.said() for logs in self.logs.values() for log in logs), self.since))
            return seen[-2:]

        return wait_for(
            f"the workers' logs name the workers of {right} right answers, and nothing new",
            look,
            lambda last: last[-1].requests >= right and last.count(last[-1]) == 2,
            LOGS_SECONDS,
            LAG_SECONDS,
        )[-1]

    def moved(self) -> int:
        """Requests that went on at another worker."""
        return sum(count - self.before.get(name, 0) for name, count in self.seen.items())


def pairs(logs: Iterable[str], since: str = "") -> Pairs:
    """
    Of the requests whose first worker had them at that time or later, by one clock, which the nodes of kind share: the
    worker that computed the prompt is the last one that received the request before the worker that computed the
    tokens.
    """
    events = {event for log in logs for event in RECEIVED.findall(COLOURS.sub("", log))}
    begun: dict[str, str] = {}
    prompts: dict[str, str] = {}
    answered: set[str] = set()
    alone: set[str] = set()
    mixed: set[str] = set()
    # Of the same microsecond the prompt was first.
    for at, request, component, generation in sorted(events, key=lambda event: (event[0], event[2] != "prefill")):
        if begun.setdefault(request, at) < since:
            continue
        if component == "prefill":
            prompts[request] = generation
            continue
        answered.add(request)
        if request not in prompts:
            alone.add(request)
        elif prompts[request] != generation:
            mixed.add(request)
    return Pairs(len(answered), len(mixed), len(alone))


def _total(name: str, metrics: str) -> int:
    return round(sum(map(float, re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", metrics, re.MULTILINE))))
