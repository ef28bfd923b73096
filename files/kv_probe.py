"""Which way does the KV cache take between two pods, and how fast? One NIXL transfer, as the engines do it.

  kv_probe.py offer            offers memory and waits for the other side
  kv_probe.py move ADDRESS     moves what is in one memory to the other; names the lane, and what to change
  kv_probe.py pod ADDRESS      in an Indexed Job: index 0 offers, index 1 moves, to or from ADDRESS
  kv_probe.py local            both on this machine

Needs NIXL and NumPy, as Dynamo's runtime images have them, and the driver's libcuda for the memory of a GPU. UCX takes
its settings from the environment, as it does for a worker.
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import importlib
import json
import mmap
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO

PORT = 18515
UCX, NIXL = "UCX", "nixl"
DOCS = "docs/kv-path.md"
BLOCKS = 64
MOVES = 4
MARK = 7
MOVE_SECONDS = 60
# Where UCX sees no NVLink, as in a virtual machine with one GPU, it reads over cuda_ipc only with this.
GET = "UCX_CUDA_IPC_ENABLE_GET_ZCOPY"


class ProbeError(Exception):
    """The probe cannot run; the message says what to change."""


# The lane


@dataclass(frozen=True)
class Lane:
    """What UCX chose for a transfer: its name for people, and UCX's own words."""

    name: str
    words: str


TCP, RDMA, SHARED = "TCP", "RDMA", "shared memory of the host"
# What UCX calls a transfer that no transport can do by itself: copies through host memory.
EMULATED = "software emulation"
# A transport of UCX -> the lane, the first that fits.
LANES = (
    (r"cuda_ipc", "NVLink, or one GPU (cuda_ipc)"),
    (r"\b(rc|dc|ud)(_\w+)?/", RDMA),
    (r"\bsrd\b|efa", "EFA"),
    (r"\btcp/", TCP),
    (r"\b(cma|sysv|posix|xpmem|knem)/", SHARED),
)
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def find_lane(log: str, operation: str, size: int) -> Lane:
    """The lane of an operation on `size` bytes in what UCX_PROTO_INFO=y logs: a table for each operation, by size."""
    title = {"READ": "read by ucp_get", "WRITE": "write by ucp_put"}[operation]
    rows: list[list[str]] = []
    ours = False
    for line in re.sub(r"\x1b\[[0-9;]*m", "", log).splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if any("ucp_" in cell or "cfg#" in cell for cell in cells):
            # NIXL posts many at once, its own messages one by one.
            ours = any(title in cell and "(multi)" in cell for cell in cells)
        elif ours and len(cells) == 3 and _contains(cells[0], size):
            rows.append(cells)
    if not rows:
        return Lane("unknown", f"UCX logged no {operation}")
    words = f"{rows[-1][1]}, {rows[-1][2]}"
    return Lane(next((name for pattern, name in LANES if re.search(pattern, rows[-1][2])), "unknown"), words)


def _contains(text: str, size: int) -> bool:
    """Whether a range such as 0..inf, 1..16515 or 64K..inf contains a size."""
    bounds = [re.fullmatch(r"(\d+)([KMG]?)|inf", part) for part in text.split("..")]
    if not all(bounds):
        return False
    low, high = (float("inf") if b[0] == "inf" else int(b[1]) * UNITS[b[2]] for b in (bounds[0], bounds[-1]) if b)
    return low <= size <= high


# Memory


class HostMemory:
    """Memory of the host, for machines without a GPU."""

    kind, name = "DRAM", "host memory"

    def __init__(self, size: int, value: int) -> None:
        self.pages = mmap.mmap(-1, size)
        self.pages.write(bytes([value]) * size)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))

    def content(self) -> bytes:
        """All of it."""
        return self.pages[:]


class GpuMemory:
    """Memory of the first GPU, by the driver alone. Raises ProbeError where there is none."""

    kind = "VRAM"

    def __init__(self, size: int, value: int) -> None:
        try:
            self.cuda = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise ProbeError(f"no GPU here ({error}): give the pod one, or use --memory cpu") from error
        self.size = size
        device, context, pointer = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
        text = ctypes.create_string_buffer(100)
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDeviceGetName", text, 100, device)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)
        self._call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
        self._call("cuMemsetD8_v2", pointer, ctypes.c_ubyte(value), ctypes.c_size_t(size))
        self._call("cuCtxSynchronize")
        self.name, self.address = text.value.decode(), pointer.value

    def content(self) -> bytes:
        """All of it."""
        host = ctypes.create_string_buffer(self.size)
        self._call("cuMemcpyDtoH_v2", host, ctypes.c_uint64(self.address), ctypes.c_size_t(self.size))
        return host.raw

    def _call(self, function: str, *arguments: Any) -> None:
        if code := getattr(self.cuda, function)(*arguments):
            raise ProbeError(f"no GPU here ({function} says {code}): give the pod one, or use --memory cpu")


