"""
Dynamo's frontend, which hangs up when it is told to: frontend.py PORT [ARGUMENT ...]

Told to stop, Dynamo 1.6.1 answers what comes on kept connections with 503, and a request of its last milliseconds
with 500 ("no endpoints available to route work"): its list of workers ends before its server does. A client that keeps
its connection sends one at any time, and gives up on both. So the preStop hook (drain.py) has the port and the
connections closed before the kubelet's signal comes, as a server does that is done: a client then asks again, of
another frontend.

SIGUSR1 closes the port, and every connection on which nothing is under way. A client that asks without a pause keeps
its own, is served, and is tried again with the next signal. SIGUSR2 does so while streams are open: a connection is one
of theirs unless nothing was sent for as long as a stream may stall.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import socket
import stat
import struct
import sys

# Milliseconds without a byte after which an answer has been sent to its end.
STALL = 10_000
QUIET = {signal.SIGUSR1: 50, signal.SIGUSR2: STALL}


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


def busy(each: socket.socket, quiet: int) -> bool:
    """Whether an answer is under way: the server sent just now, or received something since it sent last."""
    if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    # Milliseconds since, in Linux's tcp_info: tcpi_last_data_sent at byte 44, tcpi_last_data_recv at 52.
    sent, _, received = struct.unpack_from("=III", each.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64), 44)
    return sent < quiet or received <= min(sent, STALL)


def hang_up(port: int, quiet: int) -> None:
    """Close them: what reads or waits on them sees the end."""
    for each in sockets(port):
        # A client may be faster.
        with contextlib.suppress(OSError):
            if not busy(each, quiet):
                each.shutdown(socket.SHUT_RDWR)
        each.close()


def main(port: str, *arguments: str) -> None:
    for number, quiet in QUIET.items():
        signal.signal(number, lambda *_, quiet=quiet: hang_up(int(port), quiet))
    sys.argv[1:] = arguments
    runpy.run_module("dynamo.frontend", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
