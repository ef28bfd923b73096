"""Running programs: to their end, or beside us as long as a block. Long ones with progress are steps (step.py)."""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hack.base.log import UserError

Command = Sequence[str | Path]
Done = subprocess.CompletedProcess[str]
END_SECONDS = 10
# kubectl logs each of its attempts before it says what is wrong.
LOGGED = re.compile(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ .*\n?", re.MULTILINE)


class NotFinishedError(UserError):
    """A program did not end in time; `seen` is what it had printed to standard error by then."""

    def __init__(self, command: Command, timeout: float, seen: str) -> None:
        self.seen = seen
        super().__init__(f"no answer from `{' '.join(map(str, command[:2]))}` within {timeout:g} s")


def run(
    command: Command,
    *,
    stdin: str | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> Done:
    """Run a program to its end and return its result, whatever its exit code.

    `env` is the whole environment (default: ours), `timeout` is in seconds. Raises NotFinishedError, and OSError
    where there is no such program.
    """
    try:
        return subprocess.run(
            [str(part) for part in command],
            **({"input": stdin} if isinstance(stdin, str) else {"stdin": stdin or subprocess.DEVNULL}),
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            cwd=cwd,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        seen = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else (error.stderr or "")
        raise NotFinishedError(command, error.timeout, seen) from None


def output(
    command: Command,
    what: str,
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> str:
    """What a program printed; its failure is a UserError, "<what>: <its own message>"."""
    done = run(command, stdin=stdin, env=env, cwd=cwd, timeout=timeout)
    if done.returncode:
        raise UserError(f"{what}: {message(done)}")
    return done.stdout


def message(done: Done) -> str:
    """Why a program failed, in its own words."""
    said = LOGGED.sub("", done.stderr).strip() or done.stderr.strip()
    return said or done.stdout.strip() or f"exit code {done.returncode}"


@dataclass(frozen=True)
class Background:
    """A program that runs beside us."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self.process.poll()

    def said(self) -> str:
        """All that it has printed so far."""
        return self.log.read_text(errors="replace")


@contextmanager
def background(command: Command) -> Iterator[Background]:
    """Start a program, and end it with the block."""
    with tempfile.NamedTemporaryFile(prefix="output-") as log:
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield Background(process, Path(log.name))
        finally:
            end(process)


def end(*processes: subprocess.Popen[Any]) -> None:
    """End programs, those that do not end when they are asked to as well."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
