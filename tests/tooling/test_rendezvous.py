"""The rendezvous check of simulated multi-node workers, as processes on loopback ports."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from hack.data import runtime
from tests.prometheus import free_port

SCRIPT = runtime.RENDEZVOUS


class Worker:
    """The processes of one simulated worker."""

    def __init__(self) -> None:
        self.port, self.joined_port = free_port(), free_port()
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, role: str, rank: int | str, size: int = 3, address: str = "127.0.0.1") -> subprocess.Popen[str]:
        environment = {
            "DYNAMO_LEADER_ADDRESS": address,
            "DYNAMO_RANK": str(rank),
            "DYNAMO_GROUP_SIZE": str(size),
            "RENDEZVOUS_PORT": str(self.port),
            "RENDEZVOUS_JOINED_PORT": str(self.joined_port),
            "RENDEZVOUS_SECONDS": "2",
        }
        command = [sys.executable, str(SCRIPT), role]
        process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.processes.append(process)
        return process

    def readiness(self) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.joined_port}/", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_until(self, status: int, seconds: float = 10) -> str:
        deadline = time.monotonic() + seconds
        while (seen := self.readiness())[0] != status:
            assert time.monotonic() < deadline, f"readiness is {seen}, wanted {status}"
            time.sleep(0.05)
        return seen[1]


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    for process in worker.processes:
        process.kill()
        process.communicate()


def failure(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=15)
    assert process.returncode == 1, errors
    return errors


def test_ready_only_when_every_rank_has_joined(worker: Worker) -> None:
    worker.start("lead", 0)
    assert "[1, 2]" in worker.wait_until(503)
    worker.start("join", 2)
    worker.start("join", 1)
    worker.wait_until(200)
    worker.processes[1].terminate()
    assert "[2]" in worker.wait_until(503)


@pytest.mark.parametrize(("rank", "size", "words"), [(3, 3, "rank 3"), (0, 3, "rank 0"), (1, 4, "4 nodes")])
def test_a_wrong_rank_or_size_ends_the_pod(worker: Worker, rank: int, size: int, words: str) -> None:
    worker.start("lead", 0)
    worker.wait_until(503)
    assert words in failure(worker.start("join", rank, size))


def test_a_rank_is_given_once(worker: Worker) -> None:
    worker.start("lead", 0, size=2)
    worker.start("join", 1, size=2)
    worker.wait_until(200)
    assert "has already" in failure(worker.start("join", 1, size=2))


def test_a_wrong_address_ends_the_pod(worker: Worker) -> None:
    assert "cannot reach its leader at 127.0.0.1" in failure(worker.start("join", 1))


def test_a_lost_leader_ends_the_pod(worker: Worker) -> None:
    leader = worker.start("lead", 0, size=2)
    rank = worker.start("join", 1, size=2)
    worker.wait_until(200)
    leader.kill()
    assert "lost its leader" in failure(rank)


@pytest.mark.parametrize(
    ("role", "rank", "words"), [("lead", 1, "not 0"), ("join", "x", "no number"), ("", 0, "usage")]
)
def test_a_wrong_start_says_why(worker: Worker, role: str, rank: int | str, words: str) -> None:
    assert words in failure(worker.start(role, rank))
