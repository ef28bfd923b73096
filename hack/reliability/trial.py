"""One case: load, what happens, and what came of it."""

import re
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hack.base import process
from hack.base.paths import ROOT
from hack.base.wait import pause, wait_for
from hack.chart.helm import Helm, Values
from hack.chart.manifests import merged
from hack.cluster import controllers, scalers
from hack.cluster.release import Release
from hack.reliability import outage
from hack.reliability.cases import ALONE, Case, Loss
from hack.reliability.clients import MODEL, load
from hack.reliability.counters import Counters, Pairs
from hack.reliability.subject import Subject

KIND = re.compile(r" data:|\{")
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
    pairs: Pairs
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
        """
        Whether a client got less than it asked for, and more so than is known, or for longer; or generations met, or
        prefill workers were left out.
        """
        covered = self.loses.covers(self.failed + Counter({ALONE: self.pairs.alone}))
        return bool(not covered or self.clients["wrong"] or self.pairs.mixed or self.unexpected)

    @property
    def unexpected(self) -> bool:
        """Whether an outage is not as long as was to be expected, to 10 %."""
        return self.expected is not None and abs(self.clients["failing_seconds"] / self.expected - 1) > 0.1


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
        subject.prepare()
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
        pairs = counters.pairs(account["right"])
    if by_another:
        # The next case begins with a release of its own.
        _uninstall(release)
    return Outcome(
        name,
        account,
        round(seconds),
        counters.moved(),
        pairs,
        case.loses,
        expected,
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
