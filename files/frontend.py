"""
Dynamo's frontend, which hangs up when it is told to: frontend.py PORT [ARGUMENT ...]

Told to stop, Dynamo 1.6.1 answers a request of its last milliseconds with 500 ("no endpoints available to route work"):
its list of workers ends before its server does. A client that keeps its connection sends one at any time, and gives up
on a 500. So SIGUSR1, which the preStop hook sends when nothing is in flight (drain.py), closes the port and its
connections first, as a server does that is done: a client then asks again, of another frontend. A connection that just
sent may have the end of its answer to send yet: Dynamo closes it.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import socket
import struct
import sys

MOMENT_MS = 100


def sockets(port: int) -> list[socket.socket]:
    """Copies of this process's sockets of a port: the one that listens, and those of its clients."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            copy = socket.socket(fileno=os.dup(int(number)))
        except OSError:
            # A file, or closed since.
            continue
        if copy.family in (socket.AF_INET, socket.AF_INET6) and copy.getsockname()[1] == port:
            found.append(copy)
        else:
            copy.close()
    return found


def sends(each: socket.socket) -> bool:
    """Whether a connection has just sent: at byte 44 of tcp_info Linux has the milliseconds since."""
    if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    since: int = struct.unpack_from("=I", each.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64), 44)[0]
    return since < MOMENT_MS


def hang_up(port: int) -> None:
    """Close them: what reads or waits on them sees the end."""
    for each in sockets(port):
        # A client may be faster.
        with contextlib.suppress(OSError):
            if not sends(each):
                each.shutdown(socket.SHUT_RDWR)
        each.close()


def main(port: str, *arguments: str) -> None:
    def told(*_: object) -> None:
        hang_up(int(port))
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGUSR1, told)
    sys.argv[1:] = arguments
    runpy.run_module("dynamo.frontend", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
