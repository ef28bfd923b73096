"""One point: AIPerf with so many streams and so long prompts, and what it wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .judge import WANTED
from .plan import FailedError, Plan

RECORDS, SUMMARY = "profile_export.jsonl", "profile_export_aiperf.json"
# With these AIPerf 0.13 refuses a tokenizer that lies in a folder.
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def arguments(plan: Plan, prompt_tokens: int, concurrency: int, seed: int, folder: Path) -> list[str]:
    """Of `aiperf`."""
    load = plan.workload
    warmup = plan.warmup(concurrency)
    options: dict[str, object] = {
        "model": plan.model,
        "url": plan.url,
        "endpoint-type": "chat",
        "tokenizer": plan.tokenizer,
        "isl": prompt_tokens - load.shared_prefix_tokens,
        "isl-stddev": 0,
        "osl": load.answer_tokens,
        "osl-stddev": 0,
        # Else answers end when they like, and two arms measure different work.
        "extra-inputs": "ignore_eos:true",
        "concurrency": concurrency,
        "request-count": load.requests,
        "warmup-request-count": warmup,
        # A prompt for each request, the warm-up's too: a repeated one is a hit of the prefix cache.
        "num-dataset-entries": load.requests + warmup,
        "dataset-sampling-strategy": "sequential",
        "random-seed": seed,
        "goodput": f"time_to_first_token:{plan.ttft_ms:g} inter_token_latency:{plan.itl_ms:g}",
        "ui": "none",
        "artifact-dir": folder,
    }
    if load.shared_prefix_tokens:
        options |= {"num-prefix-prompts": 1, "prefix-prompt-length": load.shared_prefix_tokens}
    flags = ["--streaming", "--no-gpu-telemetry", "--no-server-metrics"]
    return ["profile", *flags, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]


def run(aiperf: Sequence[str], given: list[str], folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """AIPerf's records, one for each request, and its summary. Raises FailedError when it wrote none."""
    env = {name: value for name, value in os.environ.items() if name not in OFFLINE}
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "aiperf.out"
    try:
        with log.open("wb") as out:
            code = subprocess.call([*aiperf, *given], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    except OSError as error:
        raise FailedError(f"{aiperf[0]} does not start ({error}): {WANTED}") from error
    records, summary = folder / RECORDS, folder / SUMMARY
    if code or not records.exists() or not summary.exists():
        with log.open(errors="replace") as text:
            tail = deque((line.rstrip() for line in text if line.strip()), 15)
        print("\n".join(tail), file=sys.stderr)
        raise FailedError(f"AIPerf ended with exit code {code} and without figures: the log has its last lines")
    return [json.loads(line) for line in records.read_text().splitlines()], json.loads(summary.read_text())
