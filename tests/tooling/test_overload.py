"""Requests at a rate, against a frontend that answers as told; what is said of a release that has too much to do."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.data import load, waves
from hack.reliability import overload_report
from hack.reliability.overload import Overload

TOKEN = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


class Frontend(http.server.ThreadingHTTPServer):
    """Answers with one token after a while, and refuses what comes while it answers `most`."""

    request_queue_size = 64
    seconds = 0.05
    most = 1000
    busy = 0
    prompts: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    """One answer."""

    server: Frontend

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.prompts.append(body["messages"][0]["content"])
        refused = self.server.busy >= self.server.most
        if refused:
            # What the page rounds to hundredths must not be nothing.
            time.sleep(0.02)
        self.send_response(529 if refused else 200)
        self.end_headers()
        if not refused:
            self.server.busy += 1
            time.sleep(self.server.seconds)
            self.server.busy -= 1
            self.wfile.write(TOKEN + DONE)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def frontend() -> Iterator[Frontend]:
    with Frontend(("127.0.0.1", 0), Handler) as server:
        server.prompts = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def sent(frontend: Frontend, *phases: str) -> list[waves.Phase]:
    made = [waves.parsed(phase) for phase in phases]
    waves.main(f"http://127.0.0.1:{frontend.server_port}", "m", 5, 1, made)
    return made


def test_each_phase_has_its_rate_and_its_count(frontend: Frontend, capsys: pytest.CaptureFixture[str]) -> None:
    sent(frontend, "10x1", "40x1.5")
    few, many = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (few["rate"], few["seconds"], many["rate"], many["seconds"]) == (10, 1, 40, 1.5)
    assert 2 <= few["sent"] <= 25
    assert 30 <= many["sent"] <= 95
    assert few["right"] + many["right"] == few["sent"] + many["sent"] == len(frontend.prompts)
    # No cache knows the beginning of any.
    assert len({prompt.split()[0] for prompt in frontend.prompts}) == len(frontend.prompts)
    assert all(prompt.count("banana") == 5 for prompt in frontend.prompts)


def test_an_answer_that_takes_long_holds_back_no_other(frontend: Frontend) -> None:
    frontend.seconds = 0.8
    (phase,) = sent(frontend, "20x1")
    assert phase.account.right > 5
    assert phase.account.line()


def test_what_is_refused_is_counted_with_its_time(frontend: Frontend) -> None:
    frontend.seconds, frontend.most = 0.3, 1
    (phase,) = sent(frontend, "30x1")
    told = phase.told()
    assert told["shed"] > 5
    assert told["right"] > 1
    assert told["right"] + told["shed"] == told["sent"]
    assert told["slowest_refusal"] >= 0.02
    assert told["first_token_p50"] >= 0.3


def test_no_more_than_so_many_are_under_way(frontend: Frontend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waves, "MOST", 3)
    frontend.seconds = 5
    (phase,) = sent(frontend, "30x0.5")
    assert phase.account.sent <= 3
    assert phase.held_back > 3


def test_the_scripts_import_each_other_in_the_pod_as_here() -> None:
    """They lie in hack/data of the pod's folder, and nothing else of hack does."""
    for script in (load, waves):
        text = Path(str(script.__file__)).read_text()
        others = [line for line in text.splitlines() if line.startswith("from hack") or line.startswith("import hack")]
        assert others == (["from hack.data.load import Account, Client"] if script is waves else [])


def phase(**fields: Any) -> dict[str, Any]:
    usual = {"rate": 4.0, "seconds": 90, "sent": 360, "right": 350, "wrong": 0, "failed": {}, "shed": 10}
    return usual | {"slowest_refusal": 0.2, "first_token_p50": 0.5, "first_token_p99": 1.0} | fields


@pytest.mark.parametrize(
    ("beyond", "wrong"),
    [
        ({}, []),
        ({"shed": 0, "right": 360}, ["nothing was refused"]),
        ({"right": 349, "failed": {"503": 1}}, ["1 requests lost at 12/s"]),
        ({"slowest_refusal": 1.4}, ["a refusal took 1.4 s"]),
        ({"first_token_p99": 2.1}, ["the first token took 2.1 s, not 1.0 s"]),
    ],
)
def test_what_should_not_be_is_said(beyond: dict[str, Any], wrong: list[str]) -> None:
    assert Overload(4.0, phase(), phase(rate=12.0, **beyond)).wrong() == wrong


def test_the_page_says_both_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "autoscaling.md"
    page.write_text("# Page\n<!-- Overload: begin -->\nold\n<!-- Overload: end -->\nEnd\n")
    monkeypatch.setattr(overload_report, "PAGE", page)
    text = overload_report.page(Overload(4.0, phase(), phase(rate=12.0, shed=700, failed={"503 a|b": 2})))
    assert "old" not in text
    assert "| the capacity | 4 | 90 | 360 | 350 | 0 | 0 | 10 | 0.2 s | 0.5 s | 1.0 s |" in text
    assert "| 3 times the capacity | 12 | 90 | 360 | 350 | 0 | 2 x 503 a/b | 700 |" in text


def test_the_pages_table_is_there() -> None:
    assert "<!-- Overload: begin" in (ROOT / "docs" / "autoscaling.md").read_text()
