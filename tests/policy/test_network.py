"""Closed releases: every scenario lets exactly the connections through that it needs, by evaluation of its policies."""

from typing import Any

import pytest

from hack.chart import network as evaluator
from hack.chart.manifests import COMPONENT, INSTANCE, Manifests, merged
from hack.chart.network import OTHER_PORT, PORTS, Endpoint, allows, endpoint, selects
from hack.chart.policy import network
from hack.chart.scenarios import ALL, BENCHMARK, Scenario, in_namespace

CLOSED: dict[str, Any] = {
    "networkPolicy": {
        "enabled": True,
        "clients": [in_namespace("gateways")],
        "monitoring": [in_namespace("monitoring")],
    }
}
BY_NAME = {scenario.name: scenario for scenario in ALL}


def scenario(name: str, **values: Any) -> Scenario:
    known = BY_NAME[name]
    return Scenario(name, known.files, merged(merged(known.values, CLOSED), values))


def closed(name: str, **values: Any) -> Manifests:
    return scenario(name, **values).render()


def problems(given: Scenario) -> list[str]:
    manifests = given.render()
    assert manifests.all("NetworkPolicy")
    return [
        *network.closed_releases_have_no_open_pod(manifests),
        *network.closed_releases_let_no_stranger_in_or_out(manifests, given.effective),
        *network.closed_releases_reach_what_they_use(manifests, given.effective),
    ]


@pytest.mark.parametrize("name", BY_NAME)
def test_a_closed_scenario_is_closed_and_whole(name: str) -> None:
    assert problems(scenario(name)) == []


@pytest.mark.parametrize("helpers", [[], ["benchmark"]])
def test_a_closed_release_reads_its_bucket(helpers: list[str]) -> None:
    """The benchmark reads the tokenizer there."""
    source = {"type": "gcsfuse", "gcsfuse": {"bucket": "weights"}}
    given = scenario("defaults", **{"global": {"model": {"source": source}}, **dict.fromkeys(helpers, BENCHMARK)})
    assert problems(given) == []
    assert {matrix(given.render())[name]["public addresses"][0] for name in ("decode", *helpers)} == {443}


OPENSHIFT_DNS = {"to": [in_namespace("openshift-dns")], "ports": [5353]}
EVERYBODY = [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"namespaceSelector": {}}]


@pytest.mark.parametrize(
    "asked",
    [
        {"clients": [{"podSelector": {}}]},
        {"clients": EVERYBODY},
        {"clients": EVERYBODY, "monitoring": EVERYBODY},
        {"dns": OPENSHIFT_DNS},
        {"apiServer": {"to": [{"ipBlock": {"cidr": "10.96.0.1/32"}}], "ports": [16443]}},
        {"downloads": {"to": [{"ipBlock": {"cidr": "10.9.8.7/32"}}], "ports": [80]}},
    ],
)
def test_whom_the_values_name_is_no_stranger(asked: dict[str, Any]) -> None:
    assert problems(scenario("model-download", networkPolicy=asked, preflight={"enabled": True})) == []


@pytest.mark.parametrize("asked", [{"clients": EVERYBODY}, {"monitoring": EVERYBODY}])
def test_who_is_named_for_one_thing_is_a_stranger_elsewhere(asked: dict[str, Any]) -> None:
    given = scenario("everything", networkPolicy=asked)
    manifests = given.render()
    (policy,) = [p for p in manifests.all("NetworkPolicy") if p["metadata"]["name"] == "demo-decode"]
    policy["spec"]["ingress"].append({"from": [*EVERYBODY], "ports": [{"port": 2222, "protocol": "TCP"}]})
    found = list(network.closed_releases_let_no_stranger_in_or_out(manifests, given.effective))
    assert "Deployment/demo-decode: a pod of the namespace gets in at port 2222" in found


@pytest.mark.parametrize("name", BY_NAME)
def test_policies_change_nothing_else(name: str) -> None:
    off = scenario(name, networkPolicy={"enabled": False}).render()
    assert [o for o in closed(name) if o["kind"] != "NetworkPolicy"] == list(off)


