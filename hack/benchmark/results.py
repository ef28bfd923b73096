"""A result folder: what one run of files/benchmark wrote, whole and trusted, or a sentence why not."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hack.base.log import UserError

FILE = "result.json"
SCHEMA = 1
TIMES = ("ttft_ms", "tpot_ms", "gap_ms")
SHAPE = {
    **dict.fromkeys(("started", "aiperf", "model", "engine"), str),
    **{"simulated": bool, "pools": dict, "limits.ttft_ms": float, "limits.itl_ms": float},
    **{"workload.shared_prefix_tokens": int, "points": list},
}


@dataclass(frozen=True)
class Point:
    """One prompt length at one number of streams; times in milliseconds, p50 and p99."""

    prompt_tokens: int
    answer_tokens: int
    concurrency: int
    requests_per_second: float
    # Requests within the limits.
    good_per_second: float
    ttft: tuple[float, float]
    # Between two tokens: on the average of an answer, and of all gaps.
    tpot: tuple[float, float]
    gap: tuple[float, float]


@dataclass(frozen=True)
class Result:
    """A run, by its folder's name."""

    name: str
    document: dict[str, Any]
    points: tuple[Point, ...]

    @property
    def disaggregated(self) -> bool:
        """Whether prompts were computed by other workers than answers."""
        return "prefill" in self.document["pools"]

    @property
    def gpus(self) -> int:
        """Of all workers."""
        return sum(pool["replicas"] * pool["gpus"] for pool in self.document["pools"].values())

    @property
    def shape(self) -> str:
        """The pools, for people."""
        parts = [
            f"{p['replicas']} {role} of {p['gpus']} GPU" for role, p in sorted(self.document["pools"].items())[::-1]
        ]
        return ", ".join(parts)

    def at(self, prompt_tokens: int) -> list[Point]:
        """The points of a prompt length, by streams."""
        return sorted((p for p in self.points if p.prompt_tokens == prompt_tokens), key=lambda p: p.concurrency)

    def best(self, prompt_tokens: int) -> Point:
        """Where it answers most requests within the limits, with the fewest streams."""
        return max(self.at(prompt_tokens), key=lambda p: (p.good_per_second, -p.concurrency))


def load(folder: Path) -> Result:
    """The result of a folder. Raises UserError when it has none, or one that cannot be trusted."""
    file = folder / FILE
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder: name one that `hack bench run` wrote")
    if not file.is_file():
        raise UserError(f"{folder} has no {FILE}, so its run did not end: run it again")
    try:
        document = json.loads(file.read_text())
        if document["schema"] != SCHEMA:
            raise UserError(f"{file} has schema {document['schema']}, and {SCHEMA} is read here: run it again")
        # What is read of it later is there, and a number where it is reckoned with.
        for path, kind in SHAPE.items():
            _read(document, path, kind)
        points = tuple(_point(p) for p in document["points"])
        if not Result(folder.name, document, points).gpus or "decode" not in document["pools"]:
            raise ValueError("no worker of decode")
        if len({(p.prompt_tokens, p.concurrency) for p in points}) < len(points):
            raise ValueError("two points of one load")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is not whole ({type(error).__name__}: {error}): run it again") from error
    if not points:
        raise UserError(f"{file} has no points: run it again")
    if problems := list(_problems(document)):
        raise UserError(f"{folder}: its figures cannot be trusted: {'; '.join(problems)}")
    return Result(folder.resolve().name, document, points)


def named(results: list[Result], folders: Sequence[Path]) -> list[Result]:
    """Folders of one name, as two runs of `bench arms` have, get those above in theirs. Raises UserError."""
    paths = [folder.resolve() for folder in folders]
    if twice := [str(path) for path in paths if paths.count(path) > 1]:
        raise UserError(f"{twice[0]} is named twice: name another result to compare it with")
    length = 1
    while len({path.parts[-length:] for path in paths}) < len(paths):
        length += 1
    return [replace(result, name="/".join(path.parts[-length:])) for result, path in zip(results, paths, strict=True)]


def _problems(document: dict[str, Any]) -> Iterable[str]:
    for point in document["points"]:
        for problem in point["problems"]:
            yield f"{point['prompt_tokens']} tokens, {point['concurrency']} streams: {problem}"


def _point(raw: dict[str, Any]) -> Point:
    numbers = (_read(raw, name, int) for name in ("prompt_tokens", "answer_tokens", "concurrency"))
    rates = (_read(raw, name, float) for name in ("requests_per_second", "good_per_second"))
    times = ((_read(raw, f"{name}.p50", float), _read(raw, f"{name}.p99", float)) for name in TIMES)
    return Point(*numbers, *rates, *times)


def _read(document: Any, path: str, kind: type[Any]) -> Any:
    """A value of this kind; a number counts something, so it is not below 0. Raises KeyError, TypeError, ValueError."""
    value: Any = document
    for key in path.split("."):
        value = value[key]
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds):
        raise TypeError(f"{path} is {value!r}")
    if isinstance(value, int | float) and not 0 <= value < math.inf:
        raise ValueError(f"{path} is {value}")
    return value


def comparable(results: list[Result]) -> list[int]:
    """The prompt lengths that all have. Raises UserError where figures side by side would mislead."""
    first = results[0]
    for other in results[1:]:
        for what, key in (
            ("model", "model"),
            ("limits", "limits"),
            ("shared prefix", "workload"),
            ("engine", "engine"),
            ("AIPerf", "aiperf"),
        ):
            mine, theirs = (_said(r.document, key) for r in (first, other))
            if mine != theirs:
                raise UserError(f"{first.name} and {other.name} have another {what}: {mine} and {theirs}")
        if first.document["simulated"] != other.document["simulated"]:
            raise UserError(f"of {first.name} and {other.name} one is simulated: a timing model is no GPU")
    loads = [{(p.prompt_tokens, p.answer_tokens, p.concurrency) for p in r.points} for r in results]
    common = set.intersection(*loads)
    if not common:
        raise UserError(f"{' and '.join(r.name for r in results)} have no load in common: measure the same workload")
    return sorted({prompt for prompt, _, _ in common})


def _said(document: dict[str, Any], key: str) -> Any:
    return document[key]["shared_prefix_tokens"] if key == "workload" else document[key]
