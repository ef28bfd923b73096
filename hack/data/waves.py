"""
Requests at a rate, in phases, whether or not the answers keep up: load that grows, ends, or is too much. It runs in a
pod, beside load.py, so it needs Python only.

  python3 -m hack.data.waves <url of the frontend> <model> <words of a prompt> <tokens of an answer> <rate>x<seconds>...

Requests come at random times, as those of many people do. Each has a connection of its own. So that a release that
answers nothing cannot pile up threads, no more than MOST are under way; what is held back by that is counted. Every
second, and at the end, a line of JSON says of each phase what has come of its requests.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.data.load import Account, Client

MOST = 200
NEVER = Path("/nowhere/stop")


@dataclass
class Phase:
    """So many requests a second for so many seconds, and what came of them."""

    rate: float
    seconds: float
    account: Account = field(default_factory=Account)
    held_back: int = 0

    def told(self) -> dict[str, Any]:
        """As one object."""
        counts: dict[str, Any] = json.loads(self.account.line())
        return {"rate": self.rate, "seconds": self.seconds, "held_back": self.held_back, **counts}


class Asker(Client):
    """One request."""

    def __init__(self, phase: Phase, url: str, model: str, words: int, tokens: int) -> None:
        super().__init__(phase.account, url, model, tokens, NEVER, keeps=False)
        self.words = words

    def run(self) -> None:
        """Ask, and count."""
        gaps: list[float] = []
        begin = time.monotonic()
        outcome, tokens = self._ask(gaps)
        self.account.add(outcome, tokens, self.tokens, gaps, time.monotonic() - begin)
        self._hang_up()

    def question(self) -> str:
        """Of so many words, the first of which no other prompt has."""
        return f"{time.monotonic_ns()} " + "banana " * self.words


def main(url: str, model: str, words: int, tokens: int, phases: Sequence[Phase]) -> None:
    """All phases, and a line each second."""
    askers: list[Asker] = []
    chance = random.Random(1)
    told = time.monotonic()

    def tell() -> None:
        print(json.dumps([phase.told() for phase in phases]), flush=True)

    for phase in phases:
        begin = due = time.monotonic()
        while (due := due + chance.expovariate(phase.rate)) < begin + phase.seconds:
            while (now := time.monotonic()) < due:
                if now - told >= 1:
                    tell()
                    told = now
                time.sleep(min(due - now, 0.2))
            askers = [asker for asker in askers if asker.is_alive()]
            if len(askers) < MOST:
                askers.append(Asker(phase, url, model, words, tokens))
                askers[-1].start()
            else:
                phase.held_back += 1
        time.sleep(max(0, begin + phase.seconds - time.monotonic()))
    for asker in askers:
        asker.join()
    tell()


def parsed(text: str) -> Phase:
    """Of "<rate>x<seconds>"."""
    rate, _, seconds = text.partition("x")
    return Phase(float(rate), float(seconds))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), [parsed(text) for text in sys.argv[5:]])
