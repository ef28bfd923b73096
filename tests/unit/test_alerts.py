"""The alerts, by the real promtool: what fires in which case, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.base import process
from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml
from hack.chart.manifests import Object, merged, nested
from hack.chart.render import Render
from hack.monitoring.alerts import ALERTS

TABLE = read_yaml(ROOT / "tests" / "unit" / "alerts.yaml")
CASES: list[dict[str, Any]] = TABLE["cases"]
# A floor for KV transfers, and a canary: every alert applies.
ALL = {"metrics": {"rules": {"enabled": True}}, "canary": {"enabled": True}, "test": {"transport": {"minGBps": 1}}}
LABELS = 'namespace="default", job="demo"'


def group(render: Render, values: dict[str, Any]) -> Object:
    (found,) = render(values).one("PrometheusRule")["spec"]["groups"]
    return dict(found)


def names(render: Render, values: dict[str, Any]) -> set[str]:
    return {rule["alert"] for rule in group(render, values)["rules"]}


def prometheus_test(case: dict[str, Any]) -> dict[str, Any]:
    """One case as promtool has it."""
    series = TABLE["healthy"] | case.get("series", {})
    return {
        "name": case["what"],
        "interval": "1m",
        "input_series": [
            {"series": name.replace("{R", f"{{{LABELS}"), "values": values} for name, values in series.items() if values
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{case['at']}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}"}}', "value": count} for name, count in case["fires"].items()
                ],
            }
        ],
    }


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_each_case_fires_its_alerts_and_no_other(engine: str, render: Render, promtool: Path, tmp_path: Path) -> None:
    mine = [
        case
        for case in CASES
        if engine == case.get("values", nested("global.engine.name", "vllm"))["global"]["engine"]["name"]
    ]
    rules = group(render, merged(ALL, nested("global.engine.name", engine)))
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [rules]}))
    tests = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [prometheus_test(case) for case in mine],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    assert process.output([promtool, "check", "rules", tmp_path / "rules.yaml"], "check rules")
    answer = process.run([promtool, "test", "rules", tmp_path / "tests.yaml"])
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("alert", sorted({alert.name for alert in ALERTS}))
def test_every_alert_has_a_case_in_which_it_fires(alert: str) -> None:
    assert [case["what"] for case in CASES if alert in case["fires"]]


def test_every_rule_is_of_the_release(render: Render) -> None:
    rules = render(ALL, release="other", namespace="llm").one("PrometheusRule")["spec"]["groups"][0]["rules"]
    for rule in rules:
        assert rule["labels"] == rule["labels"] | {"namespace": "llm", "release": "other"}
        assert 'namespace="llm"' in rule["expr"]
        assert 'job="other"' in rule["expr"] or 'job_name=~"other-' in rule["expr"]
        assert "<" not in rule["annotations"]["summary"] + rule["annotations"]["description"]
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning"}


@pytest.mark.parametrize(
    ("values", "without"),
    [
        (nested("canary.enabled", False), {"DynamoCanaryFailed"}),
        (nested("test.transport.minGBps", 0), {"DynamoKvTransferSlow", "DynamoKvTransferFails"}),
        (nested("global.simulation.enabled", True), {"DynamoKvTransferSlow", "DynamoKvTransferFails"}),
        (
            merged(nested("global.serving", "aggregated"), nested("test.transport.minGBps", "auto")),
            {"DynamoKvTransferSlow", "DynamoKvTransferFails"},
        ),
        (
            nested("global.router.mode", "round-robin"),
            {"DynamoRequestsQueue", "DynamoWorkerNotRegistered", "DynamoCacheUnknown"},
        ),
    ],
    ids=["canary", "floor", "simulation", "aggregated", "router"],
)
def test_rules_that_cannot_fire_are_left_out(values: dict[str, Any], without: set[str], render: Render) -> None:
    assert names(render, ALL) - names(render, merged(ALL, values)) == without


def test_objectives_and_thresholds_are_values(render: Render) -> None:
    values = {
        "objectives": {"timeToFirstTokenSeconds": 1.5, "interTokenLatencySeconds": 0.025},
        "thresholds": {"errorRatio": 0.07, "refusedPerMinute": 9, "queuedRequests": 77},
    }
    expressions = {
        rule["alert"]: rule["expr"] for rule in group(render, merged(ALL, {"metrics": {"rules": values}}))["rules"]
    }
    assert expressions["DynamoFirstTokenSlow"].endswith(" > 1.5")
    assert expressions["DynamoTokensSlow"].endswith(" > 0.025")
    assert " > 0.07 and " in expressions["DynamoErrorRatioHigh"]
    assert expressions["DynamoRequestsRefused"].endswith(" > 9")
    assert expressions["DynamoRequestsQueue"].endswith(" > 77")


def test_the_time_of_a_first_start_is_that_of_the_slowest_pool(render: Render) -> None:
    values = merged(ALL, {"decode": {"probes": {"startup": {"budgetSeconds": 3000}}}})
    lasts = {rule["alert"]: rule["for"] for rule in group(render, values)["rules"]}
    assert lasts["DynamoModelNeverKnown"] == lasts["DynamoWorkerNotRegistered"] == "3600s"
