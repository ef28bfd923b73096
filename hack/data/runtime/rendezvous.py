"""The rendezvous of a simulated worker of several nodes: proves its address, ranks and size by connecting.

A real engine's ranks meet at the leader's port 29500 before they load anything. Here rank 0 runs
`rendezvous.py lead` beside the mocker, and every other rank runs `rendezvous.py join` instead of the engine.
The leader's pod is ready when all ranks have joined; a wrong rank, size or address ends the pod that has it,
with a message. A rank that loses its leader ends too, as an engine's would, and joins again after its restart.

Environment: DYNAMO_LEADER_ADDRESS, DYNAMO_RANK, DYNAMO_GROUP_SIZE. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(os.environ.get("RENDEZVOUS_PORT", "29500"))
JOINED_PORT = int(os.environ.get("RENDEZVOUS_JOINED_PORT", "29501"))
PATIENCE_SECONDS = float(os.environ.get("RENDEZVOUS_SECONDS", "300"))


class Group:
    """The leader's list of the ranks that are connected."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.joined: dict[int, str] = {}
        self.lock = threading.Lock()

    def join(self, rank: int, size: int, name: str) -> str:
        """Let a rank in; returns what is wrong with it, or nothing."""
        with self.lock:
            if size != self.size:
                return f"{name} says the worker has {size} nodes, the leader says {self.size}"
            if not 1 <= rank < self.size:
                return f"{name} has rank {rank}, the others of a worker of {self.size} nodes have 1 to {self.size - 1}"
            if rank in self.joined:
                return f"{name} has rank {rank}, which {self.joined[rank]} has already"
            self.joined[rank] = name
            print(f"rank {rank} joined: {name} ({len(self.joined)}/{self.size - 1})", flush=True)
            return ""

    def leave(self, rank: int) -> None:
        """Forget a rank whose connection ended."""
        with self.lock:
            print(f"rank {rank} left: {self.joined.pop(rank)}", flush=True)


def lead(group: Group, listener: socket.socket) -> None:
    """Serve ranks until the process ends."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(group, connection), daemon=True).start()


def serve(group: Group, connection: socket.socket) -> None:
    """One rank: a JSON line in, a JSON line out, then the connection stays open while the rank lives."""
    with connection, connection.makefile("rw") as stream:
        try:
            asked = json.loads(stream.readline())
            rank, problem = int(asked["rank"]), ""
            problem = group.join(rank, int(asked["size"]), str(asked["name"]))
        except (ValueError, KeyError, TypeError):
            return  # not one of ours, e.g. a port scan
        stream.write(json.dumps({"problem": problem}) + "\n")
        stream.flush()
        if problem:
            print(f"refused: {problem}", flush=True)
            return
        with contextlib.suppress(OSError):
            stream.readline()
        group.leave(rank)


def report(group: Group) -> ThreadingHTTPServer:
    """The readiness endpoint: 200 when the group is complete, else 503 with the ranks that are missing."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            missing = sorted(set(range(1, group.size)) - set(group.joined))
            text = f"missing ranks: {missing}" if missing else "complete"
            self.send_response(503 if missing else 200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Not every probe is worth a line."""

    return ThreadingHTTPServer(("", JOINED_PORT), Handler)


def join(address: str, rank: int, size: int) -> None:
    """Join the leader and stay; ends the process with a message when that does not work."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    last = ""
    while True:
        try:
            connection = socket.create_connection((address, PORT), timeout=5)
            break
        except OSError as error:
            if str(error) != last:
                last = str(error)
                print(f"rank {rank} waits for its leader {address}:{PORT}: {last}", flush=True)
            if time.monotonic() > deadline:
                sys.exit(f"FAIL: rank {rank} cannot reach its leader at {address}:{PORT}: {last}")
            time.sleep(1)
    connection.settimeout(None)
    with connection, connection.makefile("rw") as stream:
        stream.write(json.dumps({"rank": rank, "size": size, "name": socket.gethostname()}) + "\n")
        stream.flush()
        answer = stream.readline()
        problem = json.loads(answer)["problem"] if answer else "the leader closed the connection"
        if problem:
            sys.exit(f"FAIL: {problem}")
        print(f"rank {rank} of {size} joined its leader at {address}:{PORT}", flush=True)
        stream.readline()
    sys.exit(f"rank {rank} lost its leader at {address}:{PORT}")


def main() -> None:
    """The command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    role = sys.argv[1] if len(sys.argv) == 2 else ""
    try:
        address = os.environ["DYNAMO_LEADER_ADDRESS"]
        rank, size = int(os.environ["DYNAMO_RANK"]), int(os.environ["DYNAMO_GROUP_SIZE"])
    except (KeyError, ValueError) as error:
        sys.exit(f"FAIL: the pod's rank, group size or leader address is missing or no number: {error}")
    if role == "join":
        join(address, rank, size)
    elif role == "lead":
        if rank != 0:
            sys.exit(f"FAIL: the leader has rank {rank}, not 0")
        group = Group(size)
        threading.Thread(target=report(group).serve_forever, daemon=True).start()
        with socket.create_server(("", PORT)) as listener:
            lead(group, listener)
    else:
        sys.exit("usage: rendezvous.py lead|join")


if __name__ == "__main__":
    main()
