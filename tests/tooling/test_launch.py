"""The launcher of decode engines: its functions, and the whole of it in a PID namespace."""

import os
import subprocess
import sys

import pytest

from hack.base.paths import ROOT
from tests.scripts import script

SCRIPT = ROOT / "files" / "launch.py"

launch = script("launch")
CHILD = [sys.executable, "-c", "import subprocess, os; print(os.getpid(), subprocess.Popen(['true']).pid)"]


def container(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as PID 1 of a PID namespace of its own, as a container's runtime does."""
    own_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return subprocess.run(["unshare", *own_user, "--pid", "--fork", *command], capture_output=True, text=True)


def test_numbers_go_up() -> None:
    first = launch.next_number()
    assert launch.next_number() > first


def test_a_counter_beyond_the_first_number_uses_one_number(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([9_000, 9_001])
    monkeypatch.setattr(launch, "next_number", lambda: next(numbers))
    launch.move(100)
    assert next(numbers) == 9_001


def test_a_counter_that_never_arrives_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([5] * 101)
    monkeypatch.setattr(launch, "next_number", lambda: next(numbers))
    launch.move(100)
    assert list(numbers) == [5]


def test_the_engine_is_process_1_and_its_children_begin_at_the_first_number() -> None:
    done = container(sys.executable, str(SCRIPT), "2000", *CHILD)
    assert done.stdout.split() == ["1", "2000"]


def test_prefill_keeps_its_numbers() -> None:
    own, child = container(sys.executable, str(SCRIPT), "0", *CHILD).stdout.split()
    assert own == "1"
    assert int(child) < 10


def test_the_engines_exit_status_is_the_containers() -> None:
    assert container(sys.executable, str(SCRIPT), "100", "sh", "-c", "exit 3").returncode == 3


@pytest.mark.parametrize("arguments", [[], ["16384"], ["python3", "-m", "dynamo.vllm"]])
def test_bad_arguments_get_one_sentence(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="write the first number, then the engine's command"):
        launch.main(arguments)
