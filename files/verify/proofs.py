"""The four proofs, each about all exchanges of a run."""

from __future__ import annotations

from collections import Counter

from .engines import SOURCES, TRANSFERS, Series, Transfers, silence
from .exchange import Exchange
from .frontend import Answer
from .plan import DECODE, PREFILL, Plan
from .prompts import names
from .report import FAIL, OK, SIMULATED, WARN, Proof
from .speed import Transfer, slowest

ANSWER, WORKERS, TRANSPORT, RECOMPUTED = "answer", "workers", "KV transport", "decode"
DOCS = "docs/kv-path.md"
# Decode computes the last tokens of a prompt itself: the rest of a block, and a little more.
SHARE_COMPUTED = 0.1


def proofs(plan: Plan, exchanges: list[Exchange]) -> list[Proof]:
    """All that can be proved of a release."""
    found = [answers_are_right(plan, exchanges), workers_served(plan, exchanges)]
    if plan.disaggregated:
        found += [cache_moved(plan, exchanges), decode_only_decoded(plan, exchanges)]
    return found


def answers_are_right(plan: Plan, exchanges: list[Exchange]) -> Proof:
    """Whole answers, which depend on the first line of the prompt."""
    for seen in exchanges:
        if problem := broken(seen.answer):
            return Proof(FAIL, ANSWER, f"{problem}: see the logs of the workers")
    texts = Counter(seen.answer.text for seen in exchanges)
    if len(texts) == 1:
        said = f"{len(exchanges)} prompts that differ in their first line have one answer, {next(iter(texts))[:80]!r}"
        return Proof(FAIL, ANSWER, f"{said}: the prompt, or its KV cache, does not reach the worker, see {DOCS}")
    fastest = min(seen.answer.first_token_seconds for seen in exchanges)
    figure = (
        f"{len(exchanges)} prompts of {exchanges[-1].answer.prompt_tokens} tokens, {len(texts)} different answers, "
        f"first token after {fastest:.2f} s"
    )
    if plan.simulated:
        return Proof(OK, ANSWER, figure)
    named = sum(names(seen.answer.text, seen.code_word) for seen in exchanges)
    figure += f", {named} with the prompt's code word"
    if named == len(exchanges) or (named and not plan.require_code_word):
        return Proof(OK, ANSWER, figure)
    text = f"{figure}: an instruct model names it unless its KV cache arrives damaged, see {DOCS}; others need not"
    if plan.require_code_word:
        return Proof(FAIL, ANSWER, f"{text}, for them set test.requireCodeWord=false")
    return Proof(WARN, ANSWER, text)


def broken(answer: Answer) -> str:
    """What is wrong with one answer by itself, or nothing."""
    text = answer.text.strip()
    if answer.error:
        return f"the stream broke off with an error, {answer.error}"
    if not answer.prompt_tokens or not answer.completion_tokens:
        return f"an answer has no usage (prompt {answer.prompt_tokens}, completion {answer.completion_tokens} tokens)"
    if not answer.finish_reason:
        return "an answer has no finish reason: it was cut off"
    if not text:
        return f"an answer of {answer.completion_tokens} tokens is empty"
    if len(text) >= 8 and len(set(text)) == 1:
        return f"an answer is one character {len(text)} times, {text[:8]!r}"
    # The last character may be half of one.
    if text.rstrip("\ufffd").count("\ufffd") > len(text) / 10:
        return f"an answer is full of replacement characters, {text[:40]!r}"
    return ""


def workers_served(plan: Plan, exchanges: list[Exchange]) -> Proof:
    """Every answer was counted by a pod of each pool, and the pools share no pod."""
    counts: dict[str, Counter[str]] = {role: Counter() for role in plan.pools}
    for number, seen in enumerate(exchanges, 1):
        for role, service in plan.pools.items():
            served = seen.served(role)
            counts[role].update(served)
            if not served:
                text = (
                    f"answer {number} of {len(exchanges)} was counted by no {role} pod; Service {service} has "
                    f"{', '.join(seen.after[role])}: other pods answer for this release, see "
                    f"kubectl -n {plan.namespace} get pods,endpointslices"
                )
                return Proof(FAIL, WORKERS, text)
    if plan.disaggregated and (both := counts[PREFILL].keys() & counts[DECODE].keys()):
        text = f"prefill and decode ran in one pod, {', '.join(sorted(both))}: both Services select it, see its labels"
        return Proof(FAIL, WORKERS, text)
    return Proof(OK, WORKERS, "; ".join(f"{role} {_amounts(count)}" for role, count in counts.items()))


