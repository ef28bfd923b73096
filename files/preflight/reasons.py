"""Why a node does not take a pod: what to decide by, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Cause(Enum):
    """Kinds of reasons, each with the words for several nodes, for one, and what follows."""

    LABEL = ("lack", "lacks", "label {name}={value}")
    ARCHITECTURE = ("have", "has", "another CPU architecture than {value}")
    NODE_AFFINITY = ("do", "does", "not fit nodeAffinity")
    NOT_READY = ("are", "is", "NotReady")
    CORDONED = ("are", "is", "cordoned")
    TAINT = ("have", "has", "taint {name}{value} that is not tolerated")
    ABSENT = ("have", "has", "no {name}")
    TOO_SMALL = ("have", "has", "only {value} in all")
    TAKEN = ("have", "has", "less than {value} free")


@dataclass(frozen=True)
class Reason:
    """One reason: of a label, taint or resource its name, and the value or amount that is wanted or there."""

    cause: Cause
    name: str = ""
    value: str = ""

    def of(self, count: int) -> str:
        """The reason of so many nodes: "1 has ...", "2 have ..."."""
        several, one, rest = self.cause.value
        return f"{count} {one if count == 1 else several} {rest.format(name=self.name, value=self.value)}"