def memory(kind: str, size: int, value: int) -> HostMemory | GpuMemory:
    """Memory with one value in every byte; "auto" is a GPU's where there is one."""
    if kind == "cpu":
        return HostMemory(size, value)
    try:
        return GpuMemory(size, value)
    except ProbeError:
        if kind == "gpu":
            raise
    return HostMemory(size, value)


# The two sides


def nixl() -> Any:
    """NIXL's API, under the name that its packages give it."""
    os.environ["NIXL_LOG_LEVEL"] = os.environ.get("NIXL_LOG_LEVEL", "WARN")
    for package in ("nixl", "nixl_cu13", "nixl_cu12"):
        try:
            return importlib.import_module(f"{package}._api")
        except ModuleNotFoundError as error:
            if error.name not in (package, f"{package}._api"):
                raise ProbeError(f"{package} does not start ({error}): install what it needs") from error
    raise ProbeError("NIXL is not installed: run this in Dynamo's runtime image, or pip install nixl-cu13 numpy")


def agent(api: Any, role: str, backend: str) -> Any:
    """An agent with one backend. NIXL only warns of a name that it does not know, and then moves nothing."""
    why = ""
    try:
        made = api.nixl_agent(role, api.nixl_agent_config(backends=[backend]))
        if backend in made.backends:
            return made
    except Exception as error:  # its errors have no common class of their own
        why = f" ({error})"
    raise ProbeError(
        f"NIXL in this image does not load {backend}{why}: set global.kvTransfer.backends=[UCX], or take an image with "
        "its plugin and the library that it needs, as libfabric.so.1 for LIBFABRIC"
    )


class Side:
    """An agent and its memory, which has the mark in every byte where the KV cache would be."""

    def __init__(self, role: str, options: argparse.Namespace, marked: bool) -> None:
        api = nixl()
        self.size: int = options.size * 2**20
        self.memory = memory(options.memory, self.size, MARK if marked else 0)
        self.agent = agent(api, role, options.backend)
        self.agent.register_memory([(self.memory.address, self.size, 0, "")], self.memory.kind)
        part = self.size // BLOCKS
        blocks = [(self.memory.address + i * part, part, 0) for i in range(BLOCKS)]
        self.blocks = self.agent.get_xfer_descs(blocks, self.memory.kind)
        node = os.environ.get("NODE_NAME") or socket.gethostname()
        self.who = {"node": node, "process": os.getpid(), "memory": self.memory.name}

    def marked(self) -> bool:
        """Whether all of its memory has the mark."""
        return self.memory.content() == bytes([MARK]) * self.size


def offer(options: argparse.Namespace) -> int:
    """Offer memory to the side that moves, and print its verdict."""
    side = Side("offers", options, options.operation == "READ")
    first = {
        "who": side.who,
        "size": side.size,
        "operation": options.operation,
        "agent": base64.b64encode(side.agent.get_agent_metadata()).decode(),
        "blocks": base64.b64encode(side.agent.get_serialized_descs(side.blocks)).decode(),
    }
    with socket.create_server(("", options.port)) as server:
        server.settimeout(options.wait)
        print(f"{side.size >> 20} MiB of {side.memory.name} are offered on port {options.port}", flush=True)
        try:
            connection, _ = server.accept()
        except TimeoutError as error:
            raise ProbeError(f"nobody came in {options.wait} s: is there a second GPU for the other pod?") from error
        with connection, connection.makefile("rw") as stream:
            say(stream, first)
            if stream.readline():
                say(stream, {"marked": side.marked()})
            answer = hear(stream)
    print(answer["verdict"])
    return 0


