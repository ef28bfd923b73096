"""CHANGELOG.md in the form of Keep a Changelog: what a version changed, and closing a version."""

import datetime
import re
from dataclasses import dataclass

from hack.base.log import UserError

KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
UNRELEASED = "## [Unreleased]"

_SECTION = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\S+))?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Change:
    """One entry: its kind (a word of KINDS) and its text on one line."""

    kind: str
    description: str


def changes(version: str, text: str) -> list[Change]:
    """The entries of one version; raises UserError when the version is missing, undated, empty or misformed."""
    sections = list(_SECTION.finditer(text))
    position = next((i for i, s in enumerate(sections) if s["version"] == version), None)
    if position is None:
        known = ", ".join(s["version"] for s in sections) or "none"
        raise UserError(f'CHANGELOG.md has no section "## [{version}] - <date>" (it has: {known}): write it')
    section = sections[position]
    _check_date(version, section["date"])
    end = sections[position + 1].start() if position + 1 < len(sections) else len(text)
    found = list(_entries(version, text[section.end() : end]))
    if not found:
        raise UserError(f"CHANGELOG.md says nothing under [{version}]: list what users notice")
    return found


def _check_date(version: str, date: str | None) -> None:
    try:
        datetime.date.fromisoformat(date or "")
    except ValueError:
        raise UserError(f"CHANGELOG.md: [{version}] has the date {date}: write ## [{version}] - YYYY-MM-DD") from None


def _entries(version: str, body: str) -> list[Change]:
    # A link reference at the end of the file is no part of the last entry.
    lines = [line for line in body.splitlines() if not re.match(r"\[[^\]]+\]: ", line)]
    kind, found = "", list[Change]()
    for line in lines:
        if line.startswith("### "):
            kind = line.removeprefix("### ").strip().lower()
            if kind not in KINDS:
                raise UserError(f'CHANGELOG.md: [{version}] has a group "{kind}": use one of {", ".join(KINDS)}')
        elif line.startswith("- ") and kind:
            found.append(Change(kind, line.removeprefix("- ").strip()))
        elif line.startswith("  ") and found:
            found[-1] = Change(kind, f"{found[-1].description} {line.strip()}")
        elif line.strip():
            raise UserError(f'CHANGELOG.md: [{version}] has a line that is no entry of a group: "{line}"')
    return found


def closed(version: str, date: datetime.date, text: str) -> str:
    """The changelog with what is unreleased now under a version, and an empty Unreleased above it."""
    if UNRELEASED not in text:
        raise UserError(f'CHANGELOG.md has no section "{UNRELEASED}": write it, with what changed')
    if any(section["version"] == version for section in _SECTION.finditer(text)):
        raise UserError(f"CHANGELOG.md has a section [{version}] already: choose another version")
    result = text.replace(UNRELEASED, f"{UNRELEASED}\n\n## [{version}] - {date.isoformat()}", 1)
    changes(version, result)
    return result
