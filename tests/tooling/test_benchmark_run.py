"""AIPerf itself against a real frontend and real mockers."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from click.testing import CliRunner

from hack.base.log import UserError
from hack.base.wait import wait_for
from hack.benchmark.results import load
from hack.data.aiperf import FOLDER as AIPERF
from hack.verbs import cli
from tests import localdynamo
from tests.localdynamo import MODEL, Dynamo
from tests.prometheus import free_port

# Slow enough that the processes' own work does not count.
SLOW = ("--speedup-ratio", "0.25")


def bench(url: str, dynamo_folder: Path, out: Path, **workload: Any) -> None:
    """`hack bench run` against an endpoint."""
    file = out.with_suffix(".yaml")
    limits = {"timeToFirstTokenSeconds": 5, "interTokenLatencySeconds": 0.5}
    values = {
        "global": {"model": {"name": MODEL}, "simulation": {"enabled": True}},
        "benchmark": {"workload": workload, "limits": limits},
    }
    file.write_text(yaml.safe_dump(values))
    aiperf = f"env PYTHONPATH={localdynamo.packages(AIPERF)} {sys.executable} -m aiperf"
    options = ["--aiperf", aiperf, "--tokenizer", str(dynamo_folder / "model"), "--out", str(out)]
    command = ["bench", "run", "-f", str(file), "--url", url, *options]
    CliRunner().invoke(cli.program, command, catch_exceptions=False, standalone_mode=False)


@pytest.fixture(scope="module")
def dynamo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dynamo]:
    """Two prefill workers and one decode worker."""
    with localdynamo.running(tmp_path_factory.mktemp("measured"), {"prefill": 2, "decode": 1}, SLOW) as made:
        yield made


def test_a_run_is_kept(dynamo: Dynamo, tmp_path: Path) -> None:
    bench(
        dynamo.url, dynamo.folder, tmp_path / "mix", promptTokens=[400], answerTokens=20, concurrencies=[4], requests=8
    )
    result = load(tmp_path / "mix")
    (point,) = result.points
    assert point.requests_per_second > 0
    assert result.document["simulated"]
    assert result.document["aiperf"] == "0.13.0"


def test_a_worker_that_dies_is_noticed(tmp_path: Path) -> None:
    """Answers that break off look whole to AIPerf; the run fails with a sentence, and keeps what it has."""
    with localdynamo.running(tmp_path / "dynamo", {"prefill": 1, "decode": 1}, SLOW) as made:
        before = made.ask(4)
        assert before == 200

        def kill() -> None:
            streams = f'dynamo_frontend_requests_total{{endpoint="chat_completions",error_type="",model="{MODEL}",'
            counted = lambda: requests.get(f"{made.url}/metrics", timeout=5).text  # noqa: E731
            wait_for("streamed answers", counted, lambda text: f'{streams}request_type="stream"' in text, 120)
            time.sleep(2)
            made.pods["decode-0"][0].kill()

        killer = threading.Thread(target=kill)
        killer.start()
        out = tmp_path / "broken"
        with pytest.raises(UserError) as caught:
            bench(made.url, made.folder, out, promptTokens=[64], answerTokens=100, concurrencies=[4], requests=20)
        killer.join()
    said = str(caught.value)
    assert said.startswith("broken: ")
    assert "cannot be trusted" in said or "AIPerf ended with exit code" in said
    if (out / "result.json").exists():
        assert json.loads((out / "result.json").read_text())["points"][0]["problems"]
        with pytest.raises(UserError, match="cannot be trusted"):
            load(out)


def test_nothing_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hack.verbs.benchmarks.WAIT_SECONDS", 1)
    port = free_port()
    with pytest.raises(UserError, match=f"none: http://127.0.0.1:{port} does not serve m after 1 s: .*refused"):
        bench(f"http://127.0.0.1:{port}", tmp_path, tmp_path / "none")
    assert not (tmp_path / "none" / "result.json").exists()


def test_the_hubs_proxy_is_not_asked_for_the_release(
    dynamo: Dynamo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr("hack.verbs.benchmarks.WAIT_SECONDS", 1)
    monkeypatch.setattr("tests.tooling.test_benchmark_run.MODEL", "other")
    with pytest.raises(UserError, match="does not serve other after 1 s: it lists m"):
        bench(dynamo.url, dynamo.folder, tmp_path / "proxied")


def test_no_worker_is_ready(dynamo: Dynamo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hack.verbs.benchmarks.WAIT_SECONDS", 1)
    monkeypatch.setattr("tests.tooling.test_benchmark_run.MODEL", "other")
    with pytest.raises(UserError, match="does not serve other after 1 s: it lists m"):
        bench(dynamo.url, dynamo.folder, tmp_path / "other")


def test_a_result_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "old"
    out.mkdir()
    (out / "result.json").write_text("{}")
    with pytest.raises(UserError, match="has a result already: name another folder with --out"):
        bench("http://127.0.0.1:9", tmp_path, out)
