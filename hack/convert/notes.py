"""What a conversion has to say: nothing is changed, lost or guessed in silence."""

import dataclasses
from dataclasses import dataclass, field

from hack.base.log import UserError


class CannotConvertError(UserError):
    """The input is none that can be converted, or not as a whole; the message says why and what to do."""


@dataclass(frozen=True)
class Note:
    """One remark."""

    # change: said in another way here, or done by the chart. loss: not carried over. doubt: look at it.
    kind: str
    # Where it stands: a path in the input, or of a value.
    where: str
    text: str


@dataclass
class Notes:
    """All remarks of one conversion, in their order, each once."""

    entries: list[Note] = field(default_factory=list)

    def change(self, where: str, text: str) -> None:
        """It means the same, but is written or done otherwise."""
        self._add("change", where, text)

    def loss(self, where: str, text: str) -> None:
        """It was there and is not any more."""
        self._add("loss", where, text)

    def doubt(self, where: str, text: str) -> None:
        """The input does not say it, or says two things."""
        self._add("doubt", where, text)

    def _add(self, kind: str, where: str, text: str) -> None:
        note = Note(kind, where, text)
        if note not in self.entries:
            self.entries.append(note)

    def of(self, kind: str) -> list[Note]:
        """Those of one kind."""
        return [note for note in self.entries if note.kind == kind]

    def as_data(self) -> list[dict[str, str]]:
        """For JSON."""
        return [dataclasses.asdict(note) for note in self.entries]
