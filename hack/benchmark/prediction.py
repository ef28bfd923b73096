"""Whether `hack size` predicts what a benchmark measures: all of it in simulation, by the benchmark's own Job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hack.base.log import UserError
from hack.benchmark.sizing import Sizing, Target, Worker

PREFILL, DECODE = 2, 1
# More answers at a time a decode worker does not take, so it can be full: the timing model alone has no such end.
SLOTS = 8
# So slow that what the host takes between two steps of the timing model is small beside them.
SPEED = 0.05
CLOSE = 0.15
COLUMNS = ("load", "prompt / answer", "streams", "S, tokens/s", "T, tokens/s", "predicted", "measured", "off by")
VALUES: dict[str, Any] = {
    "global": {"simulation": {"enabled": True, "speedupRatio": SPEED}, "engine": {"args": {"max-num-seqs": SLOTS}}},
    "prefill": {"replicas": PREFILL},
    "decode": {"replicas": DECODE},
    "benchmark": {
        "limits": {"timeToFirstTokenSeconds": 60, "interTokenLatencySeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "512Mi"}},
    },
}


@dataclass(frozen=True)
class Load:
    """Enough streams that the pool it is about is never empty, and enough requests that begin and end do not count."""

    name: str
    prompt: int
    answer: int
    streams: int
    requests: int

    @property
    def workload(self) -> dict[str, Any]:
        """As benchmark.workload."""
        lengths = {"promptTokens": [self.prompt], "answerTokens": self.answer}
        return {**lengths, "concurrencies": [self.streams], "requests": self.requests}


ONLY_PREFILL = Load("S", 800, 1, 8, 96)
ONLY_DECODE = Load("T", 16, 20, 2 * SLOTS, 96)
MIXES = (Load("prefill is full", 800, 10, 2 * SLOTS, 128), Load("decode is full", 800, 50, 2 * SLOTS, 96))


@dataclass(frozen=True)
class Outcome:
    """Of one mix; rates of the workers in tokens/s, those of the release in requests/s."""

    load: Load
    prefill_rate: float
    decode_rate: float
    predicted: float
    measured: float

    @property
    def off(self) -> float:
        """By what share the measured rate is above the predicted one."""
        return self.measured / self.predicted - 1

    @property
    def row(self) -> list[str]:
        """Of COLUMNS."""
        rates = [
            f"{self.prefill_rate:,.0f}",
            f"{self.decode_rate:,.0f}",
            f"{self.predicted:.2f}",
            f"{self.measured:.2f}",
        ]
        lengths = f"{self.load.prompt} / {self.load.answer}"
        return [self.load.name, lengths, str(self.load.streams), *rates, f"{self.off:+.0%}"]


def check(measure: Callable[[Load], float]) -> list[Outcome]:
    """S and T, the mixes, and S and T again, of what measures requests/s. Raises UserError where the host changed."""
    before = _worker(measure)
    measured = {load: measure(load) for load in MIXES}
    after = _worker(measure)
    for name, first, then in zip("ST", before, after, strict=True):
        if abs(then / first - 1) > CLOSE:
            raise UserError(
                f"{name} was {first:,.0f} tokens/s before the mixes and {then:,.0f} after them, so the host's own load "
                "changed and nothing can be said: run it again when the machine has less to do"
            )
    prefill_rate, decode_rate = ((first + then) / 2 for first, then in zip(before, after, strict=True))
    worker = Worker(prefill_rate, decode_rate, decode_itl=0, itl=0)
    outcomes = []
    for load, rate in measured.items():
        predicted = Sizing(Target(load.prompt, load.answer, 0), worker, PREFILL, DECODE).full_rate
        outcomes.append(Outcome(load, prefill_rate, decode_rate, predicted, rate))
    return outcomes


def _worker(measure: Callable[[Load], float]) -> tuple[float, float]:
    """S and T of one worker."""
    prompts, answers = (measure(load) for load in (ONLY_PREFILL, ONLY_DECODE))
    return prompts * ONLY_PREFILL.prompt / PREFILL, answers * ONLY_DECODE.answer / DECODE