def _amounts(counts: Counter[str]) -> str:
    return ", ".join(f"{address} ({count})" for address, count in sorted(counts.items()))


def cache_moved(plan: Plan, exchanges: list[Exchange]) -> Proof:
    """The engine counted transfers and no failure, and they are as fast as the values promise."""
    if plan.simulated:
        return Proof(SIMULATED, TRANSPORT, "the mocker moves no KV cache")
    transfers = TRANSFERS.get((plan.engine, plan.connector))
    if transfers is None or all(seen.grown(transfers.role, transfers.bytes) is None for seen in exchanges):
        return _unreported(plan, TRANSPORT, transfers.bytes.name if transfers else "KV transfers")
    for name in transfers.failures:
        for role in plan.pools:
            if failed := sum(seen.grown(role, Series(name)) or 0 for seen in exchanges):
                text = f"{name} grew by {failed:.0f} on {role}: see the log of its pods, and {DOCS}"
                return Proof(FAIL, TRANSPORT, text)
    moved = _moved(transfers, exchanges)
    if len(moved) < len(exchanges):
        text = (
            f"{len(exchanges) - len(moved)} of {len(exchanges)} answers moved no KV cache, {transfers.bytes.name} did "
            f"not grow on {transfers.role}: decode computed the prompts itself, see its log and {DOCS}"
        )
        return Proof(FAIL, TRANSPORT, text)
    return _fast_enough(plan, moved)


def _moved(transfers: Transfers, exchanges: list[Exchange]) -> list[Transfer]:
    found = []
    for seen in exchanges:
        amount, seconds = (seen.grown(transfers.role, series) for series in (transfers.bytes, transfers.seconds))
        if amount and seconds:
            found.append(Transfer((*seen.served(PREFILL), *seen.served(DECODE)), amount, seconds))
    return found


def _fast_enough(plan: Plan, moved: list[Transfer]) -> Proof:
    megabytes = sum(transfer.bytes for transfer in moved) / 1e6
    speed = slowest(moved)
    figure = f"{speed:.2f} GB/s for each GPU ({megabytes:.0f} MB in {len(moved)} answers)"
    if speed < plan.floor:
        text = (
            f"{figure} is below the floor of {plan.floor:g} GB/s ({plan.floor_reason}); TCP has 0.1 to 0.5: run "
            "the probe, see the workers' UCX_TLS, UCX_NET_DEVICES and, on one node, process numbers and devices "
            f"({DOCS}), or set test.transport.minGBps=0 where TCP is meant"
        )
        return Proof(FAIL, TRANSPORT, text)
    if not plan.floor and not plan.floor_set:
        return Proof(WARN, TRANSPORT, f"{figure}, no floor: {plan.floor_reason}")
    return Proof(OK, TRANSPORT, f"{figure}, floor {plan.floor:g}: {plan.floor_reason}")


def decode_only_decoded(plan: Plan, exchanges: list[Exchange]) -> Proof:
    """The prompts' tokens came to decode from prefill."""
    if plan.simulated:
        return Proof(SIMULATED, RECOMPUTED, "the mocker does not say where a prompt's tokens come from")
    sources = SOURCES.get(plan.engine)
    if sources is None:
        return Proof(WARN, RECOMPUTED, f"{plan.engine} does not report where a prompt's tokens come from")
    counters = (sources.computed, *sources.others)
    if all(seen.grown(DECODE, series) is None for seen in exchanges for series in counters):
        return _unreported(plan, RECOMPUTED, sources.others[0].name)
    computed = sum(seen.grown(DECODE, sources.computed) or 0 for seen in exchanges)
    asked = sum(seen.answer.prompt_tokens for seen in exchanges)
    figure = f"{computed:.0f} of {asked} prompt tokens were computed on decode"
    if computed > max(asked * SHARE_COMPUTED, len(exchanges) * plan.block_size):
        text = f"{figure}, although prefill had computed them: see the log of the decode pods, and {DOCS}"
        return Proof(FAIL, RECOMPUTED, text)
    return Proof(OK, RECOMPUTED, figure)


def _unreported(plan: Plan, name: str, what: str) -> Proof:
    """A proof that cannot be given; it fails unless the engine is known to be silent, or the values set no floor."""
    why = silence(plan)
    text = f"no {what} in the workers' metrics: {why or 'use an image of Dynamo 1.6.1 (global.engine.image)'}"
    if plan.floor_set:
        return Proof(FAIL, name, f"{text}, or set test.transport.minGBps=0") if plan.floor else Proof(WARN, name, text)
    return Proof(WARN, name, text) if why else Proof(FAIL, name, text)
