"""A transfer by Mooncake, as SGLang 0.5.21 makes it (distributed/device_communicators/mooncake_transfer_engine.py)."""

from __future__ import annotations

import ctypes
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import ProbeError, lanes
from .memory import Memory

# SGLang's pools for a KV cache that NVLink carries between nodes.
NVLINK_POOLS = ("true", "nvlink")


class Mooncake:
    """A transfer engine. Raises ProbeError where Mooncake is missing."""

    name = "Mooncake"

    def __init__(self, protocol: str, devices: str) -> None:
        self.protocol, self.devices = protocol, devices
        # What it logs is the only place where it names its transport.
        os.environ["MC_LOG_LEVEL"] = "INFO"
        os.environ.pop("MC_LOG_DIR", None)
        try:
            self.engine = importlib.import_module("mooncake.engine").TransferEngine()
        except ImportError as error:
            raise ProbeError(
                f"Mooncake does not start ({error}): take an image that has it, or set global.kvTransfer.connector=nixl"
            ) from error
        pool = os.environ.get("SGLANG_MOONCAKE_CUSTOM_MEM_POOL", "").lower()
        self.allocate = _nvlink_allocator() if pool in NVLINK_POOLS else None

    def register(self, memory: Memory, block: int) -> None:
        """Get ready to move memory in blocks of so many bytes."""
        self.memory, self.block = memory, block

    def start(self, here: str) -> None:
        """Start at this pod's own address. It returns 0, and takes TCP, where it finds no device."""
        code, self.log = _told(lambda: self.engine.initialize(here, "P2PHANDSHAKE", self.protocol, self.devices))
        if code:
            raise ProbeError(f"Mooncake does not start ({code}): see its lines above, and the pod's MC_ variables")
        self.session = f"[{here}]" if ":" in here else here
        self.session += f":{self.engine.get_rpc_port()}"
        if code := self.engine.register_memory(self.memory.address, self.memory.size):
            raise ProbeError(
                f"Mooncake cannot register {self.memory.name} ({code}): see its lines above; over RDMA the NICs need "
                "nvidia-peermem or dma-buf on the node"
            )

    def introduction(self) -> dict[str, Any]:
        """What the other side has to know."""
        return {"session": self.session, "address": self.memory.address}

    def meet(self, other: dict[str, Any]) -> None:
        """Get to know the other side, by its introduction."""
        self.peer = other

    def move(self, operation: str) -> None:
        """Move all blocks once."""
        starts = range(0, self.memory.size, self.block)
        ours = [self.memory.address + start for start in starts]
        theirs = [self.peer["address"] + start for start in starts]
        calls = {"READ": self.engine.batch_transfer_sync_read, "WRITE": self.engine.batch_transfer_sync_write}
        if code := calls[operation](self.peer["session"], ours, theirs, [self.block] * len(ours)):
            raise ProbeError(f"Mooncake gave up a transfer ({code}): its transport does not reach the other pod")

    def lane(self, operation: str, block: int) -> lanes.Lane:
        """What carries all that this engine moves."""
        return lanes.of_mooncake(self.log)


def _told(call: Callable[[], int]) -> tuple[int, str]:
    """What a call returns, and what it writes to standard error, which it goes to all the same."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            code = call()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        text = file.read().decode(errors="replace")
    print(text, end="", file=sys.stderr, flush=True)
    return code, text


def _nvlink_allocator() -> Callable[[int], int]:
    """Mooncake's allocator of memory that other nodes of an NVLink domain can map."""
    library = Path(importlib.import_module("mooncake.engine").__file__ or "").with_name("nvlink_allocator.so")
    try:
        # It is linked to nothing: torch, which loads it for SGLang, has CUDA's runtime for all. Here only Mooncake has.
        for runtime in sorted(set(re.findall(r"/\S*libcudart\.so\S*", Path("/proc/self/maps").read_text()))):
            ctypes.CDLL(runtime, ctypes.RTLD_GLOBAL)
        allocate = ctypes.CDLL(str(library)).mc_nvlink_malloc
    except (OSError, AttributeError) as error:
        raise ProbeError(
            f"Mooncake in this image has no memory for NVLink ({error}): remove SGLANG_MOONCAKE_CUSTOM_MEM_POOL"
        ) from error
    allocate.argtypes, allocate.restype = (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p

    def of_first_gpu(size: int) -> int:
        if not (address := allocate(size, 0, None)):
            raise ProbeError(
                "Mooncake gives no memory for NVLink: the pod needs a ComputeDomain's channel, or remove "
                "SGLANG_MOONCAKE_CUSTOM_MEM_POOL"
            )
        return int(address)

    return of_first_gpu
