"""The pool of multimodal encoders: what it makes of itself, and of the workers beside it."""

from typing import Any

import pytest

from hack.chart import render as chart
from hack.chart.manifests import Manifests, merged, nested
from hack.chart.render import Render

VL: dict[str, Any] = {
    "global": {"model": {"name": "Qwen/Qwen3-VL-4B-Instruct", "sizeGiB": 9}},
    "encode": {"replicas": 2},
}
AGGREGATED = merged(VL, nested("global.serving", "aggregated"))
# Flags that follow from the pool.
FOLLOWING = {"--enable-multimodal", "--enable-mm-embeds", "--route-to-encoder"}
PAIR = ["python3", "/opt/dynamo-disagg/pair.py", "127.0.0.1:9090"]


def flags(manifests: Manifests, role: str) -> set[str]:
    return {word for word in manifests.pod(role).container("engine").args() if word.startswith("--")}


def test_there_is_none_unless_asked_for(render: Render) -> None:
    manifests = render()
    assert manifests.all(component="encode") == []
    for role in ("prefill", "decode"):
        assert not flags(manifests, role) & FOLLOWING


@pytest.mark.parametrize(
    ("values", "role", "following"),
    [
        (VL, "prefill", FOLLOWING),
        (VL, "decode", FOLLOWING - {"--route-to-encoder"}),
        (AGGREGATED, "decode", FOLLOWING),
        (VL, "encode", {"--enable-multimodal"}),
    ],
)
def test_flags_follow_on_all_sides(render: Render, values: Any, role: str, following: set[str]) -> None:
    assert flags(render(values), role) & FOLLOWING == following


def test_an_encoder_is_a_process_on_one_gpu(render: Render) -> None:
    wide = {role: {"parallelism": {"tensor": 16}} for role in ("prefill", "decode")}
    manifests = render(merged(merged(VL, wide), {"encode": {"engineArgs": {"enforce-eager": True}}}))
    pod = manifests.pod("encode")
    assert (pod.owner["kind"], pod.count) == ("Deployment", 2)
    engine = pod.container("engine")
    assert engine.spec["resources"]["limits"]["nvidia.com/gpu"] == 1
    model = "Qwen/Qwen3-VL-4B-Instruct"
    assert engine.spec["args"] == [
        *("--disaggregation-mode", "encode", "--enable-multimodal", "--enforce-eager"),
        *("--model", model, "--served-model-name", model),
    ]
    assert engine.env()["UCX_RCACHE_MAX_UNRELEASED"] == "1024"


def test_nixl_moves_embeddings_to_aggregated_workers_too(render: Render) -> None:
    alone = render(nested("global.serving", "aggregated")).pod("decode").container("engine").env()
    beside = render(AGGREGATED).pod("decode").container("engine").env()
    assert beside.keys() - alone.keys() == {"UCX_RCACHE_MAX_UNRELEASED"}


@pytest.mark.parametrize(
    ("values", "partners"),
    [
        (VL, {"prefill": "demo-decode-peers", "decode": "demo-prefill-peers", "encode": "demo-prefill-peers"}),
        # An aggregated worker is ready without the encoder's being so, so its own Service leads to it.
        (AGGREGATED, {"decode": "demo-encode-peers", "encode": "demo-decode"}),
    ],
)
def test_who_waits_for_whom(render: Render, values: Any, partners: dict[str, str]) -> None:
    manifests = render(values)
    services = {item["metadata"]["name"] for item in manifests.all("Service")}
    for role, service in partners.items():
        probe = manifests.pod(role).container("engine").spec["startupProbe"]
        assert probe["exec"]["command"] == [*PAIR, f"{service}:9090"]
        assert service in services


def test_encoders_are_found_before_they_are_ready(render: Render) -> None:
    """Workers wait for one in discovery before they are healthy, and encoders are ready with a healthy worker."""
    manifests = render(VL)
    for role, published in (("encode", True), ("prefill", None), ("decode", None)):
        service = manifests.one("Service", name=f"demo-{role}")
        assert service["metadata"]["labels"]["nvidia.com/dynamo-discovery-enabled"] == "true"
        assert service["spec"].get("publishNotReadyAddresses") is published


