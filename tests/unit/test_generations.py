"""Workers of different generations never meet: their namespaces, and when new ones take the place of old ones."""

import functools
import re
from typing import Any

import pytest

from hack.chart.manifests import merged, nested
from hack.chart.render import Render

SUFFIX = "DYN_NAMESPACE_WORKER_SUFFIX"
SGLANG, TRTLLM = nested("global.engine.name", "sglang"), nested("global.engine.name", "trtllm")
SIMULATED = nested("global.simulation.enabled", True)
# Prefill of one node beside decode of two.
WIDE = {"decode": {"parallelism": {"tensor": 16}}}


def source(kind: str, **block: Any) -> Any:
    """Values of a model's source."""
    return nested("global.model.source", {"type": kind, kind: block})


WEIGHTS = source("ociImage", image={"repository": "a/b", "tag": "1"})


def generation(render: Render, *values: Any, **options: Any) -> str:
    """The one of all worker pods."""
    nothing: dict[str, Any] = {}
    manifests = render(functools.reduce(merged, values, nothing), **options)
    pods = [*manifests.pods("prefill"), *manifests.pods("decode")]
    (found,) = {pod.container("engine").env()[SUFFIX] for pod in pods}
    assert {pod.labels["dynamo-disagg/generation"] for pod in pods} == {found}
    assert re.fullmatch("[0-9a-f]{8}", found), "the frontends take no other suffix"
    return str(found)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, nested("global.kvCache.blockSize", 64)),
        ({}, nested("global.engine.image.tag", "1.6.1-patched")),
        ({}, nested("global.engine.image.digest", "sha256:" + "0" * 64)),
        ({}, nested("global.model.name", "Qwen/Qwen3-1.7B")),
        ({}, nested("global.engine.args", {"dtype": "float16"})),
        ({}, nested("global.engine.args", {"max-model-len": 4096})),
        ({}, {role: {"engineArgs": {"kv-cache-dtype": "fp8"}} for role in ("prefill", "decode")}),
        ({}, {"decode": {"engineArgs": {"attention-backend": "FLASHINFER"}}}),
        ({}, nested("global.kvTransfer.connector", "mooncake")),
        ({}, {"prefill": {"parallelism": {"tensor": 2}}}),
        ({}, {"decode": {"extraArgs": ["--enforce-eager"]}}),
        ({}, nested("global.env", {"VLLM_KV_CACHE_LAYOUT": "HND"})),
        (SIMULATED, nested("global.simulation.image.tag", "1.6.1-patched")),
        (SIMULATED, nested("global.engine.args", {"dtype": "float16"})),
        (SGLANG, nested("global.engine.args", {"kv-cache-dtype": "fp8_e5m2"})),
        (SGLANG, nested("global.env", {"SGLANG_X": "1"})),
        (TRTLLM, nested("global.engine.args", {"trtllm.kv_cache_config": {"dtype": "fp8"}})),
        ({}, SGLANG),
        # How caches travel: of SGLang and TensorRT-LLM a variable that the chart sets.
        (SGLANG, nested("global.kvTransfer.backends", ["LIBFABRIC"])),
        (SGLANG, nested("global.kvTransfer.extraConfig", {"num_threads": "4"})),
        (TRTLLM, nested("global.kvTransfer.backends", ["LIBFABRIC"])),
        ({}, nested("global.env", {"UCX_TLS": "tcp"})),
        # Dynamo's flags as variables: of those in the model's card a frontend refuses a second one in a namespace.
        ({}, nested("global.env", {"DYN_TOOL_CALL_PARSER": "hermes"})),
        ({}, {"decode": {"env": {"DYN_CUSTOM_JINJA_TEMPLATE": "/opt/chat.jinja"}}}),
        # Other weights at the same path.
        (source("pvc", claimName="one"), source("pvc", claimName="two")),
        (source("gcsfuse", bucket="one"), source("gcsfuse", bucket="two")),
        (source("hostPath", path="/one"), source("hostPath", path="/two")),
        (source("csi", driver="d", volumeAttributes={"a": "1"}), source("csi", volumeAttributes={"a": "2"})),
        (WEIGHTS, source("ociImage", image={"tag": "2"})),
        # Workers that do not find each other.
        ({}, {"global": {"discovery": {"backend": "etcd"}}, "etcd": {"enabled": True, "replicas": 3}}),
        ({}, {"global": {"requestPlane": "nats"}, "nats": {"enabled": True}}),
        (
            {"global": {"discovery": {"backend": "etcd", "etcdEndpoints": ["http://a:2379"]}}},
            nested("global.discovery.etcdEndpoints", ["http://b:2379"]),
        ),
        ({"global": {"requestPlane": "nats", "natsUrl": "nats://a:4222"}}, nested("global.natsUrl", "nats://b:4222")),
        # Other GPUs: an engine chooses the attention backend by them, and with it the layout.
        ({}, nested("global.hardware", "infiniband")),
        ({}, nested("global.hardwareSpec", {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-B200"}})),
    ],
    ids=str,
)
def test_what_changes_caches_is_a_new_generation(render: Render, base: Any, change: Any) -> None:
    assert generation(render, base, change) != generation(render, base)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, {role: {"replicas": 3, "resources": {"limits": {"memory": "99Gi"}}} for role in ("prefill", "decode")}),
        ({}, {"decode": {"engineArgs": {"max-num-seqs": 64, "gpu-memory-utilization": 0.8}}}),
        ({}, {"decode": {"env": {"NCCL_DEBUG": "INFO"}, "podLabels": {"a": "b"}, "podAnnotations": {"a": "b"}}}),
        ({}, {"frontend": {"replicas": 2, "migrationLimit": 1}}),
        ({}, nested("global.imageRegistry", "mirror.example.com")),
        (WEIGHTS, nested("global.imageRegistry", "mirror.example.com")),
        (WEIGHTS, source("ociImage", image={"pullPolicy": "Always"})),
        (SGLANG, nested("global.engine.args", {"mem-fraction-static": 0.8})),
        (TRTLLM, nested("global.engine.args", {"max-batch-size": 64, "trtllm.max_num_tokens": 4096})),
        (TRTLLM, {"decode": {"engineArgs": {"trtllm.kv_cache_config.free_gpu_memory_fraction": 0.8}}}),
        ({}, nested("global.env", {"VLLM_KV_CACHE_LAYOUT": None, "UCX_TLS": None})),
        ({}, nested("global.env", {"DYN_LOG": "debug", "DYN_LOGGING_JSONL": "true", "UCX_LOG_LEVEL": "info"})),
    ],
    ids=str,
)
def test_what_does_not_keeps_the_generation(render: Render, base: Any, change: Any) -> None:
    assert generation(render, base, change) == generation(render, base)


