"""What is to be measured: the document that templates/benchmark.yaml renders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# More streams than these warm nothing that they do not.
WARM_STREAMS = 32


class FailedError(Exception):
    """Nothing can be measured; the message says what to look at or change."""


@dataclass(frozen=True)
class Workload:
    """Every prompt length is measured at every number of streams."""

    name: str
    prompt_tokens: list[int]
    answer_tokens: int
    concurrencies: list[int]
    # Of one point.
    requests: int
    # Of each prompt, the same in all; the rest is in no other prompt.
    shared_prefix_tokens: int


@dataclass(frozen=True)
class Plan:
    """The release, the load, and the limits."""

    model: str
    url: str
    # Where every frontend has an address of its own, as host:port; empty where `url` is the only one.
    frontends: str
    # A folder or a name that AIPerf's tokenizer is loaded from.
    tokenizer: str
    workload: Workload
    ttft_ms: float
    itl_ms: float
    # Role -> {replicas, gpus of one}; decode alone when aggregated.
    pools: dict[str, dict[str, int]]
    engine: str
    simulated: bool
    wait_seconds: int

    def warmup(self, concurrency: int) -> int:
        """As many as make every prefill worker meet every decode worker: their first transfer is slow."""
        pairs = 1
        for pool in self.pools.values():
            pairs *= pool["replicas"]
        return max(min(concurrency, WARM_STREAMS), 2 * pairs)


def read(path: Path) -> Plan:
    """The plan in a file."""
    return of(json.loads(path.read_text()))


def of(document: dict[str, Any]) -> Plan:
    """The plan of a document."""
    return Plan(**{**document, "workload": Workload(**document["workload"])})
