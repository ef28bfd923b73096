"""What came of too much load: rows for the terminal, and the table of docs/autoscaling.md."""

from datetime import UTC, datetime
from typing import Any

from hack.base.paths import ROOT
from hack.docs.pages import inserted, table
from hack.reliability.overload import TIMES, Overload
from hack.reliability.place import tried_on

PAGE = ROOT / "docs" / "autoscaling.md"
COLUMNS = (
    *("load", "requests/s", "seconds", "sent", "right", "wrong", "failed", "shed"),
    *("slowest refusal", "TTFT p50", "TTFT p99"),
)


def rows(seen: Overload) -> list[list[str]]:
    """One for each load."""
    return [_row("the capacity", seen.at), _row(f"{TIMES} times the capacity", seen.beyond)]


def _row(load: str, phase: dict[str, Any]) -> list[str]:
    times = [f"{phase[name]} s" for name in ("slowest_refusal", "first_token_p50", "first_token_p99")]
    return [load, *told(phase), *times]


def told(phase: dict[str, Any]) -> list[str]:
    """Requests of a phase: rate, seconds, sent, right, wrong, failed and shed."""
    failed = ", ".join(f"{count} x {what}" for what, count in sorted(phase["failed"].items())) or "0"
    counts = [str(phase[name]) for name in ("sent", "right", "wrong")]
    return [f"{phase['rate']:g}", f"{phase['seconds']:g}", *counts, failed.replace("|", "/"), str(phase["shed"])]


def page(seen: Overload) -> str:
    """docs/autoscaling.md with this in place of what was there."""
    when = f"{datetime.now(UTC):%Y-%m-%d}, {tried_on()}"
    return inserted(PAGE, "Overload", f"{when}:\n\n{table([*COLUMNS], rows(seen))}")
