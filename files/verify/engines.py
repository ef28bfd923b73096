"""What each engine says of its KV transfers and of where a prompt's tokens came from (read in vLLM 0.31.0, SGLang
0.5.21 and dynamo.trtllm 1.6.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from .plan import DECODE, PREFILL, Plan

MIB = 2**20


@dataclass(frozen=True)
class Series:
    """A counter by name and labels, and what one of it is in bytes, seconds or tokens."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    unit: float = 1


@dataclass(frozen=True)
class Transfers:
    """Counters of KV transfers. Every GPU of a worker counts its own, so bytes by seconds is the speed of one GPU."""

    role: str
    bytes: Series
    seconds: Series
    # Counters of failed transfers, in either role.
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sources:
    """Counters of the decode role: prompt tokens that it computed itself, and other tokens."""

    computed: Series
    # What there is besides where the engine counts at all.
    others: tuple[Series, ...]


def _vllm(source: str) -> Series:
    return Series("vllm:prompt_tokens_by_source_total", {"source": source})


_NIXL = Transfers(
    DECODE,
    Series("vllm:nixl_bytes_transferred_sum"),
    Series("vllm:nixl_xfer_time_seconds_sum"),
    ("vllm:nixl_num_failed_transfers_total",),
)
# The name says MB; it is bytes / 2^20.
_SGLANG = Transfers(
    PREFILL,
    Series("sglang:kv_transfer_total_mb_sum", unit=MIB),
    Series("sglang:kv_transfer_latency_ms_sum", unit=1e-3),
    ("sglang:num_transfer_failed_reqs_total", "sglang:num_bootstrap_failed_reqs_total"),
)
_TRTLLM = Transfers(DECODE, Series("trtllm_kv_transfer_bytes_sum"), Series("trtllm_kv_transfer_latency_seconds_sum"))

TRANSFERS = {
    ("vllm", "nixl"): _NIXL,
    ("sglang", "nixl"): _SGLANG,
    ("sglang", "mooncake"): _SGLANG,
    ("trtllm", "nixl"): _TRTLLM,
}
SOURCES = {
    "vllm": Sources(_vllm("local_compute"), (_vllm("external_kv_transfer"), _vllm("local_cache_hit"))),
    # Its decode workers fetch all of a prompt, and count no prompt tokens unless they compute them.
    "sglang": Sources(
        Series("sglang:realtime_tokens_total", {"mode": "prefill_compute"}),
        (Series("sglang:realtime_tokens_total", {"mode": "decode"}),),
    ),
}


def silence(plan: Plan) -> str:
    """What to change where an engine is known to report no transfers, or nothing."""
    if plan.engine == "trtllm":
        return "TensorRT-LLM has them only with publish-metrics: set global.engine.args.publish-metrics=true"
    if (plan.engine, plan.connector) not in TRANSFERS:
        return f"{plan.engine} has none with {plan.connector}: set global.kvTransfer.connector=nixl"
    return ""
