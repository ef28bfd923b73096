"""Memory of the host or of a GPU, with one value in every byte."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from typing import Any

from . import ProbeError

# Gives so many bytes of the first GPU: the address, or 0.
Allocate = Callable[[int], int]


class HostMemory:
    """Memory of the host, for machines without a GPU."""

    kind, name = "DRAM", "host memory"

    def __init__(self, size: int, value: int) -> None:
        self.size = size
        self.pages = mmap.mmap(-1, size)
        self.pages.write(bytes([value]) * size)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))

    def content(self) -> bytes:
        """All of it."""
        return self.pages[:]


class GpuMemory:
    """Memory of the first GPU, by the driver alone. Raises ProbeError where there is none."""

    kind = "VRAM"

    def __init__(self, size: int, value: int, allocate: Allocate | None = None) -> None:
        try:
            self.cuda = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise ProbeError(f"no GPU here ({error}): give the pod one, or use --memory cpu") from error
        self.size = size
        device, context = ctypes.c_int(), ctypes.c_void_p()
        text = ctypes.create_string_buffer(100)
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDeviceGetName", text, 100, device)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)
        self.address = allocate(size) if allocate else self._allocate(size)
        self._call("cuMemsetD8_v2", ctypes.c_uint64(self.address), ctypes.c_ubyte(value), ctypes.c_size_t(size))
        self._call("cuCtxSynchronize")
        self.name = text.value.decode()

    def content(self) -> bytes:
        """All of it."""
        host = ctypes.create_string_buffer(self.size)
        self._call("cuMemcpyDtoH_v2", host, ctypes.c_uint64(self.address), ctypes.c_size_t(self.size))
        return host.raw

    def _allocate(self, size: int) -> int:
        pointer = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
        return pointer.value

    def _call(self, function: str, *arguments: Any) -> None:
        if code := getattr(self.cuda, function)(*arguments):
            raise ProbeError(f"no GPU here ({function} says {code}): give the pod one, or use --memory cpu")


Memory = HostMemory | GpuMemory


def memory(kind: str, size: int, value: int, allocate: Allocate | None = None) -> Memory:
    """Memory with one value in every byte; "auto" is a GPU's where there is one."""
    if kind == "cpu":
        return HostMemory(size, value)
    try:
        return GpuMemory(size, value, allocate)
    except ProbeError:
        if kind == "gpu":
            raise
    return HostMemory(size, value)
