"""
preStop hook of frontends and workers: wait until the pod has nothing in flight, for at least and at most some seconds.

  drain.py <metrics URL> <least> <quiet> <most> [hang-up]

It ends when no request was in flight for <quiet> seconds, and not before <least> seconds. With `hang-up` it then
tells the container's process to close its connections and stop (frontend.py): before the kubelet's signal, which comes
some tenths of a second later, a client that keeps its connection could begin another request.
$NAME in the URL is a variable of the container.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
import urllib.request

INTERVAL = 0.1
# A server that does not answer is gone or hangs: nothing of it can be waited for.
GIVE_UP_AFTER = 3
# A proxy for the hub (HTTP_PROXY) is none for the pod itself.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def in_flight(metrics: str) -> float:
    """The sum of all series of Dynamo that count requests in flight; the name's beginning is the user's to choose."""
    return sum(map(float, re.findall(r"^\w+_inflight_requests(?:\{.*\})? (\S+)$", metrics, re.MULTILINE)))


def drain(url: str, least: float, quiet: float, most: float) -> str:
    """Wait; why it ended."""
    started = busy = time.monotonic()
    failures = 0
    while time.monotonic() < started + most:
        try:
            with OPENER.open(url, timeout=2) as answer:
                count = in_flight(answer.read().decode())
            failures = 0
        except (OSError, ValueError) as error:
            failures += 1
            if failures == GIVE_UP_AFTER:
                return f"{url}: {error}"
        else:
            now = time.monotonic()
            if count:
                busy = now
            elif now >= started + least and now >= busy + quiet:
                return "nothing is in flight"
        time.sleep(INTERVAL)
    return f"requests were in flight for all of {most:g} s"


def main(url: str, *arguments: str) -> None:
    """Wait, say why it ended where the container's log is, and tell the process to hang up if told to."""
    least, quiet, most = map(float, arguments[:3])
    started = time.monotonic()
    why = drain(os.path.expandvars(url), least, quiet, most)
    try:
        with open("/proc/1/fd/2", "w", encoding="utf-8") as log:
            log.write(f"preStop: {why}, after {time.monotonic() - started:.1f} s\n")
    except OSError:
        # A pod in the node's PID namespace, or another user's log.
        pass
    if "hang-up" in arguments[3:]:
        os.kill(1, signal.SIGUSR1)


if __name__ == "__main__":
    main(*sys.argv[1:])
