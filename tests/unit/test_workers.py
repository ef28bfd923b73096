"""Worker pools: the engine's command line, its GPUs, health checks and shutdown."""

import json
from typing import Any

import pytest

from hack.chart.manifests import Container, PodTemplate, merged, nested
from hack.chart.render import Render

# The longest step of an engine's shutdown besides its grace period (dynamo/common/utils/graceful_shutdown.py, 1.6.1).
CALLBACK = 30
BY_ETCD = {"etcd": {"enabled": True}, "global": {"discovery": {"backend": "etcd"}}}
# Its workers wait for no others.
AGGREGATED = nested("global.serving", "aggregated")
# For flags that no engine has.
UNCHECKED = {"global": {"engine": {"version": "unchecked"}}}


def engine(render: Render, role: str, values: Any = None, **options: Any) -> Container:
    return render(values, **options).pod(role).container("engine")


def test_the_role_is_the_charts_name(render: Render, role: str) -> None:
    container = engine(render, role)
    assert container.spec["command"][-3:] == ["python3", "-m", "dynamo.vllm"]
    assert container.flag("disaggregation-mode") == role


def test_both_roles_use_one_connector(render: Render, role: str) -> None:
    """Dynamo refuses a prefill worker without it, and breaks silently on a decode worker without it."""
    config = json.loads(engine(render, role).flag("kv-transfer-config") or "")
    assert config == {
        "kv_connector": "NixlConnector",
        "kv_role": {"prefill": "kv_producer", "decode": "kv_consumer"}[role],
        "kv_load_failure_policy": "fail",
        "kv_connector_extra_config": {"backends": ["UCX"], "kv_lease_duration": 30},
    }


def test_the_side_channel_is_the_pod_ip(render: Render, role: str) -> None:
    variables = engine(render, role).env()
    assert variables["VLLM_NIXL_SIDE_CHANNEL_HOST"] == {"fieldRef": {"fieldPath": "status.podIP"}}


@pytest.mark.parametrize(("mode", "publishers"), [("kv", {"prefill"}), ("round-robin", set())])
def test_workers_that_the_router_indexes_publish_events(
    render: Render, role: str, mode: str, publishers: set[str]
) -> None:
    flag = engine(render, role, {"global": {"router": {"mode": mode}}}).flag("kv-events-config")
    assert (flag is not None) == (role in publishers)
    if flag:
        assert json.loads(flag)["enable_kv_cache_events"] is True
        assert json.loads(flag)["publisher"] == "zmq"


def test_block_size_is_one_for_both_roles_and_the_router(render: Render, role: str) -> None:
    values = {"global": {"kvCache": {"blockSize": 64}}}
    assert engine(render, role, values).flag("block-size") == "64"
    assert engine(render, role).flag("block-size") == "128"
    assert render(values).pod("frontend").container().flag("kv-cache-block-size") == "64"


@pytest.mark.parametrize(
    ("parallelism", "gpus", "flags"),
    [
        ({}, 1, {"tensor-parallel-size": "1", "pipeline-parallel-size": None, "data-parallel-size": None}),
        ({"tensor": 8}, 8, {"tensor-parallel-size": "8"}),
        ({"tensor": 2, "pipeline": 2}, 4, {"tensor-parallel-size": "2", "pipeline-parallel-size": "2"}),
        ({"tensor": 2, "data": 4}, 8, {"tensor-parallel-size": "2", "data-parallel-size": "4"}),
    ],
    ids=str,
)
def test_gpus_follow_from_parallelism(
    render: Render, role: str, parallelism: dict[str, int], gpus: int, flags: dict[str, str | None]
) -> None:
    connector = {"global": {"kvTransfer": {"connector": "mooncake"}}}
    container = engine(render, role, merged(connector, {role: {"parallelism": parallelism}}))
    assert {name: container.flag(name) for name in flags} == flags
    assert container.spec["resources"]["limits"]["nvidia.com/gpu"] == gpus
    assert container.spec["resources"]["requests"]["nvidia.com/gpu"] == gpus


