"""The probe: two pods of one Job, as the workers are, without the engine."""

from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.chart import render as chart
from hack.chart.manifests import Manifests, PodTemplate, merged
from hack.chart.render import Render
from hack.chart.scenarios import EVERYTHING, OVERLAY, TRTLLM

TEST: dict[str, Any] = {"test": {"probe": {"enabled": True}}}
BOTH = TEST | {"preflight": {"probe": {"enabled": True}}}
NODES = {"matchExpressions": [{"key": "pool", "operator": "Exists"}]}
COLOCATED = {"global": {"colocation": {"topologyKey": "kubernetes.io/hostname"}}}


def probe(manifests: Manifests, component: str = "probe") -> PodTemplate:
    (found,) = manifests.pods(component)
    return found


def environment(pod: PodTemplate) -> dict[str, Any]:
    (container,) = pod.containers()
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container.spec["env"]}


def test_off_by_default_and_in_simulation(render: Render) -> None:
    assert render(EVERYTHING).pods("probe") == []
    simulated = render(BOTH, ["values/a3u-multi.yaml", OVERLAY])
    assert [simulated.all(component=name) for name in ("probe", "preflight-probe")] == [[], []]


@pytest.mark.parametrize(
    ("component", "hook", "seconds"), [("probe", "test", 280), ("preflight-probe", "pre-install", 900)]
)
def test_one_job_of_two_pods_that_find_each_other(component: str, hook: str, seconds: int, render: Render) -> None:
    manifests = render(BOTH, ["values/a3u-multi.yaml"])
    weights = {}
    for item in manifests.all(component=component):
        annotations = item["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == hook
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
        weights[item["kind"]] = int(annotations["helm.sh/hook-weight"])
    job = weights.pop("Job")
    assert weights.keys() == {"ConfigMap", "Service"}
    assert max(weights.values()) < job, "what the Job needs is there before it"
    spec = manifests.one("Job", component=component)["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, seconds)
    service = manifests.one("Service", component=component)
    name = service["metadata"]["name"]
    assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
    pod = probe(manifests, component)
    assert pod.spec["subdomain"] == name
    (container,) = pod.containers()
    assert container.spec["command"] == ["python3", "-m", "kv_probe", "pod", f"{name}-0.{name}.default.svc"]
    assert container.spec["workingDir"] == "/opt"
    arguments = container.spec["args"]
    assert int(arguments[arguments.index("--wait") + 1]) < seconds, "it says what is missing before it is ended"
    scripts = manifests.one("ConfigMap", component=component)["data"]
    assert scripts == {path.name: path.read_text().strip() for path in (ROOT / "files" / "kv_probe").glob("*.py")}


@pytest.mark.parametrize("component", ["probe", "preflight-probe"])
def test_a_namespace_with_quotas_can_admit_both_pods(component: str, render: Render) -> None:
    values = {"test": {"probe": {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}}}}
    (container,) = probe(render(merged(BOTH, values)), component).containers()
    assert container.spec["resources"] == {
        "requests": {"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": 1},
        "limits": {"cpu": "2", "memory": "8Gi", "nvidia.com/gpu": 1},
    }


def test_it_takes_the_plugin_of_the_workers(render: Render) -> None:
    efa = {"global": {"kvTransfer": {"backends": ["LIBFABRIC"]}}}
    for values, plugin in (({}, "UCX"), (efa, "LIBFABRIC")):
        (container,) = probe(render(merged(TEST, values))).containers()
        assert container.spec["args"][2:4] == ["--backend", plugin]


SGLANG: dict[str, Any] = {"engine": {"name": "sglang"}}
MOONCAKE: dict[str, Any] = {"kvTransfer": {"connector": "mooncake"}}
EFA = {"kv_connector_extra_config": {"mooncake_protocol": "efa"}}


def devices(value: Any) -> dict[str, Any]:
    return {"engine": {"name": "sglang", "args": {"disaggregation-ib-device": value}}}


@pytest.mark.parametrize(
    ("settings", "moves"),
    [
        ({}, ["READ", "nixl"]),
        (SGLANG, ["WRITE", "nixl"]),
        ({"engine": {"name": "trtllm"}}, ["WRITE", "nixl"]),
        (MOONCAKE, ["WRITE", "--protocol", "rdma", "mooncake"]),
        ({"kvTransfer": {"connector": "mooncake", "extraConfig": EFA}}, ["WRITE", "--protocol", "efa", "mooncake"]),
        (SGLANG | MOONCAKE, ["WRITE", "mooncake"]),
        (devices("mlx5_0, mlx5_1") | MOONCAKE, ["WRITE", "--devices", "mlx5_0,mlx5_1", "mooncake"]),
        (devices({"0": "mlx5_2", "1": "mlx5_3"}) | MOONCAKE, ["WRITE", "--devices", "mlx5_2", "mooncake"]),
        (devices("mlx5_0"), ["WRITE", "nixl"]),
    ],
)
def test_it_moves_as_the_workers_do(settings: dict[str, Any], moves: list[str], render: Render) -> None:
    arguments = probe(render(merged(TEST, {"global": settings}))).containers()[0].spec["args"]
    expected = ["--operation", *moves[:-1], "--backend", "UCX", "--connector", moves[-1]]
    assert arguments[: len(expected)] == expected


@pytest.mark.parametrize(("connector", "measured"), [("nixl", True), ("ucx", False)])
def test_it_says_where_it_measures_another_connector(connector: str, measured: bool) -> None:
    values = {"global": {"engine": {"name": "trtllm"}, "kvTransfer": {"connector": connector}}}
    notes = chart.notes(merged(TEST, values))
    assert ("test.probe measures NIXL over the devices of the workers" in notes) is not measured


@pytest.mark.parametrize("file", ["a3u-multi", "a4xmax-1p1d", "aks-disagg", "tke-h20-multi", "a4x-10p8d"])
def test_it_is_where_and_what_a_decode_worker_is(file: str, render: Render) -> None:
    manifests = render(TEST, [f"values/{file}.yaml"])
    pod = probe(manifests)
    worker = manifests.leaders("decode")[0]
    for key in ("nodeSelector", "tolerations", "resourceClaims", "securityContext", "imagePullSecrets"):
        assert pod.spec.get(key) == worker.spec.get(key), key
    (container,), (engine,) = pod.containers(), [c for c in worker.containers() if c.spec["name"] == "engine"]
    for key in ("image", "imagePullPolicy", "securityContext"):
        assert container.spec.get(key) == engine.spec.get(key), key
    assert container.spec["resources"].get("claims") == engine.spec["resources"].get("claims")
    asked, whole = (c.spec["resources"]["limits"] for c in (container, engine))
    assert asked.pop("nvidia.com/gpu") == 1
    assert {k: v for k, v in asked.items() if "/" in k} == {
        k: v for k, v in whole.items() if "/" in k and k != "nvidia.com/gpu"
    }
    settings = {name: value for name, value in environment(worker).items() if name.startswith(("UCX_", "NCCL_"))}
    assert settings.items() <= environment(pod).items()
    assert pod.spec["serviceAccountName"] == worker.spec["serviceAccountName"], "privileges may be the account's"
    assert not pod.spec.get("initContainers")


@pytest.mark.parametrize(("together", "devices"), [(True, 16), (False, 24)])
def test_both_fit_on_a_node_that_the_roles_divide(together: bool, devices: int, render: Render) -> None:
    """A node has 32 of them."""
    efa = "vpc.amazonaws.com/efa"
    shares = {
        "prefill": {"rdma": {"extendedResources": {efa: 8}}},
        "decode": {"rdma": {"extendedResources": {efa: 24}}},
    }
    machine = {"hardware": "eks-p5", "kvTransfer": {"backends": ["LIBFABRIC"]}}
    values = merged(TEST, {"global": machine}, shares, COLOCATED if together else {})
    assert probe(render(values)).containers()[0].spec["resources"]["limits"][efa] == devices


def test_before_an_installation_its_account_must_be_there(render: Render) -> None:
    for account, used in (({}, None), ({"create": False, "name": "llm"}, "llm")):
        pod = probe(render(merged(BOTH, {"global": {"serviceAccount": account}})), "preflight-probe")
        assert pod.spec.get("serviceAccountName") == used
        assert pod.spec["automountServiceAccountToken"] is False


def test_nothing_of_dynamo_and_the_model_is_in_it(render: Render) -> None:
    values = {"decode": {"env": {"UCX_LOG_LEVEL": "info"}}}
    pod = probe(render(merged(TEST, values), ["values/a3u-multi.yaml"]))
    names = environment(pod)
    assert [name for name in names if name.startswith(("DYN_", "HF_"))] == []
    assert names["UCX_LOG_LEVEL"] == "info"
    assert names["NODE_NAME"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    assert {v["name"] for v in pod.spec["volumes"]} == {"dshm", "gib", "nvidia", "probe"}


def test_the_two_are_together_or_apart_as_the_workers_are(render: Render) -> None:
    apart = probe(render(TEST)).spec["affinity"]
    (term,) = apart["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    together = probe(render(merged(TEST, COLOCATED))).spec["affinity"]
    (required,) = together["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["topologyKey"] == "kubernetes.io/hostname"
    # The scheduler places the first of pods that want each other's company only if it fits the selector itself.
    labels = probe(render(merged(TEST, COLOCATED))).labels
    assert required["labelSelector"]["matchLabels"].items() <= labels.items()
    node = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [NODES]}}}
    kept = probe(render(merged(TEST, {"decode": {"affinity": node}}))).spec["affinity"]
    assert kept["nodeAffinity"] == node["nodeAffinity"]


def test_its_floor_is_that_of_the_test(render: Render) -> None:
    def floor(values: dict[str, Any], *files: str) -> str:
        arguments = probe(render(merged(TEST, values), files)).containers()[0].spec["args"]
        found: str = arguments[arguments.index("--min-gbps") + 1]
        return found

    assert (floor({}), floor({}, "values/a3u-multi.yaml")) == ("0", "1")
    assert floor({"test": {"transport": {"minGBps": 2.5}}}) == "2.5"


def test_tcp_fails_where_the_values_promise_better_and_name_no_speed(render: Render) -> None:
    def fails(values: dict[str, Any], *files: str) -> bool:
        return "--no-tcp" in probe(render(merged(TEST, values), files)).containers()[0].spec["args"]

    assert (fails({}), fails({}, "values/a3u-multi.yaml")) == (False, True)
    assert not fails({"test": {"transport": {"minGBps": 2.5}}}, "values/a3u-multi.yaml")


SEVERAL_NODES = {"global": {"multiNode": {"sshSecret": "ssh"}}, "decode": {"parallelism": {"tensor": 16, "expert": 1}}}


@pytest.mark.parametrize(
    ("values", "operation"),
    [
        ({}, "READ"),
        ({"global": {"engine": {"name": "sglang"}}}, "WRITE"),
        (TRTLLM, "WRITE"),
        (merged(TRTLLM, SEVERAL_NODES), "WRITE"),
    ],
)
def test_it_moves_as_the_engine_does(values: dict[str, Any], operation: str, render: Render) -> None:
    (container,) = probe(render(merged(values, TEST))).containers()
    arguments = container.spec["args"]
    assert arguments[arguments.index("--operation") + 1] == operation


def test_it_has_other_process_numbers_where_the_workers_have(render: Render) -> None:
    """The engine's launcher is not the probe's, so it moves by itself."""

    def apart(values: dict[str, Any], *files: str) -> bool:
        return "--apart" in probe(render(merged(values, TEST), files)).containers()[0].spec["args"]

    assert apart(COLOCATED)
    assert not apart({}, "values/a3u-multi.yaml"), "a worker fills its node: there is nobody beside it"
    one_namespace = {"global": {"engine": {"name": "sglang"}, "colocation": {"hostPID": True}}}
    assert not apart(merged(COLOCATED, one_namespace)), "in the node's namespace all numbers differ"