def matrix(manifests: Manifests) -> dict[str, dict[str, Any]]:
    """network.matrix, where every port is "all"."""
    found = evaluator.matrix(manifests)
    return {s: {t: "all" if len(p) == len(PORTS) else p for t, p in reached.items()} for s, reached in found.items()}


DYNAMO = {"frontend": "all", "prefill": "all", "decode": "all", "DNS": [53]}


def test_the_matrix_of_the_defaults() -> None:
    """Kubernetes discovery asks the API server; each pod downloads the model for itself."""
    own = {**DYNAMO, "the API server": [443, 6443], "public addresses": [443, 6443], "the metadata server": [443, 6443]}
    assert matrix(closed("defaults")) == {
        **{name: own for name in ("frontend", "prefill", "decode")},
        "test": {"frontend": [8000], "prefill": [9090], "decode": [9090], "DNS": [53]},
        "clients": {"frontend": [8000]},
        "monitoring": {"frontend": [8000], "prefill": [9090], "decode": [9090]},
    }


def test_the_matrix_of_the_defaults_with_an_api_server_of_known_address() -> None:
    to = {"apiServer": {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [6443]}}
    found = matrix(closed("defaults", networkPolicy=to))
    assert {
        name: found["decode"].get(name) for name in ("the API server", "public addresses", "the metadata server")
    } == {
        "the API server": [6443],
        "public addresses": [443],
        "the metadata server": None,
    }


@pytest.mark.parametrize(
    ("engine", "args", "encoders", "fetch"),
    [
        ("vllm", {}, 0, set()),
        ("vllm", {"enable-multimodal": True}, 0, {"decode"}),
        ("sglang", {"enable-multimodal": True}, 0, {"decode"}),
        ("trtllm", {"modality": "multimodal"}, 0, {"decode"}),
        ("trtllm", {"enable-multimodal": True}, 0, {"decode"}),
        ("vllm", {}, 1, {"encode"}),
        ("vllm", {"frontend-decoding": True}, 1, {"encode", "frontend"}),
    ],
)
def test_who_fetches_the_images_of_requests_may(
    engine: str, args: dict[str, Any], encoders: int, fetch: set[str]
) -> None:
    source = {"type": "pvc", "pvc": {"claimName": "weights"}}
    model = {"name": "Qwen/Qwen2.5-VL-7B-Instruct", "sizeGiB": 16, "source": source}
    images = {"serving": "aggregated", "model": model, "engine": {"name": engine, "args": args}}
    to = {"apiServer": {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [6443]}}
    found = matrix(closed("defaults", networkPolicy=to, encode={"replicas": encoders}, **{"global": images}))
    assert {name for name, reached in found.items() if "public addresses" in reached} == fetch


def test_the_matrix_of_everything() -> None:
    """etcd and NATS in the release, weights in a claim: no pod has a way out but DNS."""
    own = {**DYNAMO, "etcd": [2379], "nats": [4222]}
    verify = {"frontend": [8000], "prefill": [9090], "decode": [9090], "DNS": [53]}
    assert matrix(closed("everything")) == {
        **{name: own for name in ("frontend", "prefill", "decode")},
        "etcd": {"etcd": [2380], "DNS": [53]},
        "nats": {"nats": [6222], "DNS": [53]},
        "test": verify,
        "canary": verify,
        "clients": {"frontend": [8000]},
        "monitoring": {"frontend": [8000], "prefill": [9090], "decode": [9090], "etcd": [2381], "nats": [8222]},
    }


def test_the_matrix_of_the_preflight() -> None:
    assert matrix(closed("preflight"))["preflight"] == {
        name: [443, 6443] for name in ("the API server", "public addresses", "the metadata server")
    }


def test_the_matrix_of_a_download() -> None:
    """Only the Job reaches the hub, and nobody the Job."""
    known = {"apiServer": {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}}
    found = matrix(closed("model-download", networkPolicy=known))
    assert found["model"] == {"DNS": [53], "public addresses": [443]}
    assert "public addresses" not in found["decode"]
    assert not [source for source in found if "model" in found[source]]


