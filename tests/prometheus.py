"""A real Prometheus for tests, and what must hold of every query of the dashboards and alerts."""

import contextlib
import json
import random
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from hack.base import process
from hack.base.wait import wait_for
from hack.chart.manifests import Object
from hack.monitoring.panels import A_FAULT, DASHBOARDS, Query
from hack.monitoring.queries import Scope
from hack.tools import pinned

SECONDS = 1
# In alerts: a selector of series, with its name.
SELECTOR = re.compile(r"([a-z_]+[a-z0-9_:]*\{[^}]*\})")
# What no healthy simulated release has: it is there after a fault, or comes from an engine or another exporter.
ABSENT = re.compile(
    r'^(kube_|vllm:nixl|sglang:|trtllm_|dynamo_frontend_model_(rejection|migration)|.*class="Unavailable"|.*status="error")'
)


def free_port() -> int:
    """A port that nothing listens at. Dynamo's DYN_SYSTEM_PORT ends at 32767, where those of the kernel begin."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@dataclass(frozen=True)
class Prometheus:
    """Its HTTP API."""

    url: str

    def ask(self, path: str, **parameters: Any) -> Any:
        """The data of an answer."""
        answer = requests.get(f"{self.url}/api/v1/{path}", parameters, timeout=30)
        body = answer.json()
        assert body["status"] == "success", (parameters, body)
        return body["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Series with a number: NaN is what a rate of nothing divided by nothing is."""
        result: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return [series for series in result if series["value"][1] != "NaN"]

    def over(self, expression: str, start: float, end: float) -> list[dict[str, Any]]:
        """Series over a time, without the points that are no number."""
        result = self.ask("query_range", query=expression, start=start, end=end, step=SECONDS)["result"]
        for series in result:
            series["values"] = [point for point in series["values"] if point[1] != "NaN"]
        return [series for series in result if series["values"]]

    def up(self) -> dict[str, int]:
        """How many targets of each component are scraped."""
        return {r["metric"]["component"]: int(r["value"][1]) for r in self.query("sum by (component) (up)")}

    def alerts(self) -> set[str]:
        """The names of those that fire."""
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}


@contextmanager
def running(folder: Path, scrape: Sequence[dict[str, Any]], rules: Object) -> Iterator[Prometheus]:
    """Prometheus with these targets and the alerts of a PrometheusRule, which need not last long here."""
    groups = json.loads(json.dumps(rules["spec"]["groups"]))
    for rule in groups[0]["rules"]:
        rule["for"] = f"{3 * SECONDS}s"
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    every = {"scrape_interval": f"{SECONDS}s", "scrape_timeout": f"{SECONDS}s", "evaluation_interval": f"{SECONDS}s"}
    config = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": list(scrape)}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port = free_port()
    command: list[str | Path] = [
        *(pinned.ensure(["prometheus"])["prometheus"], f"--config.file={folder / 'prometheus.yaml'}"),
        *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"),
    ]
    with process.background(command) as server:
        made = Prometheus(f"http://127.0.0.1:{port}")

        def ready() -> bool:
            assert server.exit_code is None, server.said()
            return requests.get(f"{made.url}/-/ready", timeout=5).ok

        wait_for("Prometheus is ready", ready, bool, 60)
        yield made


def queries() -> Iterator[tuple[str, Query]]:
    """Every query of every panel, with where it is."""
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            for query in panel.queries:
                yield f"{dashboard.name}: {panel.title}: {query.legend}", query


def wrong_queries(prometheus: Prometheus, scope: Scope) -> dict[str, str]:
    """Queries that find nothing although they should, and the other way round; by where they are."""
    wrong = {}
    for where, query in queries():
        found = prometheus.query(query.ask(scope))
        # On a busy machine something may fail.
        if query.missing != A_FAULT and bool(found) == bool(query.missing):
            wrong[where] = f"{len(found)} series of {query.ask(scope)}: {query.missing or 'there should be some'}"
    return wrong


def unknown_series(prometheus: Prometheus, rules: Object) -> list[str]:
    """Selectors of alerts that find nothing, but for what is known to be absent."""
    expressions = [rule["expr"] for rule in rules["spec"]["groups"][0]["rules"]]
    selectors = {selector for text in expressions for selector in SELECTOR.findall(text)}
    return [s for s in sorted(selectors) if not ABSENT.search(s) and not prometheus.query(s)]
