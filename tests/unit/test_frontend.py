"""The frontend: router, Service, ways in, health checks."""

from typing import Any

import pytest
import yaml

from hack.base.paths import ROOT
from hack.chart.manifests import Container, nested
from hack.chart.render import Render
from hack.flags.files import known_versions


def frontend(render: Render, values: Any = None) -> Container:
    return render(values).pod("frontend").container()


def test_it_is_dynamos_frontend(render: Render) -> None:
    container = frontend(render)
    assert container.args()[:3] == ["python3", "/opt/dynamo-disagg/frontend.py", "8000"]
    assert container.flag("http-port") == "8000"


def modes(*path: str) -> list[str]:
    node = yaml.load((ROOT / "schemas" / path[0]).read_text(), Loader=yaml.CSafeLoader)
    for key in path[1:]:
        node = node[key]
    return sorted(name for name in node["enum"] if name)


FLAGS = f"engines/{known_versions()[0]}/frontend.yaml"
ROUTER = modes("global.yaml", "values", "properties", "router", "properties", "mode")


def test_the_modes_are_those_of_the_frontend() -> None:
    assert modes(FLAGS, "flags", "properties", "router-mode") == ROUTER
    affinity = ("router", "properties", "sessionAffinity", "properties", "mode")
    flag = ("flags", "properties", "router-session-affinity-mode")
    assert modes(FLAGS, *flag) == modes("global.yaml", "values", "properties", *affinity)


def test_sessions_stay_with_their_worker_in_every_mode(render: Render) -> None:
    for mode in ROUTER:
        container = frontend(render, nested("global.router", {"mode": mode, "sessionAffinity": {"ttlSeconds": 600}}))
        assert container.flag("router-session-affinity-ttl-secs") == "600"
        assert container.flag("router-session-affinity-mode") == "hard"
    assert frontend(render).flag("router-session-affinity-ttl-secs") is None


@pytest.mark.parametrize("mode", ROUTER)
def test_router_mode(render: Render, mode: str) -> None:
    container = frontend(render, {"global": {"router": {"mode": mode}}})
    assert container.flag("router-mode") == mode
    # Only a kv router has blocks.
    assert (container.flag("kv-cache-block-size") is not None) == (mode == "kv")


@pytest.mark.parametrize(("mode", "synchronised"), [("kv", True), ("round-robin", False)])
def test_kv_routers_synchronise(render: Render, mode: str, synchronised: bool) -> None:
    values = {"global": {"router": {"mode": mode}}}
    assert (frontend(render, values).flag("router-replica-sync") is not None) == synchronised


@pytest.mark.parametrize("component", ["frontend", "prefill", "decode"])
def test_another_number_of_pods_restarts_none(render: Render, component: str) -> None:
    one, three = (render({component: {"replicas": number}}).pod(component) for number in (1, 3))
    assert one.metadata == three.metadata
    assert one.spec == three.spec


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
    assert "nodeAffinity" not in render().pod("frontend").spec["affinity"]


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
    for probe, path in {"liveness": "/live", "readiness": "/live"}.items():
        assert container.spec[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "http"}
    assert "terminationGracePeriodSeconds" not in container.spec["readinessProbe"]
    assert container.spec["readinessProbe"]["successThreshold"] == 2


def test_it_begins_when_it_knows_the_model(render: Render) -> None:
    """And waits as long as the workers may take, with their way to a node and to the weights."""
    values = nested("global.model", {"name": "meta-llama/Llama-3.3-70B-Instruct", "sizeGiB": 132})
    pod = render(values).pod("frontend")
    probe = pod.container().spec["startupProbe"]
    assert probe["httpGet"] == {"path": "/v1/models/meta-llama/Llama-3.3-70B-Instruct/ready", "port": "http"}
    worker = render(values).pod("decode").container("engine").spec["startupProbe"]
    took = probe["periodSeconds"] * probe["failureThreshold"]
    assert took >= worker["periodSeconds"] * worker["failureThreshold"]
    assert pod.owner["spec"]["progressDeadlineSeconds"] <= took


def test_an_answer_that_stands_still_is_moved(render: Render) -> None:
    variables = frontend(render, {"frontend": {"streamTimeoutSeconds": 33}}).env()
    assert variables["DYN_HTTP_BACKEND_STREAM_TIMEOUT_SECS"] == "33"


@pytest.mark.parametrize(("plane", "seconds"), [("tcp", None), ("nats", "5")])
def test_no_request_waits_for_a_lost_worker_as_long_as_nats_would(
    plane: str, seconds: str | None, render: Render
) -> None:
    values = {"global": {"requestPlane": plane}, "nats": {"enabled": plane == "nats"}}
    assert frontend(render, values).env().get("DYN_NATS_REQUEST_TIMEOUT_SECS") == seconds


def test_how_long_a_failed_worker_is_left_alone_is_the_users_to_say(render: Render) -> None:
    name = "DYN_RUNTIME_INHIBITED_DURATION_SECS"
    assert frontend(render).env()[name] == "10"
    assert frontend(render, {"frontend": {"env": {name: "30"}}}).env()[name] == "30"


def test_frontends_prefer_different_nodes(render: Render) -> None:
    (term,) = render().pod("frontend").spec["affinity"]["podAntiAffinity"][PREFERRED]
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert term["podAffinityTerm"]["labelSelector"]["matchLabels"].items() <= render().pod("frontend").labels.items()


def test_service(render: Render) -> None:
    clients = ["203.0.113.0/24", "2001:db8::/32"]
    service: dict[str, Any] = {"type": "LoadBalancer", "port": 80, "nodePort": 30080, "annotations": {"a": "b"}}
    service["loadBalancerSourceRanges"] = clients
    manifests = render({"frontend": {"service": service}})
    item = manifests.one("Service", component="frontend")
    assert item["spec"]["type"] == "LoadBalancer"
    assert item["spec"]["loadBalancerSourceRanges"] == clients
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
    parents = [
        {"name": "inference", "namespace": "gateways", "sectionName": "https"},
        {"group": "", "kind": "Service", "name": "mesh", "port": 8443},
    ]
    route = {"enabled": True, "parentRefs": parents, "hostnames": ["a.example.com"], "requestTimeout": "10m"}
    manifests = render({"frontend": {"httpRoute": route, "service": {"port": 80}}})
    spec = manifests.one("HTTPRoute")["spec"]
    assert spec["parentRefs"] == parents
    assert spec["hostnames"] == ["a.example.com"]
    (rule,) = spec["rules"]
    assert rule["backendRefs"] == [{"name": "demo-frontend", "port": 80}]
    assert rule["timeouts"] == {"request": "10m"}
    # GKE's controller refuses a route that names a time.
    left = render({"frontend": {"httpRoute": route | {"requestTimeout": ""}}}).one("HTTPRoute")
    assert "timeouts" not in left["spec"]["rules"][0]


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
