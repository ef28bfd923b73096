"""Long commands with visible progress: a line per step, at least every few seconds, never a silent minute."""

import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hack.base.log import UserError, console
from hack.base.process import end

HEARTBEAT_SECONDS = 10.0

_running: set[subprocess.Popen[str]] = set()


@contextmanager
def stop_all_on_failure() -> Iterator[None]:
    """Where steps run side by side: the failure of one, or an interruption, ends the commands of all."""
    try:
        yield
    except BaseException:
        end(*_running)
        raise


class Step:
    """A named piece of work; every line it prints starts with its name and ends with the seconds so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = time.monotonic()

    def seconds(self) -> float:
        """Seconds since the step was created."""
        return time.monotonic() - self.started

    def say(self, text: str) -> None:
        """Print one progress line."""
        console.print(f"[bold]{self.name:<12}[/bold] {text} ({self.seconds():.0f} s)")

    def lock(self, file: Path, busy: str) -> AbstractContextManager[object]:
        """Hold the lock of a file for a block; says that it is busy where another process has it."""
        lock = FileLock(file)
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            self.say(busy)
            return lock.acquire()

    def run(
        self,
        command: Sequence[str | Path],
        what: str,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        observe: Callable[[str], str | None] | None = None,
    ) -> None:
        """Run a command, saying every few seconds how far it is.

        `observe` sees each line of output and returns a summary of the progress, or None to leave the last one.
        Raises UserError with the last lines of output when the command fails.
        """
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        tail: deque[str] = deque(maxlen=25)
        summary = ""

        def read() -> None:
            nonlocal summary
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip():
                    tail.append(line.rstrip())
                if observe is not None:
                    summary = observe(line.rstrip()) or summary

        _running.add(process)
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            while True:
                reader.join(HEARTBEAT_SECONDS)
                if not reader.is_alive():
                    break
                self.say(f"{what}: {summary}" if summary else f"{what} ...")
            code = process.wait()
        except BaseException:
            end(process)
            raise
        finally:
            _running.discard(process)
        if code != 0:
            output = "\n  ".join(tail) or "(no output)"
            raise UserError(f"{self.name}: {what} failed (exit code {code}):\n  {output}")
