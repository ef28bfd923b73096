"""The lane of a transfer, from what UCX and Mooncake log."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Lane:
    """What carries a transfer: its name for people, and the library's own words."""

    name: str
    words: str


TCP, RDMA, SHARED, EFA = "TCP", "RDMA", "shared memory of the host", "EFA"
# What UCX calls a transfer that no transport can do by itself: copies through host memory.
EMULATED = "software emulation"
# A transport of UCX -> the lane, the first that fits.
UCX = (
    (r"cuda_ipc", "NVLink, or one GPU (cuda_ipc)"),
    (r"\b(rc|dc|ud)(_\w+)?/", RDMA),
    (r"\bsrd\b|efa", EFA),
    (r"\btcp/", TCP),
    (r"\b(cma|sysv|posix|xpmem|knem)/", SHARED),
)
# What Mooncake 0.3.13 and 0.3.14 say when they install a transport -> the lane, the first that fits.
MOONCAKE = (
    (r".*Intra-Node NVLink transport.*", "NVLink within the node (CUDA IPC)"),
    (r"Using .*NVLink transport.*", "NVLink between nodes (MNNVL)"),
    (r"EFA transport installed.*", EFA),
    (r"Using RDMA transport.*|installTransport, type=rdma", RDMA),
    (r"MC_FORCE_TCP is set.*", TCP),
    (r"Using TCP transport.*|TCP transport installed.*", TCP),
    (r"TcpTransport: listen.*", TCP),
)
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def of_ucx(log: str, operation: str, size: int) -> Lane:
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
    return Lane(next((name for pattern, name in UCX if re.search(pattern, rows[-1][2])), "unknown"), words)


def of_mooncake(log: str) -> Lane:
    """The lane of a transfer engine by what it logged when it started: one for all that it moves."""
    for pattern, name in MOONCAKE:
        if found := re.search(rf"^[IWE]\d{{4}} .*?\] ({pattern})$", log, re.MULTILINE):
            return Lane(name, found[1])
    return Lane("unknown", "Mooncake named no transport")


def _contains(text: str, size: int) -> bool:
    """Whether a range such as 0..inf, 1..16515 or 64K..inf contains a size."""
    bounds = [re.fullmatch(r"(\d+)([KMG]?)|inf", part) for part in text.split("..")]
    if not all(bounds):
        return False
    low, high = (float("inf") if b[0] == "inf" else int(b[1]) * UNITS[b[2]] for b in (bounds[0], bounds[-1]) if b)
    return low <= size <= high
