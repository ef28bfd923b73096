"""
Dynamo's frontend, which hangs up when it is told to: frontend.py PORT [ARGUMENT ...]

Told to stop, Dynamo 1.6.1 answers what comes on kept connections with 503, and a request of its last milliseconds
with 500 ("no endpoints available to route work"): its list of workers ends before its server does. A client that keeps
its connection sends one at any time, and gives up on both. So the preStop hook (drain.py) has the port and the
connections closed before the kubelet's signal comes, as a server does that is done: a client then asks again, of
another frontend.

SIGUSR1 closes every connection on which nothing is under way, and the port when there is no other. A client that asks
without a pause keeps its own, is served, and is tried again with the next signal. The kernel's times say which
connections are quiet. A stream that stalls for a moment is quiet, too: for the first seconds none is closed while
Dynamo has more requests in flight than the other connections can have. SIGUSR2 closes the port, and of the connections
those that were quiet for as long as a stream may stall.
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
from collections.abc import Iterator

import drain

# Milliseconds without a byte after which an answer has been sent to its end.
STALL = 10_000
# Half of drain.py's time: with many clients there is no moment without a stream.
PATIENT_SECONDS = 2.5
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


def busy(each: socket.socket, quiet: int) -> bool:
    """Whether an answer is under way: the server sent just now, or received something since it sent last."""
    # Milliseconds since, in Linux's tcp_info: tcpi_last_data_sent at byte 44, tcpi_last_data_recv at 52.
    sent, _, received = struct.unpack_from("=III", each.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64), 44)
    return sent < quiet or received <= min(sent, STALL)


@contextlib.contextmanager
def in_flight(port: int) -> Iterator[tuple[float, int]]:
    """Requests that Dynamo has in flight, and the client's port of the connection that asked, open until the end."""
    # While nothing is known it may be any number.
    found: tuple[float, int] = math.inf, 0
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
        try:
            connection.connect()
            found = math.inf, connection.sock.getsockname()[1]
            connection.request("GET", "/metrics")
            found = drain.in_flight(connection.getresponse().read().decode()), found[1]
        except ConnectionRefusedError:
            # The port is closed already, because nothing was under way.
            found = 0, 0
        except (OSError, http.client.HTTPException):
            pass
        yield found


def hang_up(port: int, quiet: int, *, patient: bool = False) -> None:
    """
    Close those that were quiet for so long, and the port: what reads or waits on them sees the end. A patient one waits
    until they can have no stream, and closes the port last.
    """
    with in_flight(port) as (count, asking), contextlib.ExitStack() as copies:
        ports, used, idle = [], [], []
        for each in sockets(port):
            copies.callback(each.close)
            # A client may be faster.
            with contextlib.suppress(OSError):
                if listens(each):
                    ports.append(each)
                elif each.getpeername()[1] != asking:
                    (used if busy(each, quiet) else idle).append(each)
        if not patient or count <= len(used):
            for each in idle + ([] if patient and used else ports):
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