@pytest.mark.parametrize("backend", ["kubernetes", "etcd"])
def test_a_deleted_one_leaves_discovery_when_it_is_told_to(render: Render, backend: str) -> None:
    """Its Service publishes it until then, so what is in flight has the grace period after that."""
    values = merged(VL, {"global": {"discovery": {"backend": backend}}, "etcd": {"enabled": backend == "etcd"}})
    pod = render(values).pod("encode")
    engine = pod.container("engine")
    assert engine.spec["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
    grace = int(engine.env()["DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS"])
    assert 5 + grace + 30 + 10 <= pod.spec["terminationGracePeriodSeconds"]


def test_one_generation_for_all_pools(render: Render) -> None:
    def generation(values: Any) -> str:
        pods = render(values).pods()
        (found,) = {label for pod in pods if (label := pod.labels.get("dynamo-disagg/generation"))}
        return str(found)

    assert generation(VL) != generation(merged(VL, {"encode": {"engineArgs": {"enforce-eager": True}}}))
    assert generation(VL) != generation(merged(VL, {"encode": {"replicas": 0}}))
    assert generation(VL) == generation(merged(VL, {"encode": {"replicas": 3}}))


def test_they_have_the_machines_devices_or_their_share(render: Render) -> None:
    """NIXL takes embeddings over RDMA only where both pods have it."""
    values = merged(VL, nested("global.hardware", "infiniband"))
    share = {"encode": {"rdma": {"extendedResources": {"rdma/ib": 2}}}}
    for change, devices in (({}, 1), (share, 2)):
        limits = render(merged(values, change)).pod("encode").container("engine").spec["resources"]["limits"]
        assert (limits["rdma/ib"], limits["nvidia.com/gpu"]) == (devices, 1)


def test_tools_find_them(render: Render) -> None:
    manifests = render(merged(VL, nested("metrics.podMonitor.enabled", True)))
    labels = manifests.pod("encode").labels
    assert labels["nvidia.com/dynamo-component"] == "encode"
    # The operator's v1beta1 has no type of its own for them.
    assert labels["nvidia.com/dynamo-component-type"] == "worker"
    assert manifests.one("PodMonitor", name="demo-encode")["spec"]["podMetricsEndpoints"][0]["port"] == "system"
    assert manifests.one("PodDisruptionBudget", name="demo-encode")["spec"]["maxUnavailable"] == 1


def test_encoders_fetch_images_and_decode_workers_do_not(render: Render) -> None:
    values = merged(
        VL,
        {
            "networkPolicy": {"enabled": True, "clients": [{"podSelector": {}}]},
            "global": {"model": {"source": {"type": "pvc", "pvc": {"claimName": "weights"}}}},
        },
    )
    manifests = render(values)
    public = {"ipBlock": {"cidr": "2000::/3"}}
    for role, fetches in (("encode", True), ("decode", False)):
        rules = manifests.one("NetworkPolicy", name=f"demo-{role}")["spec"]["egress"]
        assert any(public in rule["to"] for rule in rules) is fetches


def test_they_are_in_the_domain_of_all_workers(render: Render) -> None:
    key = nested("global.colocation.topologyKey", "topology.kubernetes.io/zone")
    for values, members in ((VL, ["prefill", "decode", "encode"]), ({}, ["prefill", "decode"])):
        pod = render(merged(values, key)).pod("decode")
        (term,) = pod.spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["labelSelector"]["matchExpressions"][0]["values"] == members


def test_no_launcher_and_no_kv_cache(render: Render) -> None:
    """Encoders move embeddings out of GPU memory, and no KV cache between GPUs of a node."""
    engine = render(VL).pod("encode").container("engine")
    assert engine.spec["command"] == ["python3", "-m", "dynamo.vllm"]
    assert "UCX_CUDA_IPC_ENABLE_GET_ZCOPY" not in engine.env()


def test_a_folder_of_another_name_is_a_doubt() -> None:
    source = {"type": "pvc", "pvc": {"claimName": "weights", "path": "ours"}}
    model = {"name": "ours", "sizeGiB": 9, "source": source}
    doubt = "does not say that Dynamo's encoders know it"
    assert doubt in chart.notes(merged(VL, {"global": {"model": model}}))
    assert doubt not in chart.notes(merged(VL, {"global": {"model": {**model, "name": "our/Qwen3-VL-4B"}}}))
    assert doubt not in chart.notes({"global": {"model": model}})


def test_old_encoders_go_later_than_the_old_workers_that_ask_them(render: Render) -> None:
    roles = ("prefill", "encode", "decode")
    manifests = render(VL)
    assert [manifests.pod(role).owner["spec"]["minReadySeconds"] for role in roles] == [15, 30, 30]
    manifests = render(AGGREGATED)
    assert [manifests.pod(role).owner["spec"]["minReadySeconds"] for role in ("decode", "encode")] == [15, 30]