def test_the_other_role_keeps_its_own_values(render: Render, role: str) -> None:
    other = {"prefill": "decode", "decode": "prefill"}[role]
    changed = {role: {"replicas": 3, "resources": {"requests": {"cpu": 3}}, "env": {"A": "b"}, "podLabels": {"a": "b"}}}
    assert render(changed).pod(other).owner == render().pod(other).owner


def test_workers_get_no_router_settings(render: Render, role: str) -> None:
    """They would be advertised in the model card and override the frontend's."""
    container = engine(render, role)
    assert [n for n in container.env() if n.startswith("DYN_ROUTER")] == []
    assert [a for a in container.args() if a.startswith("--router")] == []


def test_health_is_that_of_the_endpoint(render: Render, role: str) -> None:
    container = engine(render, role)
    assert container.env()["DYN_SYSTEM_PORT"] == "9090"
    assert json.loads(container.env()["DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS"]) == ["generate"]
    ports = {p["name"]: p["containerPort"] for p in container.spec["ports"]}
    assert ports["system"] == 9090
    # The first probe waits for the other role: test_generations.py.
    for probe, path in {"liveness": "/live", "readiness": "/health"}.items():
        assert container.spec[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "system"}


def budget(container: Container) -> int:
    probe = container.spec["startupProbe"]
    return int(probe["periodSeconds"]) * int(probe["failureThreshold"])


@pytest.mark.parametrize("size", [0.5, 2, 132, 700])
def test_the_startup_budget_follows_from_the_model(render: Render, size: float) -> None:
    """Ten minutes for the engine, and the weights at 100 MiB/s, never less and hardly more."""
    seconds = budget(engine(render, "decode", merged(AGGREGATED, nested("global.model.sizeGiB", size))))
    assert 600 + size * 1024 / 100 * 0.97 <= seconds <= 600 + size * 10 + 20


@pytest.mark.parametrize("period", [5, 7, 30])
def test_a_startup_budget_of_ones_own_is_kept_whatever_the_period(render: Render, period: int) -> None:
    startup = {"budgetSeconds": 1000, "periodSeconds": period}
    seconds = budget(engine(render, "decode", merged(AGGREGATED, {"decode": {"probes": {"startup": startup}}})))
    assert 1000 <= seconds < 1000 + period


def drained(pod: PodTemplate) -> tuple[str, int, int, int]:
    """The URL that the preStop hook asks, and the least, quiet and most seconds that it waits."""
    script, url, *seconds = pod.container().spec["lifecycle"]["preStop"]["exec"]["command"][1:]
    assert script == "/opt/dynamo-disagg/drain.py"
    assert "/opt/dynamo-disagg" in {mount["mountPath"] for mount in pod.container().spec["volumeMounts"]}
    least, quiet, most = map(int, seconds[:3])
    return url, least, quiet, most


def graces(pod: PodTemplate) -> tuple[int, int, int]:
    """A worker's pod has all of them, its engine sleeps the second, Dynamo gives requests in flight the third."""
    variables = pod.container().env()
    names = "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS", "DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS"
    engine, runtime = (int(variables[name]) for name in names)
    return pod.spec["terminationGracePeriodSeconds"], engine, runtime


@pytest.mark.parametrize("seconds", [90, 180, 3600])
def test_a_worker_has_its_grace_period_for_what_is_in_flight(render: Render, role: str, seconds: int) -> None:
    pod = render({role: {"terminationGracePeriodSeconds": seconds}}).pod(role)
    url, least, quiet, most = drained(pod)
    assert url == "http://127.0.0.1:9090/metrics"
    assert (least, quiet) == (5, 5), "routers need a moment to see the pod go, decode one to fetch the KV cache"
    total, engine, runtime = graces(pod)
    assert total == seconds
    assert seconds / 2 <= most < seconds - engine - CALLBACK
    assert runtime >= seconds, "it loses what SIGKILL has moved to another worker"


