"""The two sides of a transfer: one offers its memory, the other moves the content of one to the other, and judges."""

from __future__ import annotations

import argparse
import json
import os
import socket
import time
from typing import Any, TextIO

from . import ProbeError
from .by_mooncake import Mooncake
from .by_nixl import MOVE_SECONDS, Nixl
from .memory import memory
from .verdict import GET, verdict

BLOCKS = 64
MOVES = 4
MARK = 7


class Side:
    """A connector and its memory, which has the mark in every byte where the KV cache would be."""

    def __init__(self, role: str, options: argparse.Namespace, marked: bool) -> None:
        self.size: int = options.size * 2**20
        self.block = self.size // BLOCKS
        self.connector: Nixl | Mooncake
        if options.connector == "mooncake":
            self.connector = Mooncake(options.protocol, options.devices)
        else:
            self.connector = Nixl(role, options.backend)
        self.memory = memory(options.memory, self.size, MARK if marked else 0, self.connector.allocate)
        self.connector.register(self.memory, self.block)
        node = os.environ.get("NODE_NAME") or socket.gethostname()
        self.who = {"node": node, "process": os.getpid(), "memory": self.memory.name}

    def start(self, connection: socket.socket) -> None:
        """Be at the address at which the other side has this one."""
        self.connector.start(connection.getsockname()[0].removeprefix("::ffff:"))

    def marked(self) -> bool:
        """Whether all of its memory has the mark."""
        return self.memory.content() == bytes([MARK]) * self.size


def offer(options: argparse.Namespace) -> int:
    """Offer memory to the side that moves, and print its verdict."""
    side = Side("offers", options, options.operation == "READ")
    with _server(options.port) as server:
        server.settimeout(options.wait)
        print(f"{side.size >> 20} MiB of {side.memory.name} are offered on port {options.port}", flush=True)
        try:
            connection, _ = server.accept()
        except TimeoutError as error:
            raise ProbeError(f"nobody came in {options.wait} s: is there a second GPU for the other pod?") from error
        with connection, connection.makefile("rw") as stream:
            side.start(connection)
            how = {"size": side.size, "operation": options.operation, "connector": side.connector.name}
            say(stream, {"who": side.who, "how": how, "introduction": side.connector.introduction()})
            if stream.readline():
                say(stream, {"marked": side.marked()})
            answer = hear(stream)
    print(answer["verdict"])
    return 0


def move(options: argparse.Namespace) -> int:
    """Move between both memories, and judge. Exit status 1: wrong bytes, or slower than --min-gbps."""
    with _connect(options) as connection, connection.makefile("rw") as stream:
        other = hear(stream)
        side = Side("moves", options, options.operation == "WRITE")
        how = {"size": side.size, "operation": options.operation, "connector": side.connector.name}
        if how != other["how"]:
            size, operation, connector = other["how"].values()
            raise ProbeError(f"the other side has --size {size >> 20}, {operation} and {connector}: use the same")
        side.start(connection)
        seconds = transfers(side, other["introduction"], options.operation)
        say(stream, {"moved": True})
        right = hear(stream)["marked"] and side.marked()
        lane = side.connector.lane(options.operation, side.block)
        speed = side.size / 1e9 / min(seconds)
        told = options.operation != "READ" or os.environ.get(GET, "").lower() in ("y", "yes", "on", "1")
        prefill, decode = (other["who"], side.who)[:: 1 if options.operation == "READ" else -1]
        conditions = {"told": told, "mooncake": isinstance(side.connector, Mooncake), "no_tcp": options.no_tcp}
        lines = [
            f"prefill  {_place(prefill)}",
            f"decode   {_place(decode)}",
            f"lane     {lane.name}: {options.operation} by {side.connector.name}, {lane.words}",
            f"speed    {speed:.2f} GB/s (the first, which connects, took {1000 * seconds[0]:.0f} ms)",
            verdict(lane, speed, right, prefill, decode, options.min_gbps, **conditions),
        ]
        if options.connector not in ("nixl", "mooncake"):
            lines.insert(
                -1, f"note     the workers move it with {options.connector}: this is NIXL, over the same devices"
            )
        print("\n".join(lines))
        say(stream, {"verdict": "\n".join(lines)})
    return 1 if lines[-1].startswith("FAIL") else 0


def transfers(side: Side, introduction: dict[str, Any], operation: str) -> list[float]:
    """Seconds of each transfer of all blocks."""
    seconds = []
    try:
        side.connector.meet(introduction)
        for _ in range(MOVES):
            started = time.perf_counter()
            side.connector.move(operation)
            seconds.append(time.perf_counter() - started)
    except ProbeError:
        raise
    except Exception as error:
        raise ProbeError(
            f"{side.connector.name} gave up a transfer ({type(error).__name__}: {error}): see its lines above and the "
            "other log"
        ) from error
    return seconds


def say(stream: TextIO, what: dict[str, Any]) -> None:
    """Send one line."""
    print(json.dumps(what), file=stream, flush=True)


def hear(stream: TextIO) -> dict[str, Any]:
    """The other side's next line. Raises ProbeError where it broke off."""
    try:
        line = stream.readline()
    except ConnectionError:
        line = ""
    if not line:
        raise ProbeError("the other side broke off: see the log of the other pod")
    heard: dict[str, Any] = json.loads(line)
    return heard


def _server(port: int) -> socket.socket:
    """A listener on every address, in clusters of either IP version."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _connect(options: argparse.Namespace) -> socket.socket:
    """A connection to the side that offers, which may start later."""
    deadline = time.monotonic() + options.wait
    while True:
        try:
            return socket.create_connection((options.address, options.port), timeout=MOVE_SECONDS)
        except OSError as error:
            if time.monotonic() >= deadline:
                where = f"{options.address} port {options.port}"
                raise ProbeError(
                    f"{where} gave no answer in {options.wait} s ({error}): is there a second GPU for the other pod?"
                ) from error
        time.sleep(1)


def _place(who: dict[str, Any]) -> str:
    return f"{who['memory']} on {who['node']}, process number {who['process']}"