def test_aggregated_workers_have_one_too(render: Render) -> None:
    """New ones with another card in discovery would be refused beside the old ones."""
    assert generation(render, nested("global.serving", "aggregated")) != generation(render)


def test_frontends_serve_all_generations_and_restart_for_none(render: Render) -> None:
    one, other = (render(nested("global.engine.args", {"dtype": word})).pod("frontend") for word in ("auto", "half"))
    assert one.spec == other.spec
    variables = one.container().env()
    assert variables["DYN_NAMESPACE_PREFIX"] == render().pod("decode").container("engine").env()["DYN_NAMESPACE"]
    assert variables["DYN_NAMESPACE_PREFIX_STRICT"] == "true"


def matches(prefix: str, namespace: str) -> bool:
    """As Dynamo's strict form does: findings/dynamo-namespace-prefix-takes-neighbours.sh."""
    return bool(re.fullmatch(re.escape(prefix) + "(-[0-9a-fA-F]{8})?", namespace))


def test_releases_whose_names_begin_alike_do_not_mix(render: Render) -> None:
    releases = ("demo", "demo2", "demo-2", "demo-deadbeef", "demo-deadbeef-0badf00d", "demo-12345678")
    namespaces, prefixes = {}, {}
    for release in releases:
        manifests = render(release=release)
        variables = manifests.pod("decode").container("engine").env()
        namespaces[release] = f"{variables['DYN_NAMESPACE']}-{variables[SUFFIX]}"
        prefixes[release] = manifests.pod("frontend").container().env()["DYN_NAMESPACE_PREFIX"]
    for release, prefix in prefixes.items():
        assert [name for name, namespace in namespaces.items() if matches(prefix, namespace)] == [release]
        # Workers of the chart that had no generations.
        assert [name for name, other in prefixes.items() if matches(prefix, other)] == [release]


@pytest.mark.parametrize("version", ["1.6.1", "1.5.1"])
@pytest.mark.parametrize(
    "shared",
    [
        {"discovery": {"backend": "etcd", "etcdEndpoints": ["http://etcd:2379"]}},
        {"eventPlane": "nats", "natsUrl": "nats://nats:4222"},
    ],
    ids=["etcd", "nats"],
)
def test_releases_that_share_a_server_do_not_mix(render: Render, shared: dict[str, Any], version: str) -> None:
    """Before 1.6 whatever begins with the prefix is taken."""
    values = {"global": shared | {"engine": {"image": {"tag": version}}}}
    prefixes: list[str] = []
    for namespace, release in (("a", "b"), ("a", "b-c"), ("a-b", "c"), ("a-b", "c-d"), ("a-b-c", "d")):
        variables = render(values, release=release, namespace=namespace).pod("frontend").container().env()
        prefixes.append(variables["DYN_NAMESPACE_PREFIX"])
    loose = version == "1.5.1"
    for prefix in prefixes:
        assert [name for name in prefixes if matches(prefix, name) or (loose and name.startswith(prefix))] == [prefix]


