"""One question, and what the pods counted meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass

from . import frontend, pods
from .engines import TRANSFERS, Series, Transfers
from .metrics import Metrics
from .plan import Plan
from .pods import Snapshot
from .prompts import prompt

POLL_SECONDS = 20


@dataclass(frozen=True)
class Exchange:
    """A question, its answer, and the metrics of all pods before and after."""

    code_word: str
    answer: frontend.Answer
    before: Snapshot
    after: Snapshot

    def served(self, role: str) -> list[str]:
        """Addresses of the pods that counted a request."""
        return [address for address in self.after[role] if _requests(self._metrics(role, address)) > 0]

    def grown(self, role: str, series: Series) -> float | None:
        """By how much a counter of a role grew, in its unit; None where no pod has it."""
        values = [
            after - (old.total(series.name, **series.labels) or 0 if old else 0)
            for old, new in (self._metrics(role, address) for address in self.after[role])
            if (after := new.total(series.name, **series.labels)) is not None
        ]
        return sum(values) * series.unit if values else None

    def _metrics(self, role: str, address: str) -> tuple[Metrics | None, Metrics]:
        return self.before[role].get(address), self.after[role][address]


def _requests(metrics: tuple[Metrics | None, Metrics]) -> float:
    old, new = (m.total("dynamo_component_requests_total", dynamo_endpoint="generate") if m else 0 for m in metrics)
    return (new or 0) - (old or 0)


def expected(plan: Plan) -> Transfers | None:
    """The counters that a KV transfer must move, where there are any."""
    if plan.simulated or not plan.disaggregated:
        return None
    return TRANSFERS.get((plan.engine, plan.connector))


def exchange(plan: Plan, code_word: str, words: int, patience: float = POLL_SECONDS) -> Exchange:
    """Ask once; then wait until the pods have counted it, at most `patience` seconds. Raises FailedError."""
    before = pods.snapshot(plan)
    answer = frontend.ask(plan, prompt(code_word, words))
    deadline = time.monotonic() + patience
    while True:
        seen = Exchange(code_word, answer, before, pods.snapshot(plan))
        if counted(plan, seen) or time.monotonic() >= deadline:
            return seen
        time.sleep(0.5)


def counted(plan: Plan, seen: Exchange) -> bool:
    """Whether every pool, and the engine's KV counters, have counted an answer."""
    transfers = expected(plan)
    moved = transfers is None or bool(seen.grown(transfers.role, transfers.bytes))
    return moved and all(seen.served(role) for role in plan.pools)
