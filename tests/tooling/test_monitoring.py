"""Every query of dashboards and alerts, asked of a real Prometheus that scraped a real frontend and real mockers."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from hack.base.paths import ROOT
from hack.base.wait import wait_for
from hack.chart import render as chart
from hack.monitoring import panels, pictures
from hack.monitoring.panels import Query
from hack.monitoring.queries import Scope
from tests import localdynamo, prometheus
from tests.localdynamo import Dynamo
from tests.prometheus import Prometheus

RULES = chart.render({"metrics": {"rules": {"enabled": True}}, "global": {"simulation": {"enabled": True}}})
SCALED = chart.render(
    {
        "autoscaling": {"prometheusUrl": "http://prometheus:9090"},
        **{role: {"autoscaling": {"enabled": True}} for role in ("prefill", "decode")},
    }
)
SCOPE = Scope('namespace="default", job="demo"', "15s")
LOAD_SECONDS = 30
PICTURES = ROOT / "docs" / "pictures"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dynamo, Prometheus]]:
    folder = tmp_path_factory.mktemp("watched")
    with (
        localdynamo.running(folder) as dynamo,
        prometheus.running(folder, [dynamo.scrape()], RULES.one("PrometheusRule")) as server,
    ):
        wait_for("all pods are scraped", server.up, lambda up: up == {"frontend": 1, "prefill": 2, "decode": 2}, 60)
        yield dynamo, server


def draw(server: Prometheus, start: float) -> None:
    """The pictures of docs/monitoring.md."""
    end = time.time()
    PICTURES.mkdir(exist_ok=True)
    for board in panels.DASHBOARDS:

        def ask(query: Query) -> list[pictures.Line]:
            return pictures.lines(server.over(query.ask(SCOPE), start, end))

        pictures.draw(board, ask, PICTURES / f"monitoring-{board.name}.png")


def scaler_load(server: Prometheus, role: str) -> float:
    """What the scaler of a role would be told; no Deployment of a release names the pods here."""
    (trigger,) = SCALED.one("ScaledObject", component=role)["spec"]["triggers"]
    query = re.sub(r'pod=~"demo-([a-z]+)-[^"]*"', r'pod=~"\1-.*"', trigger["metadata"]["query"])
    (series,) = server.query(query)
    return float(series["value"][1])


def test_queries_and_alerts(watched: tuple[Dynamo, Prometheus], pytestconfig: pytest.Config) -> None:
    """In this order: what a healthy release shows, and what fires when its roles go."""
    dynamo, server = watched
    start = time.time()
    with localdynamo.load(dynamo):
        time.sleep(LOAD_SECONDS)
        assert prometheus.wrong_queries(server, SCOPE) == {}
        assert prometheus.unknown_series(server, RULES.one("PrometheusRule")) == []
        assert server.alerts() == set()
        for role in ("prefill", "decode"):
            wait_for(f"load of {role}", lambda role=role: scaler_load(server, role), lambda load: load > 0, 30)  # type: ignore[misc]
        if pytestconfig.getoption("update_pictures"):
            time.sleep(LOAD_SECONDS)
            draw(server, start)
    dynamo.stop("prefill")
    dynamo.write_targets()

    def refused() -> set[str]:
        assert dynamo.ask(4) in (200, 503)
        return server.alerts()

    wait_for("the alerts of an empty role", refused, {"DynamoModelNotReady", "DynamoRequestsRefused"}.__eq__, 60)
    dynamo.stop("decode")
    dynamo.write_targets()
    seen = wait_for("the alerts of no worker at all", server.alerts, lambda found: "DynamoModelGone" in found, 60)
    assert "DynamoModelNotReady" not in seen


class Collector(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Takes whatever is sent by gRPC, and counts it by service."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def service(self, details: Any) -> Any:
        def take(_request: bytes, _context: Any) -> bytes:
            self.seen[details.method.split("/")[1].rpartition(".")[2]] += 1
            return b""

        return grpc.unary_unary_rpc_method_handler(take)


def test_logs_are_json_and_traces_arrive(tmp_path: Path) -> None:
    port = prometheus.free_port()
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((collector,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    telemetry = {"jsonLogs": True, "otlpEndpoint": f"http://127.0.0.1:{port}"}
    (container,) = chart.render({"global": {"telemetry": telemetry}}).pod("frontend").containers()
    names = ("DYN_LOGGING_JSONL", "OTEL_")
    env = {e["name"]: e["value"] for e in container.spec["env"] if e["name"].startswith(names)}
    dynamo = Dynamo(tmp_path)
    http = ("--http-host", "127.0.0.1", "--http-port", str(dynamo.http))
    try:
        dynamo.start("frontend-0", "dynamo.frontend", *http, port=dynamo.http, **env)
        wait_for("an answer", lambda: dynamo.ask(4), lambda status: status == 404, 60)
        wait_for("traces and logs", lambda: set(collector.seen), {"TraceService", "LogsService"}.__eq__, 30)
    finally:
        dynamo.stop("frontend")
        server.stop(0)
    lines = (tmp_path / "frontend-0.log").read_text().splitlines()
    assert lines
    assert [line for line in lines if "ExportError" in line or "time" not in json.loads(line)] == []
