"""Whether to disaggregate, in words that follow from the numbers."""

from collections.abc import Iterator

from hack.benchmark.results import Point, Result, comparable

# Two runs of the same release differ by as much.
NOISE = 0.05
AGGREGATED, DISAGGREGATED = "aggregated", "disaggregated"


def verdict(results: list[Result]) -> list[str]:
    """Sentences, the answer first."""
    prompts = comparable(results)
    sentences = []
    apart, together = [[r for r in results if r.disaggregated is kind] for kind in (True, False)]
    if apart and together:
        sentences.append(_answer(prompts, apart, together))
    for prompt in prompts:
        sentences += _length(prompt, results, apart, together)
    if results[0].document["simulated"]:
        sentences.append("Simulated: the times are those of Dynamo's mocker, a timing model, and of no GPU.")
    return sentences


def _answer(prompts: list[int], apart: list[Result], together: list[Result]) -> str:
    wins = [prompt for prompt in prompts if _gain(prompt, apart, together) > NOISE]
    if not wins:
        return "Disaggregate: no."
    if wins == prompts:
        return f"Disaggregate: yes, for prompts of {_list(prompts)} tokens at these limits."
    if wins == prompts[-len(wins) :]:
        short = prompts[-len(wins) - 1]
        return f"Disaggregate: yes for prompts of {wins[0]} tokens and more, no for those of {short} and less."
    return f"Disaggregate: yes for prompts of {_list(wins)} tokens; for the other lengths measured, no."


def _gain(prompt: int, apart: list[Result], together: list[Result]) -> float:
    """By what share the best disaggregated arm answers more within the limits, for each GPU."""
    mine, theirs = (rate(_best(prompt, arms), prompt) for arms in (apart, together))
    if not theirs:
        return float("inf") if mine else 0
    return mine / theirs - 1


def rate(result: Result, prompt: int) -> float:
    """Requests/s within the limits for each GPU."""
    return result.best(prompt).good_per_second / result.gpus


def _best(prompt: int, arms: list[Result]) -> Result:
    return max(arms, key=lambda arm: rate(arm, prompt))


def _length(prompt: int, results: list[Result], apart: list[Result], together: list[Result]) -> Iterator[str]:
    pair = [_best(prompt, apart), _best(prompt, together)] if apart and together else results
    limits = results[0].document["limits"]
    kept = f"TTFT {limits['ttft_ms'] / 1000:g} s and {limits['itl_ms']:g} ms a token"
    said = []
    for arm in pair:
        point = arm.best(prompt)
        if point.good_per_second:
            each = "" if len({a.gpus for a in pair}) == 1 else f" ({rate(arm, prompt):.2f} for each of {arm.gpus} GPUs)"
            said.append(
                f"{arm.name} answers {point.good_per_second:.2f} requests/s{each} at {point.concurrency} streams"
            )
        else:
            said.append(f"{arm.name} keeps them at no load measured")
    yield f"Prompts of {prompt} tokens, within {kept}: {', '.join(said)}{_difference(prompt, pair)}."
    # Who was asked less has not answered less.
    streams = {point.concurrency for arm in results for point in arm.at(prompt)}
    for arm in results:
        if missing := sorted(streams - {point.concurrency for point in arm.at(prompt)}):
            yield f"{arm.name} was not measured at {_list(missing)} streams."
    for arm in pair:
        yield from _stopped(prompt, arm)


def _difference(prompt: int, pair: list[Result]) -> str:
    first, second = (rate(arm, prompt) for arm in pair[:2]) if len(pair) == 2 else (0, 0)
    if not (first and second):
        return ""
    gain = first / second - 1
    if abs(gain) <= NOISE:
        return f"; {abs(gain):.0%} is no difference, and one pool is simpler" if pair[0].disaggregated else ""
    return f", which is {abs(gain):.0%} {'more' if gain > 0 else 'less'} for {pair[0].name}"


def _stopped(prompt: int, arm: Result) -> Iterator[str]:
    """What goes over its limit with more streams than at the best point, and what would help."""
    best = arm.best(prompt)
    beyond = [
        p for p in arm.at(prompt) if over(arm, p) and (p.concurrency > best.concurrency or not best.good_per_second)
    ]
    if not beyond:
        if best == arm.at(prompt)[-1] and best.good_per_second:
            yield f"{arm.name} may take more than {best.concurrency} streams: more were not measured."
        return
    point, names = beyond[0], over(arm, beyond[0])
    what = {
        "ttft": f"TTFT p99 of {point.ttft[1] / 1000:.1f} s",
        "tpot": f"TPOT p99 of {point.tpot[1]:.1f} ms",
    }
    text = f"At {point.concurrency} streams {arm.name} has a {' and a '.join(what[name] for name in names)}"
    if not arm.disaggregated:
        cure = "every prompt stops the answers of its worker" if "tpot" in names else "its workers are full"
    elif names == ["ttft"]:
        cure = f"prefill is short, so give it more workers for each of decode's than {_ratio(arm)}"
    elif names == ["tpot"]:
        cure = f"decode is short, so give it more workers for each of prefill's than {_ratio(arm)}"
    else:
        cure = "both pools are full"
    yield f"{text}: {cure}."


def over(arm: Result, point: Point) -> list[str]:
    """The limits that one request in a hundred exceeds."""
    limits = arm.document["limits"]
    found = {"ttft": point.ttft[1] > limits["ttft_ms"], "tpot": point.tpot[1] > limits["itl_ms"]}
    return [name for name, exceeded in found.items() if exceeded]


def _ratio(arm: Result) -> str:
    pools = arm.document["pools"]
    return f"{pools['prefill']['replicas']}:{pools['decode']['replicas']}"


def _list(numbers: list[int]) -> str:
    return " and ".join(filter(None, (", ".join(map(str, numbers[:-1])), str(numbers[-1]))))
