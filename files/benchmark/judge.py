"""What one point says, and whether it can be believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from .plan import FailedError, Plan

# Of prompts that should share nothing; chat templates begin alike.
CACHED_SHARE = 0.02
WANTED = "benchmark.image must have AIPerf 0.13"


def point(
    plan: Plan,
    prompt_tokens: int,
    concurrency: int,
    records: list[dict[str, Any]],
    summary: dict[str, Any],
    counted: Counter[str],
) -> dict[str, Any]:
    """The figures, and under "problems" why they are none. `counted` is what the frontends counted meanwhile."""
    try:
        measured = [record for record in records if record["metadata"]["phase_kind"] == "profiling"]
    except (KeyError, TypeError) as error:
        raise FailedError(f"{_writer(summary)} writes other records ({error}): {WANTED}") from error
    good = [record["metrics"] for record in measured if _whole(record)]
    without_usage = sum(
        not record.get("error") and not _value(record, "usage_completion_tokens") for record in measured
    )
    # There is none where every request failed.
    seconds = float(summary.get("benchmark_duration", {}).get("avg") or 0)
    in_time = sum(
        _number(m, "time_to_first_token") <= plan.ttft_ms and _number(m, "inter_token_latency") <= plan.itl_ms
        for m in good
    )
    gaps = [gap for m in good for gap in m.get("inter_chunk_latency", {}).get("value", [])]
    cached = sum(_number(m, "usage_prompt_cache_read_tokens") for m in good)
    prompts = sum(_number(m, "usage_prompt_tokens") for m in good)
    answers = sum(_number(m, "usage_completion_tokens") for m in good)
    found = {
        "prompt_tokens": prompt_tokens,
        "answer_tokens": plan.workload.answer_tokens,
        "concurrency": concurrency,
        "requests": len(measured),
        "failed": len(measured) - len(good),
        "without_usage": without_usage,
        "seconds": round(seconds, 2),
        "requests_per_second": round(len(good) / seconds, 3) if seconds else 0,
        "good_per_second": round(in_time / seconds, 3) if seconds else 0,
        "answer_tokens_per_second": round(answers / seconds, 1) if seconds else 0,
        "ttft_ms": percentiles(_number(m, "time_to_first_token") for m in good),
        "tpot_ms": percentiles(_number(m, "inter_token_latency") for m in good),
        "gap_ms": percentiles(gaps),
        "cached_share": round(cached / prompts, 3) if prompts else 0,
    }
    return {**found, "problems": list(_problems(plan, found, records, good, summary, counted))}


def _problems(
    plan: Plan,
    found: dict[str, Any],
    records: list[dict[str, Any]],
    good: list[dict[str, Any]],
    summary: dict[str, Any],
    counted: Counter[str],
) -> Iterable[str]:
    # What has another name would count as 0, which keeps every limit.
    longer = [m for m in good if _number(m, "usage_completion_tokens") > 1]
    needed = {"time_to_first_token": good, "inter_token_latency": longer, "inter_chunk_latency": longer}
    lacking = [name for name, answers in needed.items() if answers and not any(name in m for m in answers)]
    if good and not found["seconds"]:
        lacking.append("benchmark_duration")
    if lacking:
        yield f"{_writer(summary)} gives no {' and no '.join(lacking)}: {WANTED}"
    wanted = plan.workload.requests
    if found["requests"] != wanted or summary.get("was_cancelled") or not summary.get("is_complete", True):
        yield f"AIPerf measured {found['requests']} of {wanted} requests"
    if found["without_usage"]:
        yield (
            f"{found['without_usage']} answers came without usage, so they were broken off, although AIPerf takes "
            "them for good ones: look at the workers' logs"
        )
    if others := found["failed"] - found["without_usage"]:
        errors = [r["error"] for r in records if r["metadata"]["phase_kind"] == "profiling" and r.get("error")]
        kinds = Counter(str(error.get("code") or error.get("type")) for error in errors)
        yield f"{others} requests failed ({', '.join(f'{count} x {kind}' for kind, count in kinds.most_common(3))})"
    whole = sum(_whole(record) for record in records)
    served, other = counted.pop("success", 0), {name: count for name, count in counted.items() if count}
    if served != whole:
        yield f"the frontends counted {served} answers and AIPerf {whole}: has it another client, or did one restart?"
    if other and not found["failed"]:
        text = ", ".join(f"{count} {name}" for name, count in sorted(other.items()))
        yield f"the frontends counted other outcomes that AIPerf did not see: {text}"
    lengths = Counter(int(_number(m, "usage_completion_tokens")) for m in good)
    if wrong := sum(count for length, count in lengths.items() if length != plan.workload.answer_tokens):
        yield (
            f"{wrong} answers have not the {plan.workload.answer_tokens} tokens that were asked for: are prompt and "
            "answer together within the context length, and does the engine know ignore_eos?"
        )
    asked = Counter(record["metadata"]["conversation_id"] for record in records)
    if repeated := sum(count - 1 for count in asked.values()):
        yield f"{repeated} prompts were asked twice, which a prefix cache answers faster"
    if not plan.workload.shared_prefix_tokens and found["cached_share"] > CACHED_SHARE:
        yield f"{found['cached_share']:.0%} of the prompts came from a prefix cache, although they share nothing"


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """The middle, and what one in a hundred exceeds."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": 0, "p99": 0}
    return {f"p{share}": round(ordered[round(share / 100 * (len(ordered) - 1))], 2) for share in (50, 99)}


def _writer(summary: dict[str, Any]) -> str:
    return f"AIPerf {summary.get('aiperf_version') or 'of an unknown version'}"


def _whole(record: dict[str, Any]) -> bool:
    """Whether an answer came to its end: one that was broken off has no usage, and no error either."""
    return not record.get("error") and bool(_value(record, "usage_completion_tokens"))


def _value(record: dict[str, Any], name: str) -> float:
    return _number(record.get("metrics") or {}, name)


def _number(metrics: dict[str, Any], name: str) -> float:
    return float(metrics.get(name, {}).get("value") or 0)
