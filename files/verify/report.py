"""The table that people read."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from .plan import Plan

OK, WARN, FAIL, SIMULATED = "ok", "warn", "FAIL", "sim"


@dataclass(frozen=True)
class Proof:
    """One row of the table: a figure, or one sentence that names what to change."""

    status: str
    name: str
    detail: str


def table(plan: Plan, proofs: list[Proof]) -> str:
    """The proofs as text for people, then the verdict, with every failure as a line of its own."""
    width = max(len(proof.name) for proof in proofs)
    lines = [f"{'':6}{'PROOF':{width}}  FIGURE"]
    for proof in proofs:
        first, *more = textwrap.wrap(proof.detail, 110, break_long_words=False, break_on_hyphens=False)
        lines += [f"{proof.status:6}{proof.name:{width}}  {first}", *(f"{'':6}{'':{width}}  {line}" for line in more)]
    serving = "disaggregated" if plan.disaggregated else "aggregated"
    title = f"Release {plan.release} in namespace {plan.namespace}: {plan.model} on {plan.engine}, {serving}"
    return "\n".join([title, "", *lines, "", *verdict(proofs)])


def verdict(proofs: list[Proof]) -> list[str]:
    """The last lines: every failure in full, or how much was proved."""
    if failures := [f"FAIL: {p.name}: {p.detail}" for p in proofs if p.status == FAIL]:
        return failures
    counts = [(sum(p.status == status for p in proofs), text) for status, text in WORDS.items()]
    return ["OK: " + ", ".join(f"{count} {text}" for count, text in counts if count)]


WORDS = {OK: "proved", SIMULATED: "simulated", WARN: "with a warning"}


def passed(proofs: list[Proof]) -> bool:
    """Whether nothing failed; warnings do not count."""
    return all(proof.status != FAIL for proof in proofs)
