"""Console output shared by the commands in hack/."""

import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from rich import table
from rich.console import Console

# A log file or a pipe has no width of its own; tables would be cut at 80 columns.
console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)

# What explains a result that goes to standard output.
aside = Console(highlight=False, soft_wrap=True, width=None if sys.stderr.isatty() else 160, stderr=True)


class Table(table.Table):
    """A table whose words are broken where a terminal is narrow; as rich has it they are cut, and may look alike."""

    def add_column(self, *arguments: Any, **options: Any) -> None:
        """As of rich."""
        super().add_column(*arguments, **{"overflow": "fold", **options})


def print_table(head: Sequence[str], rows: Iterable[Iterable[str]], title: str | None = None) -> None:
    """Print a table on the console."""
    shown = Table(*head, title=title)
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


class UserError(Exception):
    """A mistake or a missing part the user can fix; the message says how."""


def fail(message: str) -> NoReturn:
    """Print one clear message to standard error and exit with code 1."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def _terminated(signal_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal_number)


def main(run: Callable[[], int | None]) -> NoReturn:
    """Run a command's entry point; a UserError, or a file that cannot be used, becomes a message and exit code 1."""
    # So that what was made is removed also when a CI job is cancelled.
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = run()
    except UserError as error:
        fail(str(error))
    except OSError as error:
        # Without a name it is not about a file of the user.
        if error.filename is None:
            raise
        fail(f"{error.filename}: {error.strerror or error}")
    except KeyboardInterrupt:
        fail("interrupted")
    sys.exit(code or 0)