def test_a_bucket_is_read_with_the_identity_of_the_pod() -> None:
    values: Any = {"global": {"discovery": {"backend": "etcd"}}, "etcd": {"enabled": True}}
    source = {"type": "gcsfuse", "gcsfuse": {"bucket": "weights"}}
    found = matrix(closed("defaults", **merged(values, {"global": {"model": {"source": source}}})))
    assert (found["decode"]["the metadata server"], found["decode"]["public addresses"]) == ([80], [443])


@pytest.mark.parametrize(("tokenizer", "reached"), [("org/model", {443}), ("/models/tokenizer", set())])
def test_a_benchmark_fetches_a_tokenizer_that_is_no_folder(tokenizer: str, reached: set[int]) -> None:
    source = {"type": "pvc", "pvc": {"claimName": "weights"}}
    values = {"global": {"model": {"source": source}}, "benchmark": {**BENCHMARK, "tokenizer": tokenizer}}
    found = matrix(closed("defaults", **values))["benchmark"]
    assert set(found.get("public addresses", ())) == reached


def test_the_probe_reaches_its_other_pod_only() -> None:
    found = matrix(closed("probe"))
    assert {name: found[name] for name in ("probe", "preflight-probe")} == {
        name: {name: "all", "DNS": [53]} for name in ("probe", "preflight-probe")
    }


def test_an_etcd_and_a_nats_outside_are_reached_at_their_ports() -> None:
    servers = {
        "etcd": {"to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}]},
        "nats": {"to": [{"ipBlock": {"cidr": "10.0.0.6/32"}}]},
    }
    manifests = closed(
        "defaults",
        **{
            "global": {
                "discovery": {"backend": "etcd", "etcdEndpoints": ["https://a.example:12379", "https://b.example"]},
                "eventPlane": "nats",
                "natsUrl": "nats://c.example",
            },
            "networkPolicy": servers,
        },
    )
    policies, decode = manifests.all("NetworkPolicy"), endpoint(manifests.pod("decode"))
    reached = {
        (address, port)
        for address in ("10.0.0.5", "10.0.0.6", "10.0.0.7")
        for port in (80, 443, 2379, 4222, 12379, OTHER_PORT)
        if allows(policies, decode, Endpoint(address=address), port)
    }
    # An address without a port is asked at its scheme's, not at etcd's.
    assert reached == {("10.0.0.5", 12379), ("10.0.0.5", 443), ("10.0.0.6", 4222)}


def test_a_collector_is_reached_at_its_port_by_dynamos_processes_only() -> None:
    manifests = closed(
        "everything",
        **{
            "global": {"telemetry": {"otlpEndpoint": "http://otel.monitoring:14317/"}},
            "networkPolicy": {"telemetry": {"to": [in_namespace("collectors")]}},
        },
    )
    policies, collector = manifests.all("NetworkPolicy"), Endpoint("collectors")
    reached = {
        (pod.labels[COMPONENT], port)
        for pod in manifests.pods()
        for port in (4317, 14317, OTHER_PORT)
        if allows(policies, endpoint(pod), collector, port)
    }
    assert reached == {(name, 14317) for name in ("frontend", "prefill", "decode")}
    assert not any(allows(policies, collector, endpoint(pod), port) for pod in manifests.pods() for port in PORTS)


@pytest.mark.parametrize(
    "engine",
    [
        {"args": {"otlp-traces-endpoint": "otel:14317"}},
        {"name": "trtllm", "args": {"trtllm.otlp_traces_endpoint": "otel:14317"}},
        {"name": "trtllm", "args": {"trtllm": {"otlp_traces_endpoint": "otel:14317"}}},
    ],
    ids=["a flag", "a setting", "a setting in a map"],
)
def test_collectors_of_an_engine_and_of_variables_are_reached(engine: dict[str, Any]) -> None:
    manifests = closed(
        "defaults",
        **{
            "global": {"engine": engine},
            "frontend": {"env": {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://otel:14318"}},
            "networkPolicy": {"telemetry": {"to": [in_namespace("collectors")]}},
        },
    )
    policies, decode = manifests.all("NetworkPolicy"), endpoint(manifests.pod("decode"))
    reached = {port for port in (4317, 14317, 14318) if allows(policies, decode, Endpoint("collectors"), port)}
    assert reached == {14317, 14318}


def test_two_releases_in_one_namespace_stay_apart() -> None:
    one = closed("everything")
    for pod in one.pods():
        other = Endpoint("default", {**pod.labels, INSTANCE: "demo2"})
        for known in one.pods():
            assert not [p for p in PORTS if allows(one.all("NetworkPolicy"), other, endpoint(known), p)]


# The evaluator itself.

POLICY: dict[str, Any] = {"metadata": {"namespace": "a"}, "spec": {"podSelector": {}}}
POD, PEER = Endpoint("a", {"x": "1"}), Endpoint("b", {"y": "1"}, "10.1.2.3")


def policy(**spec: Any) -> dict[str, Any]:
    return merged(POLICY, {"spec": spec})


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], False),
        ([{}], True),
        ([{"from": []}], True),
        ([{"from": [{"podSelector": {}}]}], False),
        ([{"from": [{"namespaceSelector": {}}]}], True),
        ([{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"y": "2"}}}]}], False),
        ([{"from": [{"namespaceSelector": {}}, {"podSelector": {"matchLabels": {"y": "2"}}}]}], True),
        ([{"from": [in_namespace("c")]}], False),
        ([{"from": [in_namespace("b")]}], True),
        ([{"from": [in_namespace("b")], "ports": [{"port": 79}]}], False),
        ([{"from": [in_namespace("b")], "ports": [{"port": 79}, {"port": 80}]}], True),
        ([{"ports": [{"port": 80, "protocol": "UDP"}]}], False),
        ([{"ports": [{"protocol": "TCP"}]}], True),
        ([{"ports": [{"port": 70, "endPort": 90}]}], True),
        ([{"ports": [{"port": 70, "endPort": 79}]}], False),
        ([{"ports": [{"port": "http"}]}], True),
        ([{"ports": [{"port": "other"}]}], False),
    ],
)
def test_rules_of_one_side(rules: list[dict[str, Any]], expected: bool) -> None:
    pod = Endpoint("a", {"x": "1"}, ports={"http": 80})
    assert allows([policy(ingress=rules)], PEER, pod, 80) is expected


