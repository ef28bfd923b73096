"""How many prefill and decode workers a target needs, by the formula of docs/sizing.md, and why."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hack.base.log import UserError
from hack.base.yamlfile import parse
from hack.chart.machines import load_machine

MEASURED = Path(__file__).parent / "measured.yaml"
# How full a pool may be, so that a queue drains again.
FULL = 0.7
MOST_WORKERS = 10_000


@dataclass(frozen=True)
class Worker:
    """What one worker of each role was measured to do; its token rate is in seconds between two tokens."""

    prefill_rate: float
    decode_rate: float
    decode_itl: float
    itl: float
    gpus: int = 1
    engine: str = "vllm"
    size_gib: int = 0
    # 0 where it was not measured: the limits of the KV cache are left out then.
    kv_bytes: int = 0
    kv_gbps: float = 0
    seen: str = "given on the command line"


@dataclass(frozen=True)
class Target:
    """What is asked for; `rate` in requests/s, times in seconds, 0 where there is no limit."""

    prompt: int
    answer: int
    rate: float
    ttft: float = 0
    itl: float = 0


def known(model: str, machine: str) -> Worker:
    """What was measured of a model on a machine. Raises UserError with all that was."""
    entries = parse(MEASURED.read_text())
    for entry in entries:
        if model in entry["models"] and machine in entry["machines"]:
            return Worker(
                prefill_rate=entry["prefillTokensPerSecond"],
                decode_rate=entry["decodeTokensPerSecond"],
                decode_itl=entry["decodeItlSeconds"],
                itl=entry["itlSeconds"],
                gpus=entry["gpus"],
                engine=entry["engine"],
                size_gib=entry["sizeGiB"],
                kv_bytes=entry["kvBytesPerToken"],
                kv_gbps=entry["kvGBps"],
                seen=entry["seen"],
            )
    # An unknown machine is a mistake of its own.
    load_machine(machine)
    measured = "; ".join(f"{' or '.join(e['models'])} on {' or '.join(e['machines'])}" for e in entries)
    raise UserError(
        f"nothing was measured of {model} on {machine} (known: {measured}): measure S and T as docs/sizing.md says, "
        "and give --prefill-rate, --decode-rate and --decode-itl"
    )


@dataclass(frozen=True)
class Sizing:
    """Workers of each role for a target."""

    target: Target
    worker: Worker
    prefill: int
    decode: int

    @property
    def workers(self) -> tuple[float, float]:
        """How many prefill and decode workers the rate keeps as full as they may be."""
        w, t = self.worker, self.target
        return t.rate * t.prompt / (FULL * w.prefill_rate), t.rate * t.answer / (FULL * w.decode_rate)

    @property
    def full_rate(self) -> float:
        """Requests/s at which the first pool is full: what a benchmark with enough streams reaches."""
        w, t = self.worker, self.target
        return min(self.prefill * w.prefill_rate / t.prompt, self.decode * w.decode_rate / t.answer)

    @property
    def ttft(self) -> float:
        """Seconds to the first token on the average: the prompt alone, and the queue before it."""
        alone = self.target.prompt / self.worker.prefill_rate
        return alone * (1 + queue(self.prefill, self.target.rate * alone / self.prefill))


def queue(servers: int, usage: float) -> float:
    """
    The mean wait in service times where requests arrive at random and each takes as long (Sakasegawa's approximation
    of M/D/c).
    """
    if usage >= 1:
        return math.inf
    return float(usage ** (math.sqrt(2 * (servers + 1)) - 1) / (servers * (1 - usage)) / 2)


def check(target: Target, worker: Worker) -> None:
    """Raises UserError where no number of workers keeps a limit."""
    alone = target.prompt / worker.prefill_rate
    if target.ttft and alone >= target.ttft:
        raise UserError(
            f"--ttft {target.ttft:g}: one prompt of {target.prompt} tokens alone takes {alone:.2f} s: more workers do "
            "not help, workers of more GPUs do (measure them, and give --prefill-rate and --worker-gpus)"
        )
    if target.itl and target.itl < worker.decode_itl:
        raise UserError(
            f"--itl {target.itl:g}: {worker.decode_rate:g} answer tokens/s were measured at {worker.decode_itl:g} s "
            "a token: measure T with fewer streams, and give --decode-rate and --decode-itl"
        )


def size(target: Target, worker: Worker) -> Sizing:
    """The fewest workers. Raises UserError where no number of them keeps a limit."""
    check(target, worker)
    rates = Sizing(target, worker, 1, 1).workers
    if max(rates) > MOST_WORKERS:
        raise UserError(f"--rate {target.rate:g}: it takes more than {MOST_WORKERS:,} workers of a role: give less")
    made = Sizing(target, worker, *(max(math.ceil(number), 1) for number in rates))
    while target.ttft and made.ttft > target.ttft:
        made = replace(made, prefill=made.prefill + 1)
    return made


def fill(gpus: int, target: Target, worker: Worker) -> Sizing:
    """The pools of so many GPUs that take most requests/s. Raises UserError."""
    check(target, worker)
    workers = gpus // worker.gpus
    if workers < 2:
        raise UserError(f"--gpus {gpus}: a prefill and a decode worker need {2 * worker.gpus}: give more")
    if workers > MOST_WORKERS:
        raise UserError(f"--gpus {gpus}: that is more than {MOST_WORKERS:,} workers: give fewer")
    shapes = [_busy(Sizing(target, worker, count, workers - count)) for count in range(1, workers)]
    return max(shapes, key=lambda s: s.target.rate)


def _busy(pools: Sizing) -> Sizing:
    """These pools with the most requests/s that they take within the limit of TTFT."""
    low, high = 0.0, FULL * pools.full_rate

    def at(rate: float) -> Sizing:
        return replace(pools, target=replace(pools.target, rate=rate))

    if not pools.target.ttft or at(high).ttft <= pools.target.ttft:
        return at(high)
    while high - low > high / 1000:
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle).ttft <= pools.target.ttft else (low, middle)
    return at(low)


def reasons(made: Sizing) -> Iterator[tuple[str, str, str]]:
    """Rows of a table: what, how, and the number."""
    t, w = made.target, made.worker
    prompts, answers = t.rate * t.prompt, t.rate * t.answer
    prefill, decode = made.workers
    # Those that the rate alone does not ask for.
    more = f", more for a TTFT of {t.ttft:g} s" if t.ttft and made.prefill > max(math.ceil(prefill), 1) else ""
    yield "measured", w.seen, f"S = {w.prefill_rate:,.0f}, T = {w.decode_rate:,.0f} tokens/s"
    yield "prompt tokens/s", f"{t.rate:.4g} x {t.prompt:,}", f"{prompts:,.0f}"
    yield (
        "prefill workers",
        f"{prompts:,.0f} / ({FULL} x {w.prefill_rate:,.0f}) = {prefill:.1f}{more}",
        f"{made.prefill}",
    )
    yield "answer tokens/s", f"{t.rate:.4g} x {t.answer:,}", f"{answers:,.0f}"
    yield "decode workers", f"{answers:,.0f} / ({FULL} x {w.decode_rate:,.0f}) = {decode:.1f}", f"{made.decode}"
    streams = answers * w.itl
    yield "streams at a time", f"{answers:,.0f} x {w.itl:g} s", f"{streams:.0f}"
    if w.kv_bytes:
        held = round(streams) * (t.prompt + t.answer) * w.kv_bytes
        yield (
            "their KV cache",
            f"{streams:.0f} x {t.prompt + t.answer:,} x {w.kv_bytes:,} bytes",
            f"{held / 1e9:.1f} GB",
        )
        known = f" of the {w.kv_gbps:g} between two pods" if w.kv_gbps else ""
        moved = f"{prompts * w.kv_bytes / 1e9:.1f} GB/s{known}"
        yield "KV traffic", f"{prompts:,.0f} x {w.kv_bytes:,} bytes/s", moved
    alone = t.prompt / w.prefill_rate
    yield "TTFT on the average", f"{alone:.2f} s for a prompt, the rest in the queue", f"{made.ttft:.2f} s"
    yield "full at", "the smaller of both pools", f"{made.full_rate:.2f} requests/s"
    yield "GPUs", f"({made.prefill} + {made.decode}) x {w.gpus}", f"{(made.prefill + made.decode) * w.gpus}"


def values(made: Sizing, model: str, machine: str) -> dict[str, Any]:
    """A values file."""
    size_gib = {"sizeGiB": made.worker.size_gib} if made.worker.size_gib else {}
    pools = {"prefill": made.prefill, "decode": made.decode}
    return {
        "global": {
            "model": {"name": model, **size_gib},
            "engine": {"name": made.worker.engine},
            "hardware": machine,
        },
        **{name: {"replicas": n, "parallelism": {"tensor": made.worker.gpus}} for name, n in pools.items()},
    }
