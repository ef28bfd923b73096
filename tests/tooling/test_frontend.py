"""files/frontend.py: what it closes, and that Dynamo's frontend runs in it and stops."""

import contextlib
import http.client
import http.server
import math
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from hack.base.wait import wait_for
from hack.data import load
from hack.reliability.counters import Pairs, pairs
from tests import localdynamo
from tests.localdynamo import MODEL
from tests.scripts import script

drain, frontend = script("drain"), script("frontend")


QUIET = frontend.QUIET[signal.SIGUSR1]


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What Dynamo says it has in flight, where a test has no Dynamo."""
    said = {"in flight": 0.0}
    monkeypatch.setattr(frontend, "in_flight", lambda _: said["in flight"])
    return said


@pytest.mark.usefixtures("count")
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_it_closes_the_port_and_its_connections_and_no_others(family: int, host: str) -> None:
    ours, other = (socket.create_server((host, 0), family=family) for _ in range(2))
    with ours, other:
        clients = [socket.create_connection(server.getsockname()[:2], timeout=5) for server in (ours, other)]
        taken = [server.accept()[0] for server in (ours, other)]
        for client, server in zip(clients, taken, strict=True):
            answer(client, server)
        time.sleep(2 * QUIET / 1000)
        descriptors = len(os.listdir("/proc/self/fd"))
        frontend.hang_up(ours.getsockname()[1], QUIET)
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert clients[0].recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(ours.getsockname()[:2], timeout=5)
        taken[1].sendall(b"1")
        assert clients[1].recv(1) == b"1"
        socket.create_connection(other.getsockname()[:2], timeout=5).close()
        for each in (*clients, *taken):
            each.close()


def answer(client: socket.socket, server: socket.socket) -> None:
    """A request and its answer, whose times the kernel keeps in steps of some milliseconds."""
    client.sendall(b"?")
    assert server.recv(1) == b"?"
    time.sleep(0.03)
    server.sendall(b"1")
    assert client.recv(1) == b"1"


@pytest.mark.usefixtures("count")
def test_an_answer_is_sent_to_its_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        taken, _ = server.accept()
        with taken:
            taken.sendall(b"1")
            frontend.hang_up(server.getsockname()[1], QUIET)
            taken.sendall(b"2")
        assert client.makefile("rb").read() == b"12"


@pytest.mark.usefixtures("count")
@pytest.mark.parametrize("before", [False, True])
def test_a_request_that_is_being_answered_is_not_hung_up_on(before: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        taken, _ = server.accept()
        with taken:
            if before:
                answer(client, taken)
                time.sleep(0.03)
            client.sendall(b"?")
            time.sleep(2 * QUIET / 1000)
            frontend.hang_up(server.getsockname()[1], QUIET)
            assert taken.recv(1) == b"?"
            taken.sendall(b"2")
            time.sleep(2 * QUIET / 1000)
            frontend.hang_up(server.getsockname()[1], QUIET)
        assert client.makefile("rb").read() == b"2"


@pytest.mark.parametrize(("number", "in_flight"), [(signal.SIGUSR1, 1), (signal.SIGUSR2, 1), (signal.SIGUSR2, 0)])
def test_a_stream_that_stalls_is_not_hung_up_on(number: int, in_flight: int, count: dict[str, float]) -> None:
    count["in flight"] = in_flight
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        taken, _ = server.accept()
        with taken:
            answer(client, taken)
            time.sleep(2 * QUIET / 1000)
            patient = number == signal.SIGUSR1
            frontend.hang_up(server.getsockname()[1], frontend.QUIET[number], patient=patient)
            taken.sendall(b"2")
            assert client.recv(1) == b"2"
            count["in flight"] = 0
            time.sleep(2 * QUIET / 1000)
            frontend.hang_up(server.getsockname()[1], QUIET)
            assert client.recv(1) == b""


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_the_patience_over_what_may_be_a_stream_is_left(
    number: int, count: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontend, "STALL", QUIET)
    count["in flight"] = 1
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as open_ones:
        idle, stream = (open_ones.enter_context(socket.create_connection(server.getsockname())) for _ in range(2))
        taken = [open_ones.enter_context(server.accept()[0]) for _ in range(2)]
        answer(idle, taken[0])
        time.sleep(2 * QUIET / 1000)
        answer(stream, taken[1])
        time.sleep(2 * QUIET / 1000)
        frontend.hang_up(server.getsockname()[1], min(frontend.QUIET[number], QUIET))
        assert idle.recv(1) == b""
        taken[1].sendall(b"2")
        assert stream.recv(1) == b"2"


def test_a_stream_may_go_on_at_another_worker_before_the_patience_ends() -> None:
    """The longest stall of a planned change in docs/reliability.md is below 10 s."""
    assert 10 < frontend.PATIENT_SECONDS < drain.HANG_UP_SECONDS


@pytest.mark.parametrize(("answers", "said"), [(True, 3), (False, math.inf)])
def test_what_is_in_flight_is_dynamos_own_count(answers: bool, said: float) -> None:
    class Metrics(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/metrics"
            if answers:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'dynamo_frontend_inflight_requests{model="m"} 3\n')

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert frontend.in_flight(server.server_port) == said
        server.shutdown()
    assert frontend.in_flight(server.server_port) == 0, "the port is closed"


def test_dynamos_frontend_hangs_up_and_stops(tmp_path: Path) -> None:
    with localdynamo.running(tmp_path) as dynamo:
        kept = http.client.HTTPConnection("127.0.0.1", dynamo.http, timeout=10)
        kept.request("GET", "/v1/models")
        assert MODEL in kept.getresponse().read().decode()
        # An answer within the kernel's step of time counts as under way for a while: /v1/models's may be one.
        dynamo.ask(8)
        process, _ = dynamo.pods["frontend-0"]
        assert drain.hang_up(dynamo.http, False, process=process.pid).startswith("connections left open")
        process.send_signal(signal.SIGTERM)
        assert wait_for("its end", process.poll, lambda code: code is not None, 20) == 0
        assert "Runtime shutdown initiated" in (tmp_path / "frontend-0.log").read_text()


def test_clients_that_keep_connections_lose_nothing(tmp_path: Path) -> None:
    """As in a pod that is deleted: the hook, then the kubelet's signal; another frontend takes what is asked again."""
    with localdynamo.running(tmp_path) as dynamo:
        account, stop = load.Account(), tmp_path / "stop"
        clients = [load.Client(account, dynamo.url, MODEL, load.SHORT, stop, keeps=True) for _ in range(4)]
        for client in clients:
            client.start()
        wait_for("requests are answered", lambda: account.right, lambda right: right > 20, 60)
        process, _ = dynamo.pods["frontend-0"]
        drain.drain(f"{dynamo.url}/metrics", 0, 0, 20)
        assert drain.hang_up(dynamo.http, False, process=process.pid) == "connections left open: 0"
        process.send_signal(signal.SIGTERM)
        stop.touch()
        for client in clients:
            client.join(30)
        # There is no other frontend here: what is asked again is refused, and nothing else happens to anyone.
        assert set(account.failed) <= {"ConnectionRefusedError"}
        assert account.wrong == 0
        # Every answer's workers are found, whose last lines may come after the answer.
        look = lambda: pairs(dynamo.logs())  # noqa: E731
        found = wait_for("all answers in the logs", look, lambda seen: seen.requests >= account.right, 20)
        assert found == Pairs(found.requests)
        assert pairs(dynamo.logs()[:-1]).requests < account.right
        assert wait_for("its end", process.poll, lambda code: code is not None, 20) == 0