@pytest.mark.parametrize("values", [{}, WIDE, merged(WIDE, nested("global.multiNode.controller", "statefulset"))])
def test_a_worker_starts_with_one_of_the_other_role(render: Render, values: Any, role: str) -> None:
    """Else its rollout would end the old generation before the new one can work."""
    manifests, other = render(values), {"prefill": "decode", "decode": "prefill"}[role]
    for pod in manifests.pods(role):
        spec = pod.container("engine").spec
        worker = "127.0.0.1:9090" if pod.leads else "$DYNAMO_LEADER_ADDRESS:9090"
        asks = ["python3", "/opt/dynamo-disagg/pair.py", worker, f"demo-{other}-peers:9090"]
        if pod.leads:
            assert spec["startupProbe"]["exec"]["command"] == asks
            assert spec["readinessProbe"]["httpGet"] == {"path": "/health", "port": "system"}
        elif "readinessProbe" in spec:
            assert spec["readinessProbe"]["exec"]["command"] == asks
    service = next(s for s in manifests.all("Service", component=role) if s["metadata"]["name"] == f"demo-{role}-peers")
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["clusterIP"] == "None"
    assert not [name for name in service["metadata"]["labels"] if name.startswith("nvidia.com/")]
    for pod in manifests.pods(role):
        assert (service["spec"]["selector"].items() <= pod.labels.items()) == pod.leads


def test_it_waits_as_long_as_the_slower_role_may_take(render: Render) -> None:
    manifests = render({"decode": {"probes": {"startup": {"budgetSeconds": 5000}}}})
    for role in ("prefill", "decode"):
        pod = manifests.pod(role)
        probe = pod.container("engine").spec["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= 5600
        assert pod.owner["spec"]["progressDeadlineSeconds"] > 5600


@pytest.mark.parametrize(("surge", "placed"), [(1, 600), (0, 600 + 7200)])
def test_it_waits_for_the_gpus_of_a_worker_that_stops(render: Render, surge: int, placed: int) -> None:
    """Prefill as long as decode, because decode's new worker has no GPUs before the old one has gone."""
    rolling = {"maxSurge": surge, "maxUnavailable": 1 - surge}
    probes = {"startup": {"budgetSeconds": 100, "periodSeconds": 1}}
    manifests = render(
        {
            "prefill": {"probes": probes},
            "decode": {"probes": probes, "terminationGracePeriodSeconds": 7200, "rollingUpdate": rolling},
        }
    )
    deadlines = {}
    for role in ("prefill", "decode"):
        pod = manifests.pod(role)
        assert pod.container("engine").spec["startupProbe"]["failureThreshold"] == placed + 100
        deadlines[role] = pod.owner["spec"]["progressDeadlineSeconds"]
    assert deadlines["prefill"] > 600 + placed + 100
    assert deadlines["decode"] > placed + placed + 100


def test_the_old_generation_stays_until_both_roles_are_seen_to_be_ready(render: Render) -> None:
    """A role that is asked rarely is seen to be ready long after the other one."""
    manifests = render({"decode": {"probes": {"startup": {"periodSeconds": 60}, "readiness": {"periodSeconds": 2}}}})
    assert manifests.pod("prefill").owner["spec"]["minReadySeconds"] == 60 + 2 * 5
    assert manifests.pod("decode").owner["spec"]["minReadySeconds"] == 60 + 2 * 5 + 15


@pytest.mark.parametrize(("timeout", "prompt"), [(60, 15), (200, 50), (3600, 60)])
def test_old_decode_workers_stay_for_the_prompts_that_old_prefill_workers_compute(
    render: Render, timeout: int, prompt: int
) -> None:
    """findings/dynamo-last-decode-worker-fails-prompts.sh"""
    manifests = render({"frontend": {"streamTimeoutSeconds": timeout}})
    apart = [manifests.pod(role).owner["spec"]["minReadySeconds"] for role in ("prefill", "decode")]
    assert apart == [15, 15 + prompt]


@pytest.mark.parametrize(("replicas", "later"), [(1, 0), (2, 15)])
@pytest.mark.parametrize("role", ["prefill", "decode"])
def test_nobody_waits_where_the_only_worker_ends_first(render: Render, role: str, replicas: int, later: int) -> None:
    values = {role: {"replicas": replicas, "rollingUpdate": {"maxSurge": 0}}}
    assert render(values).pod("decode").owner["spec"]["minReadySeconds"] == 15 + later


def test_the_deadline_of_a_rollout_includes_the_wait(render: Render) -> None:
    """Or the API server refuses it."""
    spec = render(nested("prefill.probes.startup.periodSeconds", 3000)).pod("decode").owner["spec"]
    assert spec["progressDeadlineSeconds"] > spec["minReadySeconds"] > 3000


def test_an_aggregated_worker_needs_no_other(render: Render) -> None:
    manifests = render(nested("global.serving", "aggregated"))
    assert "httpGet" in manifests.pod("decode").container("engine").spec["startupProbe"]
    assert [s["metadata"]["name"] for s in manifests.all("Service", component="decode")] == ["demo-decode"]
