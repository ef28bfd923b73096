"""What fired in which fault: rows for the terminal, and the table of docs/monitoring.md."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from hack.docs.pages import MONITORING_PAGE, inserted, table
from hack.reliability.alarms import ELSEWHERE, FACTOR, FAULTS, Seen
from hack.reliability.place import tried_on

COLUMNS = ("fault", "should fire", "fired, after", "right")
DATE = "date"


def row(seen: Seen) -> list[str]:
    """Of one fault, with the alerts' names as they are without Dynamo before."""
    fired = [f"{_short(name)} {after:.0f} s" for name, after in seen.fired.items()]
    expected = [_short(name) for name in sorted(seen.expected)]
    return [seen.fault, ", ".join(expected) or "-", ", ".join(fired) or "-", "yes" if seen.right else "no"]


def page(outcomes: Sequence[Seen]) -> str:
    """docs/monitoring.md with these outcomes in place of older ones of the same faults, and their date."""
    when = f"{tried_on()}; all times of the rules divided by {FACTOR}:"
    kept = re.findall(r"^\| (.+) \|$", MONITORING_PAGE.read_text().partition("<!-- Faults: begin")[2], re.MULTILINE)
    rows = {cells[0]: cells for cells in (line.split(" | ") for line in kept) if cells[0] in FAULTS}
    rows |= {one.fault: [*row(one), f"{datetime.now(UTC):%Y-%m-%d}"] for one in outcomes}
    seen = table([*COLUMNS, DATE], [rows[name] for name in FAULTS if name in rows])
    left = "\n".join(f"- {_short(name)}: {reason}" for name, reason in ELSEWHERE.items())
    return inserted(MONITORING_PAGE, "Faults", f"{when}\n\n{seen}\nNot caused there:\n\n{left}\n")


def _short(name: str) -> str:
    return name.removeprefix("Dynamo")