def move(options: argparse.Namespace) -> int:
    """Move between both memories, and judge. Exit status 1: wrong bytes, or slower than --min-gbps."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "ucx.log")
        # Before NIXL loads UCX.
        os.environ.update(UCX_PROTO_INFO="y", UCX_LOG_FILE=log)
        with _connect(options) as connection, connection.makefile("rw") as stream:
            other = hear(stream)
            side = Side("moves", options, options.operation == "WRITE")
            if (side.size, options.operation) != (other["size"], other["operation"]):
                raise ProbeError(
                    f"the other side has --size {other['size'] >> 20} and {other['operation']}: use the same"
                )
            seconds = _move(side, other)
            say(stream, {"moved": True})
            right = hear(stream)["marked"] and side.marked()
            # What UCX wrote is still in the C library's buffer.
            ctypes.CDLL(None).fflush(None)
            lane = Lane(options.backend, "it does not say which transport it took")
            if options.backend == UCX:
                with open(log, errors="replace") as file:
                    lane = find_lane(file.read(), options.operation, side.size // BLOCKS)
            speed = side.size / 1e9 / min(seconds)
            told = options.operation != "READ" or os.environ.get(GET, "").lower() in ("y", "yes", "on", "1")
            prefill, decode = (other["who"], side.who)[:: 1 if options.operation == "READ" else -1]
            lines = [
                f"prefill  {_place(prefill)}",
                f"decode   {_place(decode)}",
                f"lane     {lane.name}: {options.operation}, {lane.words}",
                f"speed    {speed:.2f} GB/s (the first, which connects, took {1000 * seconds[0]:.0f} ms)",
                verdict(lane, speed, right, prefill, decode, options.min_gbps, told=told),
            ]
            if options.connector != NIXL:
                lines.insert(
                    -1, f"note     the workers move it with {options.connector}: this is NIXL, over the same devices"
                )
            print("\n".join(lines))
            say(stream, {"verdict": "\n".join(lines)})
    return 1 if lines[-1].startswith("FAIL") else 0


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


def _move(side: Side, other: dict[str, Any]) -> list[float]:
    """Seconds of each transfer of all blocks."""
    try:
        return _transfers(side, other)
    except ProbeError:
        raise
    except Exception as error:
        # NIXL's own classes, which have no common one.
        raise ProbeError(
            f"NIXL gave up a transfer ({type(error).__name__}: {error}): see its lines above and the other log"
        ) from error


def _transfers(side: Side, other: dict[str, Any]) -> list[float]:
    peer = side.agent.add_remote_agent(base64.b64decode(other["agent"]))
    remote = side.agent.deserialize_descs(base64.b64decode(other["blocks"]))
    seconds = []
    for _ in range(MOVES):
        started = time.perf_counter()
        handle = side.agent.initialize_xfer(other["operation"], side.blocks, remote, peer, b"")
        state = side.agent.transfer(handle)
        while state not in ("DONE", "ERR"):
            if time.perf_counter() - started > MOVE_SECONDS:
                raise ProbeError(f"a transfer took more than {MOVE_SECONDS} s: use a smaller --size, or see UCX_TLS")
            state = side.agent.check_xfer_state(handle)
        if state == "ERR":
            raise ProbeError("NIXL gave up a transfer: no transport of UCX_TLS reaches the other pod")
        seconds.append(time.perf_counter() - started)
        side.agent.release_xfer_handle(handle)
    return seconds


def _place(who: dict[str, Any]) -> str:
    return f"{who['memory']} on {who['node']}, process number {who['process']}"


def verdict(
    lane: Lane, speed: float, right: bool, one: dict[str, Any], other: dict[str, Any], floor: float, *, told: bool
) -> str:
    """One sentence: OK, WARN or FAIL, what it means, and what to change. `told`: it is no READ, or UCX has GET."""
    if not right:
        return "FAIL: other bytes arrived than were sent: see UCX_NET_DEVICES and the NICs of both nodes"
    advice = _advice(lane, one, other, told)
    if speed < floor:
        return f"FAIL: {speed:.2f} GB/s is below {floor:g}{f': {advice}' if advice else ''}"
    return f"WARN: {advice}" if advice else f"OK: the KV cache goes over {lane.name}"


def _advice(lane: Lane, one: dict[str, Any], other: dict[str, Any], told: bool) -> str:
    """What to change, where the lane is not the best that there could be."""
    if HostMemory.name in (one["memory"], other["memory"]):
        return "this says nothing of GPUs, whose memory takes other lanes: use --memory gpu"
    if lane.name == RDMA and EMULATED in lane.words:
        return "RDMA, but through host memory: to read a GPU's, the NICs need nvidia-peermem or dma-buf on the node"
    if lane.name not in (TCP, SHARED):
        return ""
    text = f"the KV cache goes over {lane.name}"
    if one["node"] != other["node"]:
        return f"{text}: see global.rdma, UCX_TLS and UCX_NET_DEVICES, and the NICs of the pods"
    if one["process"] == other["process"]:
        refused = f"both have number {one['process']}, and the driver refuses its own"
        return f"{text}: {refused}: try --apart, and with NIXL 1.5 one PID namespace ({DOCS})"
    if not told:
        return f"{text} on one node: a READ wants {GET}=y where UCX sees no NVLink ({DOCS})"
    return f"{text} on one node: the side that moves it needs the other's GPU among its devices, too ({DOCS})"


# The command line


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
    own = [sys.executable, os.path.abspath(__file__)]
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
            side.terminate()
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
    parser.add_argument("--connector", default=NIXL, help="what the workers move it with (default: %(default)s)")
    parser.add_argument("--backend", default=UCX, help="NIXL's plugin (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="MiB to move (default: %(default)s)")
    parser.add_argument("--memory", choices=["auto", "gpu", "cpu"], default="auto", help="whose (default: a GPU's)")
    parser.add_argument("--min-gbps", type=float, default=0, help="fail below so many GB/s (default: %(default)s)")
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
