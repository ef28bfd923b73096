"""The preStop hook of frontends and workers, against a server whose requests in flight are the test's."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hack.base.paths import ROOT
from tests.scripts import script

SCRIPT = ROOT / "files" / "drain.py"

drain = script("drain")

METRICS = """# TYPE dynamo_frontend_inflight_requests gauge
dynamo_frontend_inflight_requests{model="a b"} %d
dynamo_frontend_requests_total{model="a b"} 9
dynamo_request_plane_inflight_requests 0
dynamo_component_inflight_requests{dynamo_component="backend",dynamo_endpoint="generate"} 1
"""


class Server(http.server.ThreadingHTTPServer):
    """Serves METRICS with a number of requests in flight that falls to 0 at a time."""

    idle_at = 0.0

    def metrics(self) -> bytes:
        return f"x_inflight_requests {int(time.monotonic() < self.idle_at)}\n".encode()


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
    why = drain.drain(f"http://127.0.0.1:{server.server_port}/metrics", least, quiet, most)
    return time.monotonic() - started, why


def test_all_that_is_in_flight_counts() -> None:
    assert drain.in_flight(METRICS % 3) == 4
    assert drain.in_flight("dynamo_frontend_requests_total 9\n") == 0


def test_it_waits_for_the_last_answer_and_no_longer(server: Server) -> None:
    seconds, why = wait(server, busy=1)
    assert 1 <= seconds < 1.9
    assert why == "nothing is in flight"


def test_an_idle_pod_waits_for_others_to_see_it_go(server: Server) -> None:
    assert 1 <= wait(server, busy=0, least=1)[0] < 1.9


def test_the_wait_goes_on_after_the_last_answer(server: Server) -> None:
    assert 1.4 <= wait(server, busy=0.5, quiet=1)[0] < 2.4


def test_it_ends_though_requests_go_on(server: Server) -> None:
    seconds, why = wait(server, busy=60, most=1)
    assert 1 <= seconds < 1.9
    assert why == "requests were in flight for all of 1 s"


def test_a_process_that_does_not_answer_is_not_waited_for(server: Server) -> None:
    server.server_close()
    seconds, why = wait(server, busy=60, least=10, most=60)
    assert seconds < 3
    assert "refused" in why
