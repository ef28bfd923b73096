"""The table that people read."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from .cluster import Object

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass
class Check:
    """One row of the table."""

    status: str
    name: str
    detail: str


def table(rows: list[Check], needs: Object) -> str:
    """The rows as text for people, and the verdict."""
    width = max(len("CHECK"), *(len(row.name) for row in rows))
    lines = [f"{'':6}{'CHECK':{width}}  FOUND"]
    for row in rows:
        first, *more = textwrap.wrap(row.detail, 110, break_long_words=False, break_on_hyphens=False) or [""]
        lines += [f"{row.status:6}{row.name:{width}}  {first}", *(f"{'':6}{'':{width}}  {line}" for line in more)]
    failed = sum(row.status == FAIL for row in rows)
    where = f"release {needs['release']} in namespace {needs['namespace']}, machine type {needs['hardware']}"
    verdict = f"FAIL: {failed} of {len(rows)} checks failed" if failed else f"OK: {len(rows)} checks"
    return "\n".join([f"Preflight of {where}", "", *lines, "", verdict])


def passed(rows: list[Check]) -> bool:
    """Whether nothing failed; warnings do not count."""
    return all(row.status != FAIL for row in rows)
