"""Prometheus text, as a worker's system port serves it."""

from __future__ import annotations

import re

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """The samples of one pod at one time."""

    def __init__(self, text: str) -> None:
        self._samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        for line in text.splitlines():
            if match := SAMPLE.match(line):
                name, labels, value = match.groups()
                self._samples.setdefault(name, []).append((dict(LABEL.findall(labels or "")), float(value)))

    def total(self, name: str, **labels: str) -> float | None:
        """The sum over all series of a name with these labels; None where there is no such series."""
        found = [value for own, value in self._samples.get(name, []) if labels.items() <= own.items()]
        return sum(found) if found else None
