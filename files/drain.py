"""
preStop hook of frontends and workers: wait until the pod has nothing in flight, for at least and at most some seconds.

  drain.py <metrics URL> <least> <quiet> <most> [hang-up]

It ends when no request was in flight for <quiet> seconds, and not before <least> seconds. With `hang-up` it then has
the container's process (frontend.py) close its port and its connections, and waits until all are closed.
$NAME in the URL is a variable of the container.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

INTERVAL = 0.1
# A client that asks without a pause would keep its connection for ever. Longer than a stream stands still that goes on
# at another worker (docs/reliability.md), and no longer than a quarter of the pod's grace period: <most> is half of it.
HANG_UP_SECONDS = 15
ESTABLISHED = "01"
# A server that does not answer is gone or hangs: nothing of it can be waited for.
GIVE_UP_AFTER = 3
# A proxy for the hub (HTTP_PROXY) is none for the pod itself.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def in_flight(metrics: str) -> float:
    """The sum of all series of Dynamo that count requests in flight; the name's beginning is the user's to choose."""
    return sum(map(float, re.findall(r"^\w+_inflight_requests(?:\{.*\})? (\S+)$", metrics, re.MULTILINE)))


def connected(port: int) -> int:
    """How many connections to a port are open, in the tables of this network namespace."""
    count = 0
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            count += state == ESTABLISHED and int(local.rpartition(":")[2], 16) == port
    return count


def hang_up(port: int, streams: bool, seconds: float = HANG_UP_SECONDS, process: int = 1) -> str:
    """Have the frontend close what is idle, until nothing is open or once while streams are; how that ended."""
    end = time.monotonic() + seconds
    while True:
        os.kill(process, signal.SIGUSR2 if streams else signal.SIGUSR1)
        time.sleep(INTERVAL / 2)
        left = connected(port)
        if not left or streams or time.monotonic() > end:
            return f"connections left open: {left}"


def drain(url: str, least: float, quiet: float, most: float) -> tuple[bool, str]:
    """Wait; whether requests are still in flight, and why it ended."""
    started = busy = time.monotonic()
    failures = 0
    while True:
        try:
            with OPENER.open(url, timeout=2) as answer:
                count = in_flight(answer.read().decode())
            failures = 0
        except (OSError, ValueError) as error:
            failures += 1
            if failures == GIVE_UP_AFTER:
                return False, f"{url}: {error}"
        else:
            now = time.monotonic()
            if count:
                busy = now
            elif now >= started + least and now >= busy + quiet:
                return False, "nothing is in flight"
        # Looked at once more at the end, which may be as early as <least>.
        left = started + most - time.monotonic()
        if left <= 0:
            return True, f"requests were in flight for all of {most:g} s"
        time.sleep(min(INTERVAL, left))


def main(url: str, *arguments: str) -> None:
    """Wait, have the process hang up if told to, and say how it ended where the container's log is."""
    least, quiet, most = map(float, arguments[:3])
    started = time.monotonic()
    streams, why = drain(os.path.expandvars(url), least, quiet, most)
    if "hang-up" in arguments[3:]:
        why += ", " + hang_up(urllib.parse.urlsplit(url).port or 80, streams, min(HANG_UP_SECONDS, most / 2))
    # A pod in the node's PID namespace, or another user's log.
    with contextlib.suppress(OSError), open("/proc/1/fd/2", "w", encoding="utf-8") as log:
        log.write(f"preStop: {why}, after {time.monotonic() - started:.1f} s\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