def test_with_etcd_a_worker_leaves_the_routers_only_when_told_to_stop(render: Render, role: str) -> None:
    pod = render(merged(BY_ETCD, {role: {"terminationGracePeriodSeconds": 300}})).pod(role)
    assert pod.container().spec["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
    total, engine, _ = graces(pod)
    assert 150 <= engine < total - 5 - CALLBACK


@pytest.mark.parametrize("seconds", [20, 120, 3600])
def test_a_frontend_serves_until_nothing_is_in_flight(render: Render, seconds: int) -> None:
    """Streams in flight when it stops have as long again, and only for a second requests are refused."""
    pod = render({"frontend": {"terminationGracePeriodSeconds": seconds}}).pod("frontend")
    url, least, quiet, most = drained(pod)
    assert url == "http://127.0.0.1:8000/metrics"
    assert (least, quiet, most) == (10, 0, seconds // 2)
    assert pod.container().spec["lifecycle"]["preStop"]["exec"]["command"][-1] == "hang-up"
    assert pod.container().env()["DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS"] == "1"


@pytest.mark.parametrize("component", ["frontend", "prefill", "decode"])
def test_a_process_that_hangs_is_given_no_time(render: Render, component: str) -> None:
    """Ten seconds five times, and the last check's time-out; ten seconds of the 75 are left to start."""
    spec = render().pod(component).container().spec
    for name in ("startupProbe", "livenessProbe"):
        assert spec[name]["terminationGracePeriodSeconds"] == 5
    live = spec["livenessProbe"]
    assert live["periodSeconds"] * live["failureThreshold"] + live["timeoutSeconds"] + 5 <= 65


def test_shared_memory(render: Render, role: str) -> None:
    pod = render({role: {"sharedMemory": "80Gi", "resources": {"limits": {"memory": "100Gi"}}}}).pod(role)
    mounts = {m["mountPath"]: m["name"] for m in pod.container("engine").spec["volumeMounts"]}
    volume = pod.volumes()[mounts["/dev/shm"]]
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "80Gi"}


def test_volumes_of_ones_own(render: Render, role: str) -> None:
    source = {"persistentVolumeClaim": {"claimName": "data"}}
    values = {role: {"volumes": {"data": {"mountPath": "/data", "subPath": "a", "readOnly": True, "source": source}}}}
    pod = render(values).pod(role)
    assert pod.volumes()["data"] == {"name": "data", **source}
    mounts = {m["name"]: m for m in pod.container("engine").spec["volumeMounts"]}
    assert mounts["data"] == {"name": "data", "mountPath": "/data", "subPath": "a", "readOnly": True}


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_budget_for_more_than_one_pod(render: Render, role: str, replicas: int) -> None:
    manifests = render({role: {"replicas": replicas}})
    budgets = manifests.all("PodDisruptionBudget", component=role)
    assert len(budgets) == (replicas > 1)
    for item in budgets:
        assert item["spec"]["maxUnavailable"] == 1
        assert item["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert item["spec"]["selector"]["matchLabels"].items() <= manifests.pod(role).labels.items()


def test_aggregated_serving_has_one_pool(render: Render) -> None:
    manifests = render({"global": {"serving": "aggregated"}})
    assert manifests.all(component="prefill") == []
    container = manifests.pod("decode").container("engine")
    assert container.flag("disaggregation-mode") == "agg"
    assert container.flag("kv-transfer-config") is None
    assert container.flag("kv-events-config") is not None


def test_placement(render: Render, role: str) -> None:
    values = {
        role: {
            "nodeSelector": {"pool": "a"},
            "tolerations": [{"key": "mine", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "high",
        }
    }
    spec = render(values).pod(role).spec
    assert spec["nodeSelector"] == {"kubernetes.io/arch": "amd64", "pool": "a"}
    assert [t["key"] for t in spec["tolerations"]] == ["nvidia.com/gpu", "mine"]
    assert spec["priorityClassName"] == "high"
    assert spec["affinity"] == {"nodeAffinity": {}}


def test_workers_of_one_node_prefer_different_nodes(render: Render, role: str) -> None:
    pod = render().pod(role)
    (term,) = pod.spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert term["podAffinityTerm"]["labelSelector"]["matchLabels"].items() <= pod.labels.items()
    together = nested("global.colocation.topologyKey", "kubernetes.io/hostname")
    assert "podAntiAffinity" not in render(together).pod(role).spec["affinity"]
    assert all("affinity" not in pod.spec for pod in render({role: {"parallelism": {"tensor": 16}}}).pods(role))
