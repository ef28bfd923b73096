"""The frontend: router, Service, ways in, health checks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Render
from tests.harness.manifests import Container


def frontend(render: Render, values: Any = None) -> Container:
    return render(values).pod("frontend").container()


def test_it_is_dynamos_frontend(render: Render) -> None:
    container = frontend(render)
    assert container.args()[:3] == ["python3", "-m", "dynamo.frontend"]
    assert container.flag("http-port") == "8000"


@pytest.mark.parametrize("mode", ["kv", "round-robin"])
def test_router_mode(render: Render, mode: str) -> None:
    container = frontend(render, {"global": {"router": {"mode": mode}}})
    assert container.flag("router-mode") == mode
    # Only a kv router has blocks.
    assert (container.flag("kv-cache-block-size") is not None) == (mode == "kv")


@pytest.mark.parametrize(
    ("replicas", "mode", "synchronised"),
    [(1, "kv", False), (2, "kv", True), (2, "round-robin", False)],
)
def test_several_kv_routers_synchronise(render: Render, replicas: int, mode: str, synchronised: bool) -> None:
    values = {"frontend": {"replicas": replicas}, "global": {"router": {"mode": mode}}}
    assert (frontend(render, values).flag("router-replica-sync") is not None) == synchronised


def test_the_frontend_has_no_gpu_and_no_system_port(render: Render) -> None:
    container = frontend(render)
    assert "nvidia.com/gpu" not in container.spec["resources"]["limits"]
    assert "DYN_SYSTEM_PORT" not in container.env()


PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def test_the_frontend_keeps_away_from_gpu_nodes_where_there_are_others(render: Render) -> None:
    spec = render(None, ["values/a3u-multi.yaml"]).pod("frontend").spec
    (preferred,) = spec["affinity"]["nodeAffinity"][PREFERRED]
    label = {"key": "cloud.google.com/gke-accelerator", "operator": "NotIn", "values": ["nvidia-h200-141gb"]}
    assert preferred == {"weight": 100, "preference": {"matchExpressions": [label]}}
    assert "tolerations" not in spec
    assert "affinity" not in render().pod("frontend").spec


def test_an_affinity_of_ones_own_takes_its_place(render: Render) -> None:
    mine = {"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": {"matchFields": []}}]}}
    others: dict[str, Any] = {"podAntiAffinity": {PREFERRED: []}}
    files = ["values/a3u-multi.yaml"]
    assert render({"frontend": {"affinity": mine}}, files).pod("frontend").spec["affinity"] == mine
    both = render({"frontend": {"affinity": others}}, files).pod("frontend").spec["affinity"]
    assert both.keys() == {"nodeAffinity", "podAntiAffinity"}


def test_the_frontend_runs_where_its_image_does(render: Render) -> None:
    """It is the workers' image, which has the architecture of their machine."""
    files = ["values/a4x-1p1d.yaml"]
    spec = render({"frontend": {"tolerations": []}}, files).pod("frontend").spec
    assert spec["nodeSelector"] == {"kubernetes.io/arch": "arm64"}
    assert [t["key"] for t in spec["tolerations"]] == ["kubernetes.io/arch"]
    own = {"frontend": {"nodeSelector": {"kubernetes.io/arch": "amd64", "pool": "cpu"}}}
    assert render(own, files).pod("frontend").spec["nodeSelector"] == own["frontend"]["nodeSelector"]


def test_probes_ask_the_http_server(render: Render) -> None:
    container = frontend(render)
    ports = {p["name"]: p["containerPort"] for p in container.spec["ports"]}
    assert ports == {"http": 8000}
    for probe, path in {"startup": "/live", "liveness": "/live", "readiness": "/health"}.items():
        assert container.spec[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "http"}


def test_it_waits_for_etcd_longer_than_dynamo_does(render: Render) -> None:
    """With etcd discovery the HTTP server starts only when etcd answers, for which Dynamo takes up to 120 s."""
    probe = frontend(render).spec["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > 120


def test_service(render: Render) -> None:
    service = {"type": "LoadBalancer", "port": 80, "nodePort": 30080, "annotations": {"a": "b"}}
    manifests = render({"frontend": {"service": service}})
    item = manifests.one("Service", component="frontend")
    assert item["spec"]["type"] == "LoadBalancer"
    assert item["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}]
    assert item["metadata"]["annotations"] == {"a": "b"}
    assert item["spec"]["selector"].items() <= manifests.pod("frontend").labels.items()


def test_no_way_in_from_outside_by_default(render: Render) -> None:
    manifests = render()
    assert manifests.one("Service", component="frontend")["spec"]["type"] == "ClusterIP"
    assert manifests.all("Ingress") == manifests.all("HTTPRoute") == []


def test_ingress(render: Render) -> None:
    tls = [{"hosts": ["a.example.com"], "secretName": "tls"}]
    values = {
        "enabled": True,
        "className": "nginx",
        "annotations": {"a": "b"},
        "hosts": ["a.example.com", "*.b.example.com"],
        "tls": tls,
    }
    manifests = render({"frontend": {"ingress": values}})
    spec = manifests.one("Ingress")["spec"]
    assert spec["ingressClassName"] == "nginx"
    assert spec["tls"] == tls
    assert [r["host"] for r in spec["rules"]] == ["a.example.com", "*.b.example.com"]
    service = manifests.one("Service", component="frontend")
    for rule in spec["rules"]:
        (path,) = rule["http"]["paths"]
        assert (path["path"], path["pathType"]) == ("/", "Prefix")
        backend = path["backend"]["service"]
        assert backend["name"] == service["metadata"]["name"]
        assert backend["port"]["name"] in [p["name"] for p in service["spec"]["ports"]]


def test_http_route(render: Render) -> None:
    parents = [{"name": "inference", "namespace": "gateways", "sectionName": "https"}]
    route = {"enabled": True, "parentRefs": parents, "hostnames": ["a.example.com"], "requestTimeout": "10m"}
    manifests = render({"frontend": {"httpRoute": route, "service": {"port": 80}}})
    spec = manifests.one("HTTPRoute")["spec"]
    assert spec["parentRefs"] == parents
    assert spec["hostnames"] == ["a.example.com"]
    (rule,) = spec["rules"]
    assert rule["backendRefs"] == [{"name": "demo-frontend", "port": 80}]
    assert rule["timeouts"] == {"request": "10m"}


def test_flags_and_environment_of_ones_own(render: Render) -> None:
    values = {
        "frontend": {
            "args": {"router-ttl-secs": 300, "router-kv-events": False},
            "extraArgs": ["--dump-config-to=/tmp/config"],
            "env": {"DYN_ROUTER_TEMPERATURE": "0.5"},
            "migrationLimit": 0,
        }
    }
    container = frontend(render, values)
    assert container.flag("router-ttl-secs") == "300"
    assert container.flag("no-router-kv-events") == ""
    assert container.flag("migration-limit") == "0"
    assert container.args()[-1] == "--dump-config-to=/tmp/config"
    assert container.env()["DYN_ROUTER_TEMPERATURE"] == "0.5"
