"""What is to be proved: the document that templates/tests/_verify.tpl renders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

PREFILL, DECODE = "prefill", "decode"


class FailedError(Exception):
    """The release cannot be asked; the message says what to look at or change."""


@dataclass(frozen=True)
class Plan:
    """The release, and what its values promise of it."""

    release: str
    namespace: str
    model: str
    engine: str
    connector: str
    simulated: bool
    url: str
    # Role -> headless Service, which resolves to the pods that serve it; one role only when aggregated.
    pools: dict[str, str]
    block_size: int
    prompt_tokens: int
    answer_tokens: int
    # The first of them warms up.
    requests: int
    require_code_word: bool
    # The slowest KV transfer that is accepted, in GB/s (10^9 bytes); whether the values set it, and its reason.
    floor: float
    floor_set: bool
    floor_reason: str
    # How long to wait for the model to be listed.
    wait_seconds: int

    @property
    def disaggregated(self) -> bool:
        """Whether there are two pools."""
        return PREFILL in self.pools


def read(path: Path) -> Plan:
    """The plan in a file."""
    return Plan(**json.loads(path.read_text()))
