"""The probe by which a new worker waits for one of the other role, against servers that answer as workers do."""

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hack.base.paths import ROOT
from tests.scripts import script

SCRIPT = ROOT / "files" / "pair.py"

pair = script("pair")

# As a mocker's system port has it before its first request.
METRICS = (
    'dynamo_component_inflight_requests{dynamo_endpoint="generate",dynamo_namespace="llm_demo_%s",worker_id="1"} 0'
)


@contextmanager
def worker(*, health: int = 200, generation: str = "1a2b3c4d") -> Iterator[str]:
    """Its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(health if self.path == "/health" else 200)
            self.end_headers()
            self.wfile.write((METRICS % generation).encode() if self.path == "/metrics" else b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "paired"


def problem(own: str, others: str, marker: Path) -> str:
    return str(pair.problem(own, others, "1a2b3c4d", marker))


def test_a_pair_is_ready(marker: Path) -> None:
    with worker() as prefill, worker() as decode:
        assert problem(prefill, decode, marker) == ""
        assert problem(decode, prefill, marker) == ""


def test_a_worker_that_is_not_healthy_is_not_ready(marker: Path) -> None:
    with worker(health=503) as prefill, worker() as decode:
        assert problem(prefill, decode, marker) == f"{prefill} is not healthy: 503"


@pytest.mark.parametrize("other", [{"generation": "22222222"}, {"health": 503}], ids=["older", "still loading"])
def test_it_waits_for_one_that_can_work_with_it(marker: Path, other: dict[str, Any]) -> None:
    with worker() as prefill, worker(**other) as decode:
        text = problem(prefill, decode, marker)
    assert text == "none of 1 pods of 127.0.0.1 is healthy and of generation 1a2b3c4d yet"
    assert not marker.exists()


def test_it_waits_for_pods_that_are_not_there(marker: Path) -> None:
    with worker() as prefill:
        assert problem(prefill, "nowhere.invalid:9090", marker).startswith("none of 0 pods of nowhere.invalid")


def test_once_ready_it_needs_the_other_role_no_more(marker: Path) -> None:
    with worker() as prefill:
        with worker() as decode:
            assert problem(prefill, decode, marker) == ""
        assert problem(prefill, decode, marker) == ""


def test_a_pod_before_it_on_the_same_volume_does_not_count() -> None:
    one, other = ({"POD_UID": uid} for uid in ("2e4a", "9b1c"))
    assert pair.marker(one) == pair.marker(one) != pair.marker(other)
    assert socket.gethostname() in str(pair.marker({}))


def test_a_proxy_is_not_for_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    pair = script("pair")
    with worker() as decode:
        assert pair.fetch(decode, "/health")[0] == 200


def test_an_aggregated_worker_needs_none(marker: Path) -> None:
    with worker() as decode:
        assert problem(decode, "", marker) == ""
