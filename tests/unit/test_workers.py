"""Worker pools: the engine's command line, its GPUs, health checks and shutdown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Render
from tests.harness.manifests import Container, PodTemplate, merged

# Steps of a shutdown, in seconds (dynamo/common/utils/graceful_shutdown.py of Dynamo 1.6.1).
CALLBACKS = 30 + 30
# For flags that no engine has.
UNCHECKED = {"global": {"engine": {"version": "unchecked"}}}


def engine(render: Render, role: str, values: Any = None, **options: Any) -> Container:
    return render(values, **options).pod(role).container("engine")


def test_the_role_is_the_charts_name(render: Render, role: str) -> None:
    container = engine(render, role)
    assert container.args()[:3] == ["python3", "-m", "dynamo.vllm"]
    assert container.flag("disaggregation-mode") == role


def test_both_roles_use_one_connector(render: Render, role: str) -> None:
    """Dynamo refuses a prefill worker without it, and breaks silently on a decode worker without it."""
    config = json.loads(engine(render, role).flag("kv-transfer-config") or "")
    assert config == {"kv_connector": "NixlConnector", "kv_role": "kv_both"}


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
    container = engine(render, role, {role: {"parallelism": parallelism}})
    assert {name: container.flag(name) for name in flags} == flags
    assert container.spec["resources"]["limits"]["nvidia.com/gpu"] == gpus
    assert container.spec["resources"]["requests"]["nvidia.com/gpu"] == gpus


def test_the_other_role_keeps_its_own_values(render: Render, role: str) -> None:
    other = {"prefill": "decode", "decode": "prefill"}[role]
    changed = {role: {"replicas": 3, "parallelism": {"tensor": 4}, "env": {"A": "b"}, "podLabels": {"a": "b"}}}
    assert render(changed).pod(other).owner == render().pod(other).owner


def test_engine_flags_of_a_role_win_over_those_of_both(render: Render, role: str) -> None:
    shared = {"global": {"engine": {"args": {"max-model-len": 4096, "seed": 1}}}}
    container = engine(render, role, merged(shared, {role: {"engineArgs": {"max-model-len": 8192}}}))
    assert container.flag("max-model-len") == "8192"
    assert container.flag("seed") == "1"


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        (True, ["--x"]),
        (False, ["--no-x"]),
        (1048576, ["--x", "1048576"]),
        (10**15, ["--x", str(10**15)]),
        (0.9, ["--x", "0.9"]),
        ("0123", ["--x", "0123"]),
        ("1e6", ["--x", "1e6"]),
        ("", ["--x", ""]),
        ('two words \'and "quotes"', ["--x", 'two words \'and "quotes"']),
        ({"a": [1, True]}, ["--x", '{"a":[1,true]}']),
        ({"a": 1048576, "b": "1"}, ["--x", '{"a":1048576,"b":"1"}']),
        (["a", 1], ["--x", '["a",1]']),
    ],
    ids=repr,
)
def test_flag_values_arrive_as_they_were_typed(render: Render, role: str, value: Any, arguments: list[str]) -> None:
    found = engine(render, role, merged(UNCHECKED, {role: {"engineArgs": {"x": value}}})).args()
    position = next(i for i, a in enumerate(found) if a in ("--x", "--no-x"))
    assert found[position : position + len(arguments)] == arguments


def test_raw_arguments_come_last(render: Render, role: str) -> None:
    extra = ["--last", "a b", "0123"]
    assert engine(render, role, merged(UNCHECKED, {role: {"extraArgs": extra}})).args()[-3:] == extra


def test_environment_of_a_role_wins_over_the_shared_one(render: Render, role: str) -> None:
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    values = {
        "global": {"env": {"A": "all", "B": "all", "C": "all"}},
        role: {"env": {"A": "role", "B": secret}},
    }
    variables = engine(render, role, values).env()
    assert (variables["A"], variables["B"], variables["C"]) == ("role", secret, "all")


def test_environment_can_refer_to_the_pod(render: Render, role: str) -> None:
    """Kubernetes resolves $(NAME) only from what comes before."""
    names = [e["name"] for e in engine(render, role, {role: {"env": {"A": "$(POD_IP)"}}}).spec["env"]]
    assert names.index("POD_IP") < names.index("A")


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
    for probe, path in {"startup": "/live", "liveness": "/live", "readiness": "/health"}.items():
        assert container.spec[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "system"}


def budget(container: Container) -> int:
    probe = container.spec["startupProbe"]
    return int(probe["periodSeconds"]) * int(probe["failureThreshold"])


@pytest.mark.parametrize("size", [0.5, 2, 132, 700])
def test_the_startup_budget_follows_from_the_model(render: Render, role: str, size: float) -> None:
    """Ten minutes for the engine, and the weights at 100 MiB/s, never less and hardly more."""
    seconds = budget(engine(render, role, {"global": {"model": {"sizeGiB": size}}}))
    assert 600 + size * 1024 / 100 * 0.97 <= seconds <= 600 + size * 10 + 20


@pytest.mark.parametrize("period", [5, 7, 30])
def test_a_startup_budget_of_ones_own_is_kept_whatever_the_period(render: Render, role: str, period: int) -> None:
    startup = {"budgetSeconds": 1000, "periodSeconds": period}
    seconds = budget(engine(render, role, {role: {"probes": {"startup": startup}}}))
    assert 1000 <= seconds < 1000 + period


def stop_seconds(pod: PodTemplate) -> tuple[int, int, int]:
    """Grace period, preStop sleep and Dynamo's own bounds on unregistering and on requests in flight."""
    container = pod.container()
    variables = container.env()
    sleep = container.spec["lifecycle"]["preStop"]["sleep"]["seconds"]
    if "DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS" in variables:
        return (
            pod.spec["terminationGracePeriodSeconds"],
            sleep,
            int(variables["DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS"]),
        )
    runtime = int(variables["DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS"])
    unregister = int(variables["DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS"])
    return pod.spec["terminationGracePeriodSeconds"], sleep, unregister + CALLBACKS + runtime


@pytest.mark.parametrize("seconds", [90, 180, 3600])
def test_a_worker_stops_within_its_grace_period(render: Render, role: str, seconds: int) -> None:
    pod = render({role: {"terminationGracePeriodSeconds": seconds}}).pod(role)
    grace, sleep, own = stop_seconds(pod)
    assert grace == seconds
    assert sleep >= 5, "routers need a moment to see the pod go"
    assert sleep + own < grace
    assert int(pod.container().env()["DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS"]) > 0


@pytest.mark.parametrize("seconds", [20, 120, 3600])
def test_a_frontend_stops_within_its_grace_period(render: Render, seconds: int) -> None:
    grace, sleep, own = stop_seconds(render({"frontend": {"terminationGracePeriodSeconds": seconds}}).pod("frontend"))
    assert grace == seconds
    assert sleep >= 5, "load balancers need a moment to see the pod go"
    assert own > 0
    assert sleep + own < grace


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
