"""One case: load, what happens, and what came of it."""

import contextlib
import re
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import kubernetes
from urllib3.exceptions import HTTPError

from hack.base import process
from hack.base.paths import ROOT
from hack.base.wait import meanwhile, pause, wait_for
from hack.chart.helm import Helm, Values
from hack.chart.manifests import GENERATION, RANK, merged
from hack.cluster import controllers, scalers
from hack.cluster.apiserver import NoAnswerError
from hack.cluster.release import Release
from hack.cluster.serving import HTTP_PORT, SYSTEM_PORT, request_count, worker_names
from hack.reliability import outage
from hack.reliability.cases import Case, Loss
from hack.reliability.clients import MODEL, load
from hack.reliability.subject import Subject

KIND = re.compile(r" data:|\{")
MOVED = "dynamo_frontend_model_migration_total"
LWS = "lws"
BEFORE_SECONDS, AFTER_SECONDS = 10, 10
# Two of each, as whoever wants to lose nothing has; answers at a pace at which a long one takes some seconds.
VALUES: Values = {
    "global": {"simulation": {"enabled": True, "resources": {"requests": {"cpu": "10m"}}}, "router": {"mode": "kv"}},
    **{name: {"replicas": 2, "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}} for name in ("prefill", "decode")},
    "frontend": {"replicas": 2},
}


@dataclass(frozen=True)
class Outcome:
    """A case, what clients saw, and what the release did."""

    case: str
    clients: dict[str, Any]
    seconds: float
    moved: int
    mixed: int
    loses: Loss
    expected: float | None = None

    @property
    def failed(self) -> Counter[str]:
        """By status, or kind of error: what stands in an error's JSON differs from one to the next."""
        brief: Counter[str] = Counter()
        for what, count in self.clients["failed"].items():
            brief[KIND.split(what)[0].strip().replace("|", "/")] += count
        return brief

    @property
    def lost(self) -> bool:
        """Whether a client got less than it asked for, and more so than is known, or for longer; or generations met."""
        return bool(not self.loses.covers(self.failed) or self.clients["wrong"] or self.mixed or self.unexpected)

    @property
    def unexpected(self) -> bool:
        """Whether an outage is not as long as was to be expected, to 10 %."""
        return self.expected is not None and abs(self.clients["failing_seconds"] / self.expected - 1) > 0.1


@dataclass
class Counters:
    """
    What each pod has counted, by component, generation and name: of a worker the requests served, of a frontend those
    moved. And the generation of each worker, by the name that answers give it. Read every second; a pod that has gone
    keeps its last number.
    """

    release: Release
    generations: dict[str, str] = field(default_factory=dict)
    seen: dict[tuple[str, str, str], int] = field(default_factory=dict)
    before: dict[tuple[str, str, str], int] = field(default_factory=dict)

    @contextmanager
    def going(self) -> Iterator[None]:
        """
        Count from now on, as long as the block runs. Requests begin and end in it: before and after, each pod says its
        number, so that of those that are left none is an older one than another's.
        """
        self._read_all()
        self.before = dict(self.seen)
        with meanwhile(self._read_what_answers, 1):
            yield
        self._read_all()

    def _read_all(self) -> None:
        wait_for("each pod says what it has counted", self._read, lambda silent: not silent, 60, 1)

    def _read_what_answers(self) -> None:
        # An API server that is away is one of the cases.
        with contextlib.suppress(HTTPError, kubernetes.client.ApiException):
            self._read()

    def _read(self) -> dict[str, str]:
        """The pods that do not answer, and why."""
        silent = {}
        kube, namespace = self.release.kube, self.release.namespace
        for component, port in (("prefill", SYSTEM_PORT), ("decode", SYSTEM_PORT), ("frontend", HTTP_PORT)):
            for pod in kube.pods(namespace, instance=self.release.name, component=component):
                if pod.metadata.labels.get(RANK) == "worker":
                    # The first rank answers for the group.
                    continue
                try:
                    answer = kube.pod(namespace, pod.metadata.name, port, "metrics", timeout=2)
                    answer.raise_for_status()
                except (OSError, NoAnswerError) as error:
                    # It starts, or has gone.
                    silent[pod.metadata.name] = str(error)
                    continue
                text = answer.text
                generation = pod.metadata.labels.get(GENERATION, "")
                count = request_count(text) if port == SYSTEM_PORT else _total(MOVED, text)
                self.seen[component, generation, pod.metadata.name] = count
                if port == SYSTEM_PORT:
                    self.generations |= dict.fromkeys(worker_names(text), generation)
        return silent

    def _counted(self) -> Iterator[tuple[str, str, int]]:
        for key, count in self.seen.items():
            yield key[0], key[1], count - self.before.get(key, 0)

    def moved(self) -> int:
        """Requests that went on at another worker."""
        return sum(count for component, _, count in self._counted() if component == "frontend")

    def mixed(self, pairs: Mapping[str, int]) -> int:
        """
        Answers whose workers (hack/data/load.py) are of two generations, or not known to be of one; and of those that
        moved, which go on naming their first workers, as many as what the workers counted leaves room for. There as
        many mixed one way as the other cancel out.
        """
        named = sum(count for pair, count in pairs.items() if not self._alike(pair))
        return named + min(self.moved(), self._beyond())

    def _alike(self, pair: str) -> bool:
        generations = {self.generations.get(worker) for worker in pair.split()}
        return len(generations) == 1 and None not in generations

    def _beyond(self) -> int:
        """
        Each mixed pair is an answer too many in one generation and a prompt too many in another. A worker that goes may
        take its last second's numbers along, which is on one side only.
        """
        beyond: Counter[str] = Counter()
        for component, generation, count in self._counted():
            beyond[generation] += {"decode": count, "prefill": -count}.get(component, 0)
        answers = sum(count for count in beyond.values() if count > 0)
        prompts = sum(-count for count in beyond.values() if count < 0)
        return min(answers, prompts)


def _total(name: str, metrics: str) -> int:
    return round(sum(map(float, re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", metrics, re.MULTILINE))))


def trial(release: Release, name: str, case: Case, requests: int = 0) -> Outcome:
    """Install the release, put load on it, let the case happen, and count; go on until so many requests were sent."""
    if case.images:
        scalers.load(release.kube, case.images)
    if LWS in case.images:
        with controllers.installed(release.kube, LWS):
            try:
                return _trial(release, name, case, requests)
            finally:
                # Its LeaderWorkerSets, while somebody removes them.
                _uninstall(release)
    return _trial(release, name, case, requests)


def _trial(release: Release, name: str, case: Case, requests: int) -> Outcome:
    by_another = bool(case.commit) or case.helm != release.helm.name
    if by_another:
        _uninstall(release)
    with chart_of(case.commit) as chart:
        subject = Subject(replace(release, helm=Helm(case.helm), chart=chart), merged(VALUES, case.values))
        subject.upgrade({})
    subject.settle()
    release.endpoint.wait_for_model(MODEL)
    counters = Counters(release)
    expected = None
    with counters.going(), load(release, case.tokens) as clients:
        pause(BEFORE_SECONDS)
        if case.outage:
            expected = outage.expected(release, clients.last()["longest_answer"])
        started = time.monotonic()
        case.act(subject)
        subject.settle()
        seconds = time.monotonic() - started
        pause(AFTER_SECONDS)
        wait_for(f"{requests} requests", clients.sent, lambda sent: sent >= requests, 600, 1)
        account = clients.finish()
    if by_another:
        # The next case begins with a release of its own.
        _uninstall(release)
    return Outcome(
        name, account, round(seconds), counters.moved(), counters.mixed(account["pairs"]), case.loses, expected
    )


def _uninstall(release: Release) -> None:
    done = release.attempt("uninstall", release.name, "--ignore-not-found", "--wait", "--timeout=240s")
    assert done.code == 0, done.stderr


@contextmanager
def chart_of(commit: str) -> Iterator[str]:
    """The folder of this chart, or of an older one's. Raises UserError where the history does not reach so far."""
    if not commit:
        yield str(ROOT)
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "chart.tar"
        process.output(
            ["git", "-C", ROOT, "archive", f"--output={archive}", commit],
            f"the chart of commit {commit}, for which the whole history is needed (git fetch --unshallow)",
        )
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        archive.unlink()
        yield folder
