"""PodMonitors and dashboards, and the labels that tools look for."""

import re
from pathlib import Path
from typing import Any

import pytest

from hack.base import process
from hack.base.paths import ROOT
from hack.base.yamlfile import parse
from hack.chart.manifests import COMPONENT, merged, nested
from hack.chart.render import Render

MONITOR = {"metrics": {"podMonitor": {"enabled": True}}}
DASHBOARDS = {"metrics": {"dashboards": {"enabled": True}}}
KINDS = ("PodMonitor", "PrometheusRule")


def endpoint(monitor: dict[str, Any]) -> dict[str, Any]:
    (found,) = monitor["spec"]["podMetricsEndpoints"]
    return dict(found)


def test_nothing_is_there_unless_asked_for(render: Render) -> None:
    manifests = render()
    assert [
        o["metadata"]["name"] for o in manifests if o["kind"] in KINDS or "dashboard" in o["metadata"]["name"]
    ] == []


@pytest.mark.parametrize("files", [[], ["values/a4x-10p8d.yaml"], ["values/aks-agg.yaml"]], ids=str)
def test_monitors_find_the_pods_that_have_the_port(files: list[str], render: Render) -> None:
    manifests = render(MONITOR, files)
    monitors = {m["metadata"]["labels"][COMPONENT]: m for m in manifests.all("PodMonitor")}
    pods = [p for p in manifests.pods() if p.labels[COMPONENT] in ("frontend", "prefill", "decode")]
    assert monitors.keys() == {p.labels[COMPONENT] for p in pods}
    for pod in pods:
        monitor = monitors[pod.labels[COMPONENT]]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= pod.labels.items()
        ports = {p["name"] for c in pod.containers() for p in c.spec.get("ports", [])}
        assert (endpoint(monitor)["port"] in ports) == pod.leads


def test_series_get_the_release_and_the_component(render: Render) -> None:
    for monitor in render(MONITOR).all("PodMonitor"):
        assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/instance"
        component = {
            "action": "replace",
            "targetLabel": "component",
            "replacement": monitor["metadata"]["labels"][COMPONENT],
        }
        assert endpoint(monitor)["relabelings"] == [component, {"action": "labeldrop", "regex": "endpoint"}]
        assert "metricRelabelings" not in endpoint(monitor)


def test_what_a_monitor_can_be_told(render: Render) -> None:
    step = {"targetLabel": "cluster", "replacement": "a"}
    drop = {"action": "drop", "sourceLabels": ["__name__"], "regex": "go_.*"}
    values = {"interval": "1m", "scrapeTimeout": "30s", "relabelings": [step], "metricRelabelings": [drop]}
    manifests = render(merged(MONITOR, {"metrics": {"podMonitor": {**values, "labels": {"release": "stack"}}}}))
    for monitor in manifests.all("PodMonitor"):
        assert monitor["metadata"]["labels"]["release"] == "stack"
        found = endpoint(monitor)
        assert (found["interval"], found["scrapeTimeout"]) == ("1m", "30s")
        assert found["relabelings"][-1] == step
        assert found["metricRelabelings"] == [drop]


def test_each_dashboard_is_a_configmap_with_the_sidecars_label(render: Render) -> None:
    maps = [o for o in render(DASHBOARDS).all("ConfigMap") if "grafana_dashboard" in o["metadata"]["labels"]]
    files = {f"demo-{file.name}": file.read_text().strip() for file in (ROOT / "files" / "dashboards").glob("*.json")}
    assert files
    assert {name: text for o in maps for name, text in o["data"].items()} == files
    assert {o["metadata"]["labels"]["grafana_dashboard"] for o in maps} == {"1"}


def test_a_sidecar_may_look_for_something_else(render: Render) -> None:
    values = {"labels": {"grafana_dashboard": None, "team": "llm"}, "annotations": {"grafana_folder": "Dynamo"}}
    maps = [
        o
        for o in render(merged(DASHBOARDS, {"metrics": {"dashboards": values}}))
        if "dashboard" in o["metadata"]["name"]
    ]
    assert maps
    for item in maps:
        assert item["metadata"]["labels"]["team"] == "llm"
        assert "grafana_dashboard" not in item["metadata"]["labels"]
        assert item["metadata"]["annotations"] == {"grafana_folder": "Dynamo"}


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ({}, {"frontend": "frontend", "prefill": "prefill", "decode": "decode"}),
        (nested("global.serving", "aggregated"), {"frontend": "frontend", "decode": "worker"}),
    ],
    ids=["disaggregated", "aggregated"],
)
def test_pods_have_the_labels_that_dynamos_tools_look_for(values: Any, types: dict[str, str], render: Render) -> None:
    pods = {p.labels[COMPONENT]: p.labels for p in render(values).pods() if p.labels[COMPONENT] in types}
    assert {name: labels["nvidia.com/dynamo-component-type"] for name, labels in pods.items()} == types
    assert {name: labels["nvidia.com/dynamo-component"] for name, labels in pods.items()} == {n: n for n in types}


def test_only_pods_with_metrics_say_so(render: Render) -> None:
    for pod in render(files=["values/a4x-10p8d.yaml"]).pods():
        serves = pod.labels[COMPONENT] in ("frontend", "prefill", "decode") and pod.leads
        assert (pod.labels.get("nvidia.com/metrics-enabled") == "true") == serves


def test_the_documented_scraping_gives_the_labels_of_the_monitors(promtool: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    (block,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", page, re.DOTALL)
    (tmp_path / "prometheus.yaml").write_text(block)
    assert "SUCCESS" in process.output([promtool, "check", "config", tmp_path / "prometheus.yaml"], "check config")
    steps = parse(block)["scrape_configs"][0]["relabel_configs"]
    assert {step["target_label"] for step in steps if "target_label" in step} == {
        "namespace",
        "pod",
        "job",
        "component",
    }
    assert "nvidia_com_metrics_enabled" in steps[0]["source_labels"][0]
    assert set(steps[1]["regex"].split("|")) == {"http", "system"}
