"""What came of the cases: a row for the terminal, and the table of docs/reliability.md."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from hack.base.paths import ROOT
from hack.docs.pages import inserted, table
from hack.reliability.cases import ALONE, CASES
from hack.reliability.trial import Outcome

PAGE = ROOT / "docs" / "reliability.md"
COUNTS = ("sent", "right", "wrong", "shed", "asked_again")
COLUMNS = (
    "case",
    "sent",
    "right",
    "wrong",
    "shed",
    "asked again",
    "failed",
    "moved",
    "longest stall",
    "right again",
    "mixed pairs",
    ALONE,
)


def row(outcome: Outcome) -> list[str]:
    """As the terminal shows it."""
    clients = outcome.clients
    failed = ", ".join(f"{count} x {what}" for what, count in sorted(outcome.failed.items())) or "0"
    counts = [str(clients[name]) for name in COUNTS]
    stall = f"{clients['longest_stall']} s"
    pairs = [str(outcome.pairs.mixed), str(outcome.pairs.alone)]
    return [outcome.case, *counts, failed, str(outcome.moved), stall, f"{outcome.seconds:.0f} s", *pairs]


def why(outcome: Outcome) -> str:
    """Why clients lost something, and how long an outage lasted."""
    reason = outcome.loses.why if outcome.clients["failed"] or outcome.pairs.alone else ""
    if outcome.expected is not None:
        reason += f": {outcome.clients['failing_seconds']} s, {outcome.expected:.1f} s by the release's own pods"
    return reason


def page(outcomes: Sequence[Outcome]) -> str:
    """docs/reliability.md with these outcomes in place of older ones of the same cases, and their date."""
    kept = dict(re.findall(r"^\| ([^|]+?) \|(.*)\|$", PAGE.read_text(), re.MULTILINE))
    rows = {name: [name, *(cell.strip() for cell in kept[name].split("|"))] for name in CASES if name in kept}
    for outcome in outcomes:
        rows[outcome.case] = [*row(outcome), why(outcome), f"{datetime.now(UTC):%Y-%m-%d}"]
    ordered = [rows[name] for name in CASES if name in rows]
    return inserted(PAGE, "Cases", table([*COLUMNS, "why", "date"], ordered))
