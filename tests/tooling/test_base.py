"""Waiting, running programs, reading YAML."""

import io
import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from hack.base import process, step, wait
from hack.base.log import Table, UserError
from hack.base.step import Step, stop_all_on_failure
from hack.base.wait import NotReachedError, UnrecoverableError, meanwhile, wait_for
from hack.base.yamlfile import parse_all, read_yaml, repeated_keys


def test_waiting_returns_the_observation() -> None:
    states = iter([1, 2, 3])
    assert wait_for("three", lambda: next(states), lambda s: s == 3, timeout=5, interval=0) == 3


def test_waiting_in_vain_shows_the_last_state() -> None:
    with pytest.raises(NotReachedError, match=r"pods ready: not reached in 0 s; last observed: 1 of 2 ready"):
        wait_for("pods ready", lambda: "1 of 2 ready", lambda _: False, timeout=0.01, interval=0)


def test_waiting_for_something_that_fails_shows_the_error() -> None:
    def refuse() -> None:
        raise ConnectionError("refused")

    with pytest.raises(NotReachedError, match="last observed: ConnectionError: refused"):
        wait_for("answer", refuse, lambda _: True, timeout=0.01, interval=0)


def test_waiting_ends_where_it_cannot_help() -> None:
    def broken() -> None:
        raise UnrecoverableError("the image is missing")

    with pytest.raises(UnrecoverableError, match="the image is missing"):
        wait_for("pods ready", broken, lambda _: True, timeout=60)


def test_waiting_says_what_it_sees(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(wait, "HEARTBEAT_SECONDS", -1)
    states = iter([1, 2])
    wait_for("2 pods", lambda: next(states), lambda n: n == 2, 5, 0, show=lambda n: f"{n} of 2", step=Step("pods"))
    assert "waiting for 2 pods; 1 of 2" in capsys.readouterr().out


def test_what_is_done_meanwhile_does_not_fail_in_silence() -> None:
    done = threading.Event()

    def fail() -> None:
        done.set()
        raise ValueError("not a number")

    with pytest.raises(ValueError, match="not a number"), meanwhile(fail, 0):
        assert done.wait(10)
    with pytest.raises(UserError, match="of the block") as both, meanwhile(fail, 0):
        raise UserError("of the block")
    assert both.value.__notes__ == ["what ran meanwhile had ended: ValueError('not a number')"]


def test_a_program_that_fails_says_so_in_its_own_words() -> None:
    with pytest.raises(UserError, match=r"^copying: no space\n?$"):
        process.output(["sh", "-c", "echo half; echo no space >&2; exit 3"], "copying")
    with pytest.raises(UserError, match=r"^copying: exit code 3$"):
        process.output(["sh", "-c", "exit 3"], "copying")


def test_a_program_reads_a_text_or_a_file_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of a file")
    assert process.output(["cat"], "cat", stdin="a text") == "a text"
    with (tmp_path / "file").open("rb") as file:
        assert process.run(["cat"], stdin=file).stdout == "of a file"
    assert process.output(["cat"], "cat") == ""


def test_a_program_that_does_not_end() -> None:
    with pytest.raises(process.NotFinishedError, match=r"no answer from `sh -c` within 0\.3 s") as error:
        process.run(["sh", "-c", "echo halfway >&2; exec sleep 60"], timeout=0.3)
    assert error.value.seen == "halfway\n"


def test_a_program_in_the_background_ends_with_the_block() -> None:
    with process.background(["sh", "-c", "echo ready; exec sleep 60"]) as program:
        wait_for("its output", program.said, lambda text: text == "ready\n", 10, 0.05)
        assert program.exit_code is None
    assert program.exit_code is not None


STUBBORN = ["sh", "-c", "trap '' TERM; echo ready; exec sleep 6"]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test takes much less time than the program that does not end when it is asked to."""
    monkeypatch.setattr(process, "END_SECONDS", 0.2)
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 4


@pytest.mark.usefixtures("soon")
def test_a_program_that_will_not_end_is_killed_with_the_block() -> None:
    with process.background(STUBBORN) as program:
        wait_for("its output", program.said, lambda text: text == "ready\n", 10, 0.05)
    assert program.exit_code == -signal.SIGKILL


@pytest.mark.usefixtures("soon")
def test_a_step_that_is_interrupted_kills_what_will_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_step: Step, _text: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(step, "HEARTBEAT_SECONDS", 0.5)
    monkeypatch.setattr(Step, "say", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Step("test").run(STUBBORN, "sleeping")


@pytest.mark.usefixtures("soon")
def test_a_step_that_fails_kills_what_will_not_end_beside_it() -> None:
    ready = threading.Event()

    def observe(_line: str) -> None:
        ready.set()

    def both() -> None:
        with ThreadPoolExecutor(1) as pool, stop_all_on_failure():
            pool.submit(Step("test").run, STUBBORN, "sleeping", observe=observe)
            assert ready.wait(10)
            raise UserError("of the other")

    with pytest.raises(UserError, match="of the other"):
        both()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: [", "not valid YAML"),
        (b"\xff\xfe", "not valid YAML: 'utf-8'"),
        (b"a: 2026-13-01", "not valid YAML: month must be in 1..12"),
        (b"{<<: " * 2000 + b"}" * 2000, "not valid YAML: maximum recursion"),
        (b"- a", "expected a map, found list"),
    ],
)
def test_a_file_that_holds_no_map(tmp_path: Path, text: bytes, message: str) -> None:
    file = tmp_path / "values.yaml"
    file.write_bytes(text)
    with pytest.raises(UserError, match=f"values.yaml: {message}"):
        read_yaml(file)


def test_a_key_that_is_a_list_is_no_repeated_one() -> None:
    assert list(repeated_keys("? [a]\n: 1\n? [a]\n: 2\nb: 1\nb: 2\n")) == [("b", 5, 6)]


def test_a_narrow_terminal_cuts_no_word() -> None:
    table = Table("arm", "requests/s")
    table.add_row("aggregated-small-chunks", "1")
    narrow = Console(width=24, file=io.StringIO())
    narrow.print(table)
    assert isinstance(narrow.file, io.StringIO)
    words = re.sub(
        r"[^\w-]", "", "".join(line.split("│")[1] for line in narrow.file.getvalue().splitlines() if "│" in line)
    )
    assert words == "aggregated-small-chunks"


def test_documents_that_cannot_be_read_are_no_yaml() -> None:
    with pytest.raises(yaml.YAMLError, match="month must be"):
        parse_all("a: 1\n---\nb: 2026-13-01\n")


def test_empty_documents_are_left_out() -> None:
    assert parse_all("---\n---\na: 1\n---\n# nothing\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
