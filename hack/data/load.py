"""
Streaming clients of a frontend, each one request after the other, until a file says stop. It runs in a pod, so it needs
Python only.

  load.py <url of the frontend> <model> <file: stop when it is there> [<tokens of a long answer> [<bearer token>]]

Eight clients, as many kinds as there are ways to lose an answer: four open a connection for each short answer, two keep
theirs, two stream long answers. Those that keep a connection do as pools of urllib3, httpx and OpenAI's client: they
see one that the server has closed, and ask once more when one breaks before any answer. Every second, and at the end, a
line of JSON says what has come of the requests so far.
"""

from __future__ import annotations

import http.client
import json
import select
import sys
import threading
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

THINKING_SECONDS = 0.15
# Longer than any stall that a release may have; a client gives up then.
PATIENCE_SECONDS = 180
SHORT, LONG = 48, 512
# A connection that the server closed while a request was on its way.
BROKEN = ("RemoteDisconnected", "BrokenPipeError", "ConnectionResetError")


@dataclass
class Account:
    """
    What came of the requests. `wrong`: an answer that ended well with other tokens than it should have. `asked_again`:
    on a new connection, because a kept one broke before a byte of the answer; each is one request of `sent`.
    """

    sent: int = 0
    right: int = 0
    wrong: int = 0
    shed: int = 0
    asked_again: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    first_failure: float = 0
    last_failure: float = 0
    longest_stall: float = 0
    longest_answer: float = 0
    slowest_refusal: float = 0
    first_tokens: list[float] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock, repr=False)

    def add(self, outcome: str, tokens: int, wanted: int, gaps: list[float], seconds: float = 0) -> None:
        """
        One request: how it ended ("" is well), the times between its tokens, the first one's first, and how long it
        took.
        """
        with self.lock:
            self.sent += 1
            self.longest_stall = max(self.longest_stall, *gaps, 0)
            self.longest_answer = max(self.longest_answer, sum(gaps))
            self.first_tokens += gaps[:1]
            if outcome.startswith("529"):
                self.shed += 1
                self.slowest_refusal = max(self.slowest_refusal, seconds)
            elif outcome:
                self.failed[outcome] += 1
                self.last_failure = time.monotonic()
                self.first_failure = self.first_failure or self.last_failure
            elif tokens == wanted:
                self.right += 1
            else:
                self.wrong += 1

    def line(self) -> str:
        """As JSON."""
        with self.lock:
            firsts = sorted(self.first_tokens)
            median, most = (round(firsts[int(x * (len(firsts) - 1))], 2) if firsts else None for x in (0.5, 0.99))
            return json.dumps(
                {
                    "sent": self.sent,
                    "right": self.right,
                    "wrong": self.wrong,
                    "shed": self.shed,
                    "asked_again": self.asked_again,
                    "failed": dict(self.failed),
                    "failing_seconds": round(self.last_failure - self.first_failure, 1),
                    "longest_stall": round(self.longest_stall, 2),
                    "longest_answer": round(self.longest_answer, 2),
                    "slowest_refusal": round(self.slowest_refusal, 2),
                    "first_token_p50": median,
                    "first_token_p99": most,
                }
            )


def closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has closed a connection on which nothing is under way."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


class Client(threading.Thread):
    """Asks, reads, thinks, asks again."""

    def __init__(
        self, account: Account, url: str, model: str, tokens: int, stop: Path, *, keeps: bool, token: str = ""
    ) -> None:
        super().__init__(daemon=True)
        self.account, self.model, self.tokens, self.stop, self.keeps = account, model, tokens, stop, keeps
        self.address = urllib.parse.urlsplit(url).netloc
        self.headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Until the file is there."""
        while not self.stop.exists():
            gaps: list[float] = []
            if self.connection and closed(self.connection):
                self._hang_up()
            kept = self.connection is not None
            outcome, tokens = self._ask(gaps)
            if kept and outcome in BROKEN and not tokens:
                self._hang_up()
                with self.account.lock:
                    self.account.asked_again += 1
                outcome, tokens = self._ask(gaps)
            self.account.add(outcome, tokens, self.tokens, gaps)
            if outcome or not self.keeps:
                self._hang_up()
            time.sleep(THINKING_SECONDS)

    def question(self) -> str:
        """A prompt that no cache knows."""
        return f"Question {time.monotonic_ns()}: what is a KV cache?"

    def _hang_up(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None

    def _ask(self, gaps: list[float]) -> tuple[str, int]:
        """How one request ended, and its tokens."""
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": self.question()}],
            "max_tokens": self.tokens,
            "ignore_eos": True,
            "stream": True,
        }
        tokens, last = 0, time.monotonic()
        try:
            self.connection = self.connection or http.client.HTTPConnection(self.address, timeout=PATIENCE_SECONDS)
            self.connection.request("POST", "/v1/chat/completions", json.dumps(body), self.headers)
            answer = self.connection.getresponse()
            if answer.status != 200:
                return f"{answer.status} {answer.read()[:200].decode(errors='replace')}", 0
            ended = False
            for line in answer:
                if b'"error"' in line:
                    return f"error event {line[:200].strip().decode(errors='replace')}", tokens
                if b'"content"' in line:
                    now = time.monotonic()
                    gaps.append(now - last)
                    last, tokens = now, tokens + 1
                ended = ended or line.strip() == b"data: [DONE]"
        except (OSError, http.client.HTTPException) as error:
            gaps.append(time.monotonic() - last)
            return type(error).__name__, tokens
        return ("" if ended else "no end marker"), tokens


def main(url: str, model: str, stop: Path, long: int = LONG, token: str = "") -> None:
    """Eight clients, and a line each second."""
    account = Account()
    kinds = [(SHORT, False)] * 4 + [(SHORT, True)] * 2 + [(long, False)] * 2
    clients = [Client(account, url, model, tokens, stop, keeps=keeps, token=token) for tokens, keeps in kinds]
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients):
        time.sleep(1)
        print(account.line(), flush=True)
    print(account.line(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]) if sys.argv[4:] else LONG, *sys.argv[5:])
