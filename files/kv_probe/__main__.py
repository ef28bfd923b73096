"""The probe.

python3 -m kv_probe offer            offers memory and waits for the other side
python3 -m kv_probe move ADDRESS     moves what is in one memory to the other; names the lane, and what to change
python3 -m kv_probe pod ADDRESS      in an Indexed Job: index 0 offers, index 1 moves, to or from ADDRESS
python3 -m kv_probe local            both on this machine
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from . import ProbeError
from .by_nixl import UCX
from .sides import move, offer

PORT = 18515


def go_on_above(number: int) -> None:
    """Go on in a child process whose number is above one; the parent waits for it and ends as it does."""
    while True:
        child = os.fork()
        if child == 0:
            if os.getpid() > number:
                return
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if child > number:
            os._exit(os.waitstatus_to_exitcode(status) & 255)


def local(arguments: Sequence[str]) -> int:
    """Both sides on this machine, each a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    own = [sys.executable, "-m", "kv_probe"]
    offers = subprocess.Popen([*own, "offer", *arguments, "--port", port], stdout=subprocess.DEVNULL)
    moves = subprocess.Popen([*own, "move", "127.0.0.1", *arguments, "--port", port])
    try:
        while moves.poll() is None:
            # Without the one the other would wait for --wait seconds, and blame a GPU.
            if offers.poll():
                how = f"signal {-offers.returncode}" if offers.returncode < 0 else f"exit status {offers.returncode}"
                raise ProbeError(f"the side that offers ended with {how}: what it said stands above")
            time.sleep(0.1)
        return moves.returncode
    finally:
        for side in (offers, moves):
            side.kill()
            side.wait()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["offer", "move", "pod", "local"])
    parser.add_argument("address", nargs="?", help="of the side that offers")
    parser.add_argument(
        "--operation",
        choices=["READ", "WRITE"],
        default="READ",
        help="READ: decode fetches, as with vLLM; WRITE: prefill sends, as with SGLang (default: %(default)s)",
    )
    parser.add_argument("--connector", default="nixl", help="what the workers move it with (default: %(default)s)")
    parser.add_argument("--protocol", default="rdma", help="what Mooncake is asked for (default: %(default)s)")
    parser.add_argument("--devices", default="", help="the RDMA devices that Mooncake may use (default: all)")
    parser.add_argument("--backend", default=UCX, help="NIXL's plugin (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="MiB to move (default: %(default)s)")
    parser.add_argument("--memory", choices=["auto", "gpu", "cpu"], default="auto", help="whose (default: a GPU's)")
    parser.add_argument("--min-gbps", type=float, default=0, help="fail below so many GB/s (default: %(default)s)")
    parser.add_argument("--no-tcp", action="store_true", help="fail over TCP, however fast it is")
    parser.add_argument("--apart", action="store_true", help="give the side that moves another process number")
    parser.add_argument("--port", type=int, default=PORT, help="(default: %(default)s)")
    parser.add_argument("--wait", type=int, default=240, help="seconds for the other side (default: %(default)s)")
    options = parser.parse_args()
    role = options.role
    if role == "local":
        return local([a for a in sys.argv[1:] if a != "local"])
    if role == "pod":
        role = "offer" if os.environ.get("JOB_COMPLETION_INDEX", "0") == "0" else "move"
    if role == "offer":
        return offer(options)
    if not options.address:
        parser.error("move needs the address of the side that offers")
    if options.apart:
        go_on_above(os.getpid() + 9)
    return move(options)


def fail(error: ProbeError) -> NoReturn:
    """Say what is wrong, and end."""
    sys.exit(f"FAIL: {error}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProbeError as problem:
        fail(problem)
