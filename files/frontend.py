"""
Dynamo's frontend, which hangs up when it is told to: frontend.py PORT [ARGUMENT ...]

Told to stop, Dynamo 1.6.1 answers what comes on kept connections with 503, and a request of its last milliseconds
with 500 ("no endpoints available to route work"): its list of workers ends before its server does. A client that keeps
its connection sends one at any time, and gives up on both. So the preStop hook (drain.py) has the port and the
connections closed before the kubelet's signal comes, as a server does that is done: a client then asks again, of
another frontend.

SIGUSR1 closes every connection on which nothing is under way, and the port when there is no other. A client that asks
without a pause keeps its own, is served, and is tried again with the next signal. The kernel's times say which
connections are quiet. A stream that stalls for a moment is quiet, too: while Dynamo has more requests in flight than
the other connections can have, for the first seconds none is closed, and then all but as many as may be streams: those
that were quiet for the shortest time. SIGUSR2 closes the port, and of the connections those that were quiet for as long
as a stream may stall.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import os
import runpy
import signal
import socket
import stat
import struct
import sys
import time

import drain

# Milliseconds without a byte after which an answer has been sent to its end.
STALL = 10_000
# Less than drain.py's time: with many clients there is no moment without a stream that stalls.
PATIENT_SECONDS = 12.5
# Of the kernel's times, in milliseconds.
STEP = 10
QUIET: dict[int, int] = {signal.SIGUSR1: 50, signal.SIGUSR2: STALL}


def sockets(port: int) -> list[socket.socket]:
    """Copies of this process's sockets of a port: the one that listens, and those of its clients."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(number)).st_mode):
                continue
            copy = socket.socket(fileno=os.dup(int(number)))
        except OSError:
            # Closed since.
            continue
        if copy.family in (socket.AF_INET, socket.AF_INET6) and copy.getsockname()[1] == port:
            found.append(copy)
        else:
            copy.close()
    return found


def listens(each: socket.socket) -> bool:
    """Whether it is the port itself."""
    return bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def at_rest(each: socket.socket, quiet: int) -> int:
    """
    For how many milliseconds nothing has been under way on it; 0 while an answer is: the server sent just now, or
    received something since it sent last.
    """
    # Milliseconds since, in Linux's tcp_info: tcpi_last_data_sent at byte 44, tcpi_last_data_recv at 52.
    sent, _, received = struct.unpack_from("=III", each.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64), 44)
    return 0 if sent < quiet or received <= min(sent, STALL) else min(sent, received)


def in_flight(port: int) -> float:
    """Requests that Dynamo has in flight; while nothing is known it may be any number."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
        try:
            connection.request("GET", "/metrics")
            return drain.in_flight(connection.getresponse().read().decode())
        except ConnectionRefusedError:
            # The port is closed already, because nothing was under way.
            return 0
        except (OSError, http.client.HTTPException):
            return math.inf


def hang_up(port: int, quiet: int, *, patient: bool = False) -> None:
    """
    Close those that were quiet for so long, but as many as may have a stream, and the port: what reads or waits on them
    sees the end. A patient one waits until they can have no stream, and closes the port last.
    """
    with contextlib.ExitStack() as copies:
        found = [copies.enter_context(each) for each in sockets(port)]
        before = time.monotonic()
        count = in_flight(port)
        # Looked at when the count is known: one with a request since then is not at rest.
        quiet = max(quiet, math.ceil(1000 * (time.monotonic() - before)) + STEP)
        ports: list[socket.socket] = []
        resting: list[tuple[int, socket.socket]] = []
        used = 0
        for each in found:
            # A client may be faster.
            with contextlib.suppress(OSError):
                if listens(each):
                    ports.append(each)
                elif rest := at_rest(each, quiet):
                    resting.append((rest, each))
                else:
                    used += 1
        if patient and count > used:
            return
        streams = 0 if math.isinf(count) else max(0, round(count) - used)
        ended = [each for _, each in sorted(resting, key=lambda pair: pair[0])[streams:]]
        for each in ended + ([] if patient and used else ports):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def main(port: str, *arguments: str) -> None:
    first: list[float] = []

    def told(number: int, _: object) -> None:
        first.append(time.monotonic())
        patient = number == signal.SIGUSR1 and first[-1] < first[0] + PATIENT_SECONDS
        hang_up(int(port), QUIET[number], patient=patient)

    for number in QUIET:
        signal.signal(number, told)
    sys.argv[1:] = arguments
    runpy.run_module("dynamo.frontend", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