def test_policies_add_up_and_speak_of_the_pods_they_select() -> None:
    closed_, open_ = policy(ingress=[]), policy(ingress=[{}])
    assert not allows([closed_], PEER, POD, 80)
    assert allows([closed_, open_], PEER, POD, 80)
    assert allows([policy(ingress=[], podSelector={"matchLabels": {"x": "2"}})], PEER, POD, 80)
    assert allows([merged(closed_, {"metadata": {"namespace": "b"}})], PEER, POD, 80)


def test_both_sides_must_agree() -> None:
    out = policy(policyTypes=["Egress"], egress=[{"to": [in_namespace("b")]}])
    assert allows([out], POD, PEER, 80)
    assert not allows([out, merged(policy(ingress=[]), {"metadata": {"namespace": "b"}})], POD, PEER, 80)
    assert not allows([policy(egress=[])], POD, PEER, 80)
    assert allows([policy(egress=[])], PEER, POD, 80) is False, (
        "a policy without policyTypes speaks of what comes in, too"
    )


def test_blocks_are_for_addresses_outside() -> None:
    block = policy(egress=[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}])
    reached = [
        a for a in ("10.2.0.1", "10.1.0.1", "11.0.0.1", "fd00::1") if allows([block], POD, Endpoint(address=a), 80)
    ]
    assert reached == ["10.2.0.1"]
    assert not allows([block], POD, Endpoint("a", address="10.2.0.1"), 80)
    assert not allows([policy(egress=[{"to": [{"namespaceSelector": {}}]}])], POD, Endpoint(address="10.2.0.1"), 80)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"operator": "In", "values": ["1"]}, True),
        ({"operator": "In", "values": ["2"]}, False),
        ({"operator": "NotIn", "values": ["1"]}, False),
        ({"operator": "Exists"}, True),
        ({"operator": "DoesNotExist"}, False),
    ],
)
def test_expressions(expression: dict[str, Any], expected: bool) -> None:
    assert selects({"matchExpressions": [{"key": "x", **expression}]}, {"x": "1"}) is expected
