"""The benchmark: python3 -m benchmark PLAN FOLDER [AIPERF ...]."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import frontend, judge, load
from .plan import FailedError, Plan, read

# The line of the Job's log that `hack bench` reads.
MARK = "benchmark-result "
COLUMNS = ("prompt", "streams", "requests/s", "within limits/s", "TTFT p50/p99 ms", "TPOT p50/p99 ms", "gap p99 ms")


def measure(plan: Plan, folder: Path, aiperf: Sequence[str]) -> dict[str, Any]:
    """Every point, one after the other. Raises FailedError; what is bad in a point is in it."""
    frontend.wait_for_model(plan)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    # Another seed in each run: the release may still have the last run's prompts in its caches.
    seed = secrets.randbelow(10**6)
    points: list[dict[str, Any]] = []
    version = ""
    print("  ".join(COLUMNS), flush=True)
    for prompt_tokens in plan.workload.prompt_tokens:
        for concurrency in plan.workload.concurrencies:
            before = frontend.counted(plan)
            here = folder / f"prompt-{prompt_tokens}-streams-{concurrency}"
            given = load.arguments(plan, prompt_tokens, concurrency, seed + len(points), here)
            records, summary = load.run(aiperf, given, here)
            counted = frontend.counted(plan)
            counted.subtract(before)
            version = str(summary.get("aiperf_version", ""))
            points.append(judge.point(plan, prompt_tokens, concurrency, records, summary, counted))
            print(row(points[-1]), flush=True)
    return {
        "schema": 1,
        "started": started,
        "aiperf": version,
        "model": plan.model,
        "engine": plan.engine,
        "simulated": plan.simulated,
        "pools": plan.pools,
        "limits": {"ttft_ms": plan.ttft_ms, "itl_ms": plan.itl_ms},
        "workload": {"name": plan.workload.name, "shared_prefix_tokens": plan.workload.shared_prefix_tokens},
        "seed": seed,
        "points": points,
    }


def row(point: dict[str, Any]) -> str:
    """Of the table in the log."""
    pairs = ["{p50:.0f}/{p99:.0f}".format(**point["ttft_ms"]), "{p50:.1f}/{p99:.1f}".format(**point["tpot_ms"])]
    rates = [f"{point['requests_per_second']:.2f}", f"{point['good_per_second']:.2f}"]
    cells = [str(point["prompt_tokens"]), str(point["concurrency"]), *rates, *pairs, f"{point['gap_ms']['p99']:.1f}"]
    return "  ".join(cell.rjust(len(head)) for cell, head in zip(cells, COLUMNS, strict=True))


def main(arguments: list[str]) -> int:
    """The command line: 0 if every figure can be trusted."""
    plan, folder, aiperf = read(Path(arguments[0])), Path(arguments[1]), arguments[2:] or ["aiperf"]
    try:
        result = measure(plan, folder, aiperf)
    except FailedError as error:
        print(f"FAIL: {error}", file=sys.stderr)
        return 1
    problems = [
        f"{p['prompt_tokens']} tokens, {p['concurrency']} streams: {problem}"
        for p in result["points"]
        for problem in p["problems"]
    ]
    print(MARK + json.dumps(result), flush=True)
    part = folder / "result.json.part"
    part.write_text(json.dumps(result, indent=1))
    # Last and at once: a folder without it is half a run.
    part.rename(folder / "result.json")
    if problems:
        print(f"FAIL: the figures cannot be trusted: {'; '.join(problems)}", file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
