"""files/frontend.py: what it closes, and that Dynamo's frontend runs in it and stops."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from pathlib import Path

import pytest

from hack.base.wait import wait_for
from tests import localdynamo
from tests.localdynamo import MODEL
from tests.scripts import script

frontend = script("frontend")


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_it_closes_the_port_and_its_connections_and_no_others(family: int, host: str) -> None:
    ours, other = (socket.create_server((host, 0), family=family) for _ in range(2))
    with ours, other:
        clients = [socket.create_connection(server.getsockname()[:2], timeout=5) for server in (ours, other)]
        taken = [server.accept()[0] for server in (ours, other)]
        time.sleep(2 * frontend.MOMENT_MS / 1000)
        frontend.hang_up(ours.getsockname()[1])
        assert clients[0].recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(ours.getsockname()[:2], timeout=5)
        taken[1].sendall(b"1")
        assert clients[1].recv(1) == b"1"
        socket.create_connection(other.getsockname()[:2], timeout=5).close()
        for each in (*clients, *taken):
            each.close()


def test_an_answer_is_sent_to_its_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        taken, _ = server.accept()
        with taken:
            taken.sendall(b"1")
            frontend.hang_up(server.getsockname()[1])
            taken.sendall(b"2")
        assert client.makefile("rb").read() == b"12"


def test_dynamos_frontend_hangs_up_and_stops(tmp_path: Path) -> None:
    with localdynamo.running(tmp_path) as dynamo:
        kept = http.client.HTTPConnection("127.0.0.1", dynamo.http, timeout=10)
        kept.request("GET", "/v1/models")
        assert MODEL in kept.getresponse().read().decode()
        time.sleep(2 * frontend.MOMENT_MS / 1000)
        process, _ = dynamo.pods["frontend-0"]
        process.send_signal(signal.SIGUSR1)
        assert kept.sock.recv(1) == b""
        assert wait_for("its end", process.poll, lambda code: code is not None, 20) == 0
        assert "Runtime shutdown initiated" in (tmp_path / "frontend-0.log").read_text()
