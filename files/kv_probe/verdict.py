"""What a transfer means, in one sentence."""

from __future__ import annotations

from typing import Any

from . import DOCS
from .lanes import EMULATED, RDMA, SHARED, TCP, Lane
from .memory import HostMemory

# Where UCX sees no NVLink, as in a virtual machine with one GPU, it reads over cuda_ipc only with this.
GET = "UCX_CUDA_IPC_ENABLE_GET_ZCOPY"


def verdict(
    lane: Lane,
    speed: float,
    right: bool,
    one: dict[str, Any],
    other: dict[str, Any],
    floor: float,
    *,
    told: bool = True,
    mooncake: bool = False,
    no_tcp: bool = False,
) -> str:
    """
    One sentence: OK, WARN or FAIL, what it means, and what to change. `told`: it is no READ, or UCX has GET. `no_tcp`:
    TCP fails at any speed.
    """
    if not right:
        return (
            "FAIL: other bytes arrived than were sent: see the devices that both pods use, and the NICs of both nodes"
        )
    advice = _advice(lane, one, other, told, mooncake)
    if speed < floor:
        return f"FAIL: {speed:.2f} GB/s is below {floor:g}{f': {advice}' if advice else ''}"
    if no_tcp and lane.name == TCP:
        return f"FAIL: {speed:.2f} GB/s, but the values promise better than TCP: {advice}"
    return f"WARN: {advice}" if advice else f"OK: the KV cache goes over {lane.name}"


def _advice(lane: Lane, one: dict[str, Any], other: dict[str, Any], told: bool, mooncake: bool) -> str:
    """What to change, where the lane is not the best that there could be."""
    if HostMemory.name in (one["memory"], other["memory"]):
        return "this says nothing of GPUs, whose memory takes other lanes: use --memory gpu"
    if lane.name == RDMA and EMULATED in lane.words:
        return "RDMA, but through host memory: to read a GPU's, the NICs need nvidia-peermem or dma-buf on the node"
    if lane.name not in (TCP, SHARED):
        return ""
    text = f"the KV cache goes over {lane.name}"
    if mooncake:
        found = "MC_FORCE_TCP, whatever it is set to" if "MC_FORCE_TCP" in lane.words else "no RDMA device in the pod"
        return f"{text}, because of {found}: see global.rdma, and Mooncake's variables ({DOCS})"
    if one["node"] != other["node"]:
        return f"{text}: see global.rdma, UCX_TLS and UCX_NET_DEVICES, and the NICs of the pods"
    if one["process"] == other["process"]:
        refused = f"both have number {one['process']}, and the driver refuses its own"
        return f"{text}: {refused}: try --apart, and with NIXL 1.5 one PID namespace ({DOCS})"
    if not told:
        return f"{text} on one node: a READ wants {GET}=y where UCX sees no NVLink ({DOCS})"
    return f"{text} on one node: the side that moves it needs the other's GPU among its devices, too ({DOCS})"
