"""A transfer by NIXL, as vLLM, SGLang and TensorRT-LLM make it."""

from __future__ import annotations

import base64
import ctypes
import importlib
import os
import tempfile
import time
from typing import Any

from . import ProbeError, lanes
from .memory import Memory

UCX = "UCX"
MOVE_SECONDS = 60


class Nixl:
    """An agent with one backend. Raises ProbeError where NIXL, or its plugin, is missing."""

    name = "NIXL"
    allocate = None

    def __init__(self, role: str, backend: str) -> None:
        self.backend = backend
        self.log = tempfile.NamedTemporaryFile("r", errors="replace")  # noqa: SIM115 UCX writes to it until the end
        if role == "moves":
            # Before NIXL loads UCX.
            os.environ.update(UCX_PROTO_INFO="y", UCX_LOG_FILE=self.log.name)
        self.agent = agent(api(), role, backend)

    def register(self, memory: Memory, block: int) -> None:
        """Get ready to move memory in blocks of so many bytes."""
        self.agent.register_memory([(memory.address, memory.size, 0, "")], memory.kind)
        blocks = [(memory.address + start, block, 0) for start in range(0, memory.size, block)]
        self.blocks = self.agent.get_xfer_descs(blocks, memory.kind)

    def start(self, here: str) -> None:
        """Nothing: an agent finds its own addresses."""

    def introduction(self) -> dict[str, Any]:
        """What the other side has to know."""
        metadata, blocks = self.agent.get_agent_metadata(), self.agent.get_serialized_descs(self.blocks)
        return {"agent": base64.b64encode(metadata).decode(), "blocks": base64.b64encode(blocks).decode()}

    def meet(self, other: dict[str, Any]) -> None:
        """Get to know the other side, by its introduction."""
        self.peer = self.agent.add_remote_agent(base64.b64decode(other["agent"]))
        self.remote = self.agent.deserialize_descs(base64.b64decode(other["blocks"]))

    def move(self, operation: str) -> None:
        """Move all blocks once. NIXL's errors have classes of its own, with no common one."""
        started = time.perf_counter()
        handle = self.agent.initialize_xfer(operation, self.blocks, self.remote, self.peer, b"")
        state = self.agent.transfer(handle)
        while state not in ("DONE", "ERR"):
            if time.perf_counter() - started > MOVE_SECONDS:
                raise ProbeError(f"a transfer took more than {MOVE_SECONDS} s: use a smaller --size, or see UCX_TLS")
            state = self.agent.check_xfer_state(handle)
        if state == "ERR":
            raise ProbeError("NIXL gave up a transfer: no transport of UCX_TLS reaches the other pod")
        self.agent.release_xfer_handle(handle)

    def lane(self, operation: str, block: int) -> lanes.Lane:
        """What carried the blocks."""
        if self.backend != UCX:
            return lanes.Lane(self.backend, "it does not say which transport it took")
        # What UCX wrote is still in the C library's buffer.
        ctypes.CDLL(None).fflush(None)
        return lanes.of_ucx(self.log.read(), operation, block)


def api() -> Any:
    """NIXL's API, under the name that its packages give it."""
    os.environ["NIXL_LOG_LEVEL"] = os.environ.get("NIXL_LOG_LEVEL", "WARN")
    for package in ("nixl", "nixl_cu13", "nixl_cu12"):
        try:
            return importlib.import_module(f"{package}._api")
        except ImportError as error:
            if not isinstance(error, ModuleNotFoundError) or error.name not in (package, f"{package}._api"):
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
