"""The preStop hook of frontends and workers, against a server whose requests in flight are the test's."""

import http.server
import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from typing import Any

import pytest

from hack.base.wait import wait_for
from tests.prometheus import free_port
from tests.scripts import script

drain = script("drain")

# Well before `most`, also on a busy machine.
SOON = 4
METRICS = """# TYPE dynamo_frontend_inflight_requests gauge
dynamo_frontend_inflight_requests{model="a b"} %d
dynamo_frontend_requests_total{model="a b"} 9
dynamo_request_plane_inflight_requests 0
dynamo_component_inflight_requests{dynamo_component="backend",dynamo_endpoint="generate"} 1
"""


class Server(http.server.ThreadingHTTPServer):
    """Serves METRICS with a number of requests in flight that falls to 0 at a time."""

    idle_at = 0.0
    last_busy = 0.0

    def metrics(self) -> bytes:
        if busy := (now := time.monotonic()) < self.idle_at:
            self.last_busy = now
        return f"x_inflight_requests {int(busy)}\n".encode()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each GET with the metrics."""

    server: Server

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.metrics())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def wait(server: Server, busy: float, *, least: float = 0, quiet: float = 0, most: float = 5) -> tuple[float, str]:
    """How long it waits for a server that is busy for some seconds, and why it ends."""
    started = time.monotonic()
    server.idle_at = started + busy
    streams, why = drain.drain(f"http://127.0.0.1:{server.server_port}/metrics", least, quiet, most)
    assert streams == why.startswith("requests were in flight")
    return time.monotonic() - started, why


def test_all_that_is_in_flight_counts() -> None:
    assert drain.in_flight(METRICS % 3) == 4
    assert drain.in_flight("dynamo_frontend_requests_total 9\n") == 0


def test_it_waits_for_the_last_answer_and_no_longer(server: Server) -> None:
    seconds, why = wait(server, busy=1)
    assert 1 <= seconds < SOON
    assert why == "nothing is in flight"


def test_an_idle_pod_waits_for_others_to_see_it_go(server: Server) -> None:
    assert 1 <= wait(server, busy=0, least=1)[0] < SOON


def test_an_idle_pod_that_has_no_more_time_than_the_least_is_idle(server: Server) -> None:
    seconds, why = wait(server, busy=0, least=1, most=1)
    assert 1 <= seconds < SOON
    assert why == "nothing is in flight"


def test_the_wait_goes_on_after_the_last_answer(server: Server) -> None:
    assert wait(server, busy=0.5, quiet=1)[0] < SOON
    assert time.monotonic() - server.last_busy >= 1


def test_it_ends_though_requests_go_on(server: Server) -> None:
    seconds, why = wait(server, busy=60, most=1)
    assert 1 <= seconds < SOON
    assert why == "requests were in flight for all of 1 s"


def test_a_process_that_does_not_answer_is_not_waited_for(server: Server) -> None:
    server.server_close()
    seconds, why = wait(server, busy=60, least=10, most=60)
    assert seconds < 3
    assert "refused" in why


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_open_connections_of_a_port_are_counted(family: int, host: str) -> None:
    with socket.create_server((host, 0), family=family) as server:
        port = server.getsockname()[1]
        assert drain.connected(port) == 0
        with socket.create_connection((host, port)) as client, server.accept()[0]:
            assert drain.connected(port) == 1
            assert drain.connected(client.getsockname()[1]) == 1
        wait_for("it is closed", lambda: drain.connected(port), lambda count: count == 0, 5)


# A server with one connection, which it keeps for so many signals; it notes them.
KEEPS = """
import signal, socket, sys
left = int(sys.argv[2])
def told(number, _):
    global left
    left -= 1
    print(signal.Signals(number).name, flush=True)
    if not left:
        kept.shutdown(socket.SHUT_RDWR)
signal.signal(signal.SIGUSR1, told)
signal.signal(signal.SIGUSR2, told)
kept = socket.create_server(("127.0.0.1", int(sys.argv[1]))).accept()[0]
while True:
    signal.pause()
"""


@pytest.mark.parametrize(
    ("streams", "signals", "ended"),
    [(False, ["SIGUSR1"] * 3, "connections left open: 0"), (True, ["SIGUSR2"], "connections left open: 1")],
)
def test_the_process_hangs_up_until_nothing_is_open(streams: bool, signals: list[str], ended: str) -> None:
    port = free_port()
    command = [sys.executable, "-c", KEEPS, str(port), "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        client = wait_for("it listens", lambda: socket.create_connection(("127.0.0.1", port)), bool, 10)
        try:
            wait_for("it has the connection", lambda: drain.connected(port), lambda count: count == 1, 5)
            assert drain.hang_up(port, streams, process=process.pid) == ended
        finally:
            client.close()
            process.kill()
        assert process.stdout
        assert process.stdout.read().split() == signals


@pytest.mark.parametrize(("most", "seconds"), [("60", 15), ("10", 5)])
def test_a_quarter_of_the_grace_period_is_for_clients(
    most: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def hang_up(_port: int, _streams: bool, seconds: float) -> str:
        given.append(seconds)
        return ""

    monkeypatch.setattr(drain, "drain", lambda *_: (False, ""))
    monkeypatch.setattr(drain, "hang_up", hang_up)
    drain.main("http://127.0.0.1:8000/metrics", "10", "0", most, "hang-up")
    assert given == [seconds]


def test_a_client_without_a_pause_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    # A clock of its own: how often a busy machine lets the loop run is not the question.
    monkeypatch.setattr(drain, "time", types.SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    monkeypatch.setattr(drain.os, "kill", lambda number, _: told.append(number))
    monkeypatch.setattr(drain, "connected", lambda _: 1)
    assert drain.hang_up(8000, False, 3 * drain.INTERVAL) == "connections left open: 1"
    assert len(told) >= 6
