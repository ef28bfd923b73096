"""What an installation prints: how to send the first request, in commands that fit the values."""

import json
import re
from typing import Any

import pytest

from hack.chart import render as chart
from hack.chart import scenarios
from hack.chart.manifests import merged
from hack.chart.renderer import Renderer

CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "defaults": ({}, []),
    "another port": ({"frontend": {"service": {"port": 80}}}, []),
    "a name override": ({"global": {"nameOverride": "x"}}, []),
    "aggregated": ({"global": {"serving": "aggregated"}}, []),
    "a3u-multi": ({}, ["values/a3u-multi.yaml"]),
    "simulated": ({}, ["values/a3u-multi.yaml", "values/overlays/simulate.yaml"]),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[dict[str, Any], list[str]]:
    return CASES[request.param]


def test_the_first_request_goes_to_the_service_and_asks_for_the_model(case: tuple[Any, Any]) -> None:
    text, manifests = chart.notes(*case), chart.render(*case)
    service = manifests.one("Service", component="frontend")
    (port,) = service["spec"]["ports"]
    assert f"port-forward svc/{service['metadata']['name']} 8000:{port['port']}" in text
    match = re.search(r"-d '(\{.*\})'", text)
    assert match
    model = json.loads(match[1])["model"]
    by_role = manifests.pod("decode").container()
    assert model == (by_role.flag("served-model-name") or by_role.flag("model-name"))


def test_the_proof_is_named(case: tuple[Any, Any]) -> None:
    text, aggregated = chart.notes(*case), chart.render(*case).all("Deployment", component="prefill") == []
    assert (
        f"Prove that {'a worker answers' if aggregated else 'both pools answer, and how fast the KV cache moves'}:\n"
        in text
    )
    assert "helm test demo -n " in text


def test_a_simulation_says_so(case: tuple[Any, Any]) -> None:
    simulated = "values/overlays/simulate.yaml" in case[1]
    assert ("SIMULATION" in chart.notes(*case)) == simulated


@pytest.mark.parametrize(("size", "warned"), [(16, True), (128, False)])
def test_small_blocks_are_warned_of(size: int, warned: bool) -> None:
    text = chart.notes({"global": {"kvCache": {"blockSize": size}}})
    assert ("WARNING: global.kvCache.blockSize" in text) == warned


@pytest.mark.parametrize("enabled", [True, False])
def test_a_preflight_says_where_its_table_is(enabled: bool) -> None:
    text = chart.notes({"preflight": {"enabled": enabled}})
    assert ("logs job/demo-preflight" in text) == enabled


def test_no_leftovers_of_templates(case: tuple[Any, Any]) -> None:
    assert not re.search(r"<no value>|%!|\{\{|e\+0", chart.notes(*case))


@pytest.mark.parametrize(("controller", "named"), [("lws", True), ("statefulset", False)])
def test_leaderworkersets_are_waited_for_by_hand(controller: str, named: bool) -> None:
    """Helm does not know their readiness."""
    values = {"global": {"multiNode": {"controller": controller}}}
    text, manifests = chart.notes(values, ["values/a4x-10p8d.yaml"]), chart.render(values, ["values/a4x-10p8d.yaml"])
    groups = {item["metadata"]["name"] for item in manifests if item["kind"] == "LeaderWorkerSet"}
    assert set(re.findall(r"wait leaderworkerset/(\S+)", text)) == groups
    assert bool(groups) == named
    assert "on 8 nodes" in text


WARNED = "between nodes the KV cache goes over TCP"


@pytest.mark.parametrize(
    ("values", "files", "warned"),
    [
        ({}, [], True),
        ({"global": {"serving": "aggregated"}}, [], False),
        ({"global": {"simulation": {"enabled": True}}}, [], False),
        ({}, ["values/a3u-multi.yaml"], False),
        ({"global": {"rdma": {"enabled": False}}}, ["values/a3u-multi.yaml"], True),
        ({}, ["values/a3u-single.yaml"], False),
    ],
)
def test_a_kv_cache_over_tcp_is_warned_of(
    render_fast: Renderer, values: dict[str, Any], files: list[str], warned: bool
) -> None:
    for file in files:
        values = merged(scenarios.content(file), values)
    assert (WARNED in render_fast(values).notes) is warned


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ({"kvTransfer": {"leaseSeconds": 90}}, True),
        ({"engine": {"name": "sglang"}}, False),
        ({"serving": "aggregated"}, False),
    ],
)
def test_a_lease_over_tcp_has_to_outlast_a_transfer(
    render_fast: Renderer, engine: dict[str, Any], *, said: bool
) -> None:
    """docs/real-gpus.md, faults: no renewal arrived beside the data."""
    text = " ".join(render_fast({"global": engine, "frontend": {"streamTimeoutSeconds": 120}}).notes.split())
    assert ("keep global.kvTransfer.leaseSeconds (90) and" in text) is said
    assert ("and frontend.streamTimeoutSeconds (120) above the slowest" in text) is said


LWS = {"parallelism": {"tensor": 16}}
SCALED = {"autoscaling": {"prometheusUrl": "http://p:9090"}, "decode": {"autoscaling": {"enabled": True}}}


@pytest.mark.parametrize(
    ("values", "calm", "says"),
    [
        (
            {"etcd": {"enabled": True}, "global": {"discovery": {"backend": "etcd"}}},
            {"etcd": {"replicas": 3}},
            "etcd.replicas is 1",
        ),
        (
            {"frontend": {"migrationLimit": 0}, "decode": {"replicas": 2}},
            {"decode": {"replicas": 1}},
            "frontend.migrationLimit is 0: an answer whose worker fails",
        ),
        (
            {"frontend": {"migrationLimit": 0}, "prefill": {"replicas": 3}},
            {"prefill": {"replicas": 1}},
            "though 3 prefill workers could go on with it",
        ),
        (
            {"frontend": {"migrationLimit": 0}, **SCALED},
            {"decode": {"autoscaling": {"maxReplicas": 1}}},
            "though up to 4 decode workers could go on with it",
        ),
        (
            {"decode": {"replicas": 2, "rollingUpdate": {"maxUnavailable": "100%"}}},
            {"decode": {"rollingUpdate": {"maxUnavailable": "99%"}}},
            "decode.rollingUpdate.maxUnavailable 100% lets an update end all 2 decode workers before a new one",
        ),
        (
            {"prefill": {"rollingUpdate": {"maxUnavailable": 1}}},
            {"prefill": {"rollingUpdate": {"maxSurge": 0}}},
            "prefill.rollingUpdate.maxUnavailable 1 lets an update end the only prefill worker",
        ),
        (
            {"decode": {**LWS, "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}},
            {"decode": {"rollingUpdate": {"maxUnavailable": 0}}},
            "before a new one is ready, which is an outage. Set 0 (LeaderWorkerSet 0.9 or newer).",
        ),
        (
            {"frontend": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}},
            {"frontend": {"replicas": 2}},
            "lets an update end the only frontend before a new one is ready, which is an outage. Set maxSurge=1 and",
        ),
        (
            {"prefill": {"probes": {"startup": {"budgetSeconds": 7200}}}},
            {"frontend": {"probes": {"startup": {"budgetSeconds": 7200}}}},
            "Set frontend.probes.startup.budgetSeconds=7200",
        ),
        (
            {"decode": LWS | {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}},
            {"decode": {"rollingUpdate": {"maxSurge": "", "maxUnavailable": ""}}},
            "decode.rollingUpdate.maxUnavailable is 0",
        ),
        (
            {"prefill": {"engineArgs": {"max-model-len": 200000}}},
            {"frontend": {"streamTimeoutSeconds": 100}},
            "a prompt of 200000 tokens (prefill.engineArgs.max-model-len) takes 100 s",
        ),
        (
            {"prefill": {"engineArgs": {"max-model-len": "200K"}}},
            {"frontend": {"streamTimeoutSeconds": 102}},
            "a prompt of 204800 tokens (prefill.engineArgs.max-model-len) takes 102 s",
        ),
        (
            {"frontend": {"streamTimeoutSeconds": 10}},
            {"frontend": {"streamTimeoutSeconds": 11}},
            "frontend.streamTimeoutSeconds is 10: an answer that has stood still for twice as long is given up",
        ),
    ],
    ids=[
        "one etcd",
        "no migration",
        "none of several prefill workers",
        "none of scaled workers",
        "all workers away",
        "the only worker away",
        "the only worker of several nodes away",
        "the only frontend away",
        "a long start",
        "LeaderWorkerSet",
        "a long context",
        "a long context with a suffix",
        "a short patience",
    ],
)
def test_what_makes_a_fault_an_outage_is_warned_of(values: dict[str, Any], calm: dict[str, Any], says: str) -> None:
    assert says in chart.notes(values)
    assert says not in chart.notes(merged(values, calm))


def test_one_etcd_is_enough_for_a_simulation() -> None:
    values = {"etcd": {"enabled": True}, "global": {"discovery": {"backend": "etcd"}}}
    assert "etcd.replicas" not in chart.notes(values, ["values/overlays/simulate.yaml"])


ETCD = {"backend": "etcd", "etcdEndpoints": ["http://etcd.infra:2379"]}
NATS = {"eventPlane": "nats", "natsUrl": "nats://nats.infra:4222"}
TLS = {"tls": {"secretName": "demo-tls"}}


@pytest.mark.parametrize(
    ("values", "calm", "says"),
    [
        (
            {"networkPolicy": {"clients": [{"podSelector": {}}]}},
            {"networkPolicy": {"enabled": True}},
            "networkPolicy.clients: every pod is open",
        ),
        (
            {"networkPolicy": {"etcd": {"to": [{"podSelector": {}}]}, "monitoring": [{"podSelector": {}}]}},
            {"networkPolicy": {"etcd": {"to": []}, "monitoring": []}},
            "networkPolicy.etcd.to, networkPolicy.monitoring: every pod is open",
        ),
        (
            {"global": {"serviceAccount": {"create": False}}},
            {"global": {"serviceAccount": {"name": "llm"}}},
            'global.serviceAccount: the rights of Kubernetes discovery go to the account "default"',
        ),
        (
            {"global": {"serviceAccount": {"create": False, "name": "default"}}},
            {"global": {"discovery": {"backend": "etcd"}}, "etcd": {"enabled": True}},
            'global.serviceAccount: the rights of Kubernetes discovery go to the account "default"',
        ),
        (
            {"global": {**TLS, "discovery": ETCD}},
            {"global": {"discovery": {"etcdEndpoints": ["https://etcd.infra:2379"]}}},
            "global.discovery.etcdEndpoints: http://etcd.infra:2379 is asked without TLS",
        ),
        (
            {"global": {**TLS, **NATS}},
            {"global": {"natsUrl": "tls://nats.infra:4222"}},
            "global.natsUrl: nats:// leaves TLS to what the server asks for",
        ),
        ({"global": {"discovery": ETCD, **TLS}}, {"global": {"tls": {"secretName": ""}}}, "is asked without TLS"),
        (
            {"global": {"discovery": {**ETCD, "etcdEndpoints": ["http://etcd.infra"]}}},
            {"global": {"discovery": {"etcdEndpoints": ["https://etcd.infra"]}}},
            "global.discovery.etcdEndpoints: Dynamo asks http://etcd.infra at port 80: write http://etcd.infra:2379",
        ),
        (
            {"global": TLS, "frontend": {"podSecurityContext": {"fsGroup": None}}},
            {"global": {"podSecurityContext": {"runAsUser": None}}},
            "frontend.podSecurityContext: only root and the pod's fsGroup read the files of global.tls.secretName",
        ),
        (
            {"global": {**TLS, "hardware": "gke-a3ultra", "podSecurityContext": {"fsGroup": None}}},
            {"global": {"podSecurityContext": {"fsGroup": 2000}}},
            "frontend.podSecurityContext: only root and the pod's fsGroup read",
        ),
        (
            {"global": {"telemetry": {"otlpEndpoint": "http://[fd00::1]/"}}},
            {"global": {"telemetry": {"otlpEndpoint": "http://[fd00::1]:4317/"}}},
            "global.telemetry.otlpEndpoint: Dynamo asks http://[fd00::1]/ at port 80: write http://[fd00::1]:4317",
        ),
        (
            {"global": NATS, "decode": {"env": {"NATS_TLS_INSECURE": "true"}}},
            {"decode": {"env": {"NATS_TLS_INSECURE": None}}},
            "decode.env.NATS_TLS_INSECURE: any certificate is taken",
        ),
        (
            {"networkPolicy": {"enabled": True, "clients": [{"ipBlock": {"cidr": "10.0.0.5/8"}}]}},
            {"networkPolicy": {"clients": [{"ipBlock": {"cidr": "10.0.0.5/32"}}]}},
            "networkPolicy.clients[0].ipBlock: 10.0.0.5/8 is the whole block that 10.0.0.5 is in: write 10.0.0.5/32",
        ),
        (
            {"networkPolicy": {"enabled": True, "clients": [{"ipBlock": {"cidr": "::/0", "except": ["fd00::1/8"]}}]}},
            {"networkPolicy": {"clients": [{"ipBlock": {"cidr": "::/0", "except": ["fd00::/8"]}}]}},
            "networkPolicy.clients[0].ipBlock: fd00::1/8 is the whole block that fd00::1 is in: write fd00::1/128",
        ),
        (
            {
                "global": {"hardware": "gke-a3ultra", "rdma": {"enabled": False}},
                "decode": {"rdma": {"env": {"A": "b"}}},
            },
            {"global": {"rdma": {"enabled": True}}},
            "decode.rdma: ignored, as global.rdma.enabled is false",
        ),
        (
            {"global": {"hardwareSpec": {"rdma": {"extendedResources": {"a.b/nic": 1}}}, "rdma": {"enabled": False}}},
            {"global": {"simulation": {"enabled": True}}},
            "global.hardwareSpec.rdma: ignored, as global.rdma.enabled is false",
        ),
        (
            {"global": {"router": {"mode": "direct"}}},
            {"global": {"router": {"mode": "kv"}}},
            "global.router.mode is direct: a request must name its worker, and those of `helm test` name none",
        ),
        (
            {"global": {"env": {"MC_FORCE_MNNVL": "1"}}},
            {"global": {"hardware": "gke-a4x"}},
            "global.env.MC_FORCE_MNNVL: Mooncake's wheels for x86_64 (0.3.13, 0.3.14) have no code for it, and take",
        ),
        (
            {"global": {"hardware": "gke-a4x"}, "decode": {"env": {"MC_INTRANODE_NVLINK": "1"}}},
            {"global": {"hardware": "gke-a4"}},
            "decode.env.MC_INTRANODE_NVLINK: Mooncake's wheels for aarch64 (0.3.13, 0.3.14) have no code for it,",
        ),
    ],
)
def test_what_would_have_no_effect_or_another_is_warned_of(
    render_fast: Renderer, values: dict[str, Any], calm: dict[str, Any], says: str
) -> None:
    assert says in render_fast(values).notes
    calmed = render_fast(merged(values, calm))
    assert calmed.manifests
    assert says not in calmed.notes


def test_an_upgrade_that_is_an_outage_says_how_long_it_is() -> None:
    text = " ".join(chart.notes(files=["values/a3u-multi.yaml"]).split())
    assert (
        "An upgrade that changes the workers is an outage here, because the only worker of prefill and of decode"
        in text
    )
    hook = chart.render(None, ["values/a3u-multi.yaml"]).pod("decode").container().spec["lifecycle"]["preStop"]
    assert f"as long as the answers in flight ({hook['exec']['command'][-1]} s at most), 5 s more," in text
    assert "outage here" not in chart.notes()
    ranks = {"global": {"multiNode": {"controller": "statefulset"}}, "decode": {"parallelism": {"tensor": 16}}}
    text = " ".join(chart.notes(ranks).split())
    assert "the only worker of decode ends" in text
    assert "maxSurge 1 (which StatefulSets have not: global.multiNode.controller=lws), there is none" in text
    assert "outage here" not in chart.notes(
        {role: {"replicas": 2} for role in ("prefill", "decode")}, ["values/a3u-multi.yaml"]
    )


AWAY: dict[str, Any] = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


@pytest.mark.parametrize(
    ("prefill", "decode", "waits"),
    [
        ({"replicas": 3}, {"replicas": 2}, (2, 3)),
        ({"replicas": 2}, {"replicas": 2, **AWAY}, (1, 2)),
        ({"replicas": 8, "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}, {}, (1, 4)),
        ({"replicas": 4}, {"replicas": 4, "rollingUpdate": {"maxSurge": "100%"}}, (1, 4)),
        # A LeaderWorkerSet's first one goes at once.
        ({"replicas": 2}, {"replicas": 2, "parallelism": {"tensor": 16}}, (1, 2)),
        ({"replicas": 9, **AWAY}, {"replicas": 8}, None),
        ({"replicas": 3, "rollingUpdate": {"maxSurge": "50%"}}, {"replicas": 2}, None),
        ({"replicas": 2}, {"replicas": 3}, None),
    ],
)
def test_they_say_when_the_old_decode_workers_go_first(
    prefill: dict[str, Any], decode: dict[str, Any], waits: tuple[int, int] | None
) -> None:
    said = (
        "the last old decode worker goes before the last old prefill worker: after {} waits for a new one, and not {}."
    )
    shown = chart.notes({"prefill": prefill, "decode": decode})
    assert (said.format(*waits) in shown) if waits else ("goes before" not in shown)


def test_they_say_that_a_disaggregatedset_ends_both_roles_at_once() -> None:
    said = "a DisaggregatedSet ends the last old workers of all roles at once"
    by_set: dict[str, Any] = {"global": {"multiNode": {"controller": "disaggregatedset"}}}
    assert said in chart.notes(by_set)
    assert said not in chart.notes()
    by_set["global"]["serving"] = "aggregated"
    assert said not in chart.notes(by_set)


WIDE_EP = {"hardwareSpec": {"gpusPerNode": 8}}
EXPERTS = {role: {"parallelism": {"tensor": 1, "data": 16, "expert": 16}} for role in ("prefill", "decode")}
BY_ETCD = {"global": {"discovery": {"backend": "etcd"}}, "etcd": {"enabled": True}}
ENCODER = {
    "global": {"model": {"name": "Qwen/Qwen3-VL-4B-Instruct", "sizeGiB": 9}},
    "encode": {"replicas": 1, "rollingUpdate": {"maxSurge": 0}},
}
SIMULATED = {"global": {"simulation": {"enabled": True}}}
GRACE = "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS"


@pytest.mark.parametrize(
    ("values", "files"),
    [
        (BY_ETCD, ["values/a3u-multi.yaml"]),
        (BY_ETCD, ["values/a4x-1p1d.yaml"]),
        ({"global": WIDE_EP, **EXPERTS}, []),
        (merged({"global": WIDE_EP, **EXPERTS}, BY_ETCD), []),
        (ENCODER, []),
    ],
    ids=["etcd", "etcd, nodes", "wide EP", "wide EP, etcd", "encoders"],
)
def test_a_worker_that_sleeps_makes_the_outage_longer(values: dict[str, Any], files: list[str]) -> None:
    """Its engine sleeps too when it is told to stop, by a variable of Dynamo."""
    gone = []
    for pod in chart.render(values, files).pods():
        hook = pod.container().spec.get("lifecycle", {}).get("preStop", {})
        if "sleep" in hook:
            gone.append(hook["sleep"]["seconds"] + int(pod.container().env()[GRACE]))
    assert f"It lasts {max(gone)} s, idle or not, and the start" in " ".join(chart.notes(values, files).split())


@pytest.mark.parametrize(
    ("values", "said"),
    [({}, True), ({"prefill": LWS}, False), ({"prefill": {"rollingUpdate": {"maxSurge": 0}}}, False)],
)
def test_what_a_new_generation_costs_is_said(values: dict[str, Any], *, said: bool) -> None:
    """A worker of several nodes holds the old ones back; an outage is more."""
    by_set = {"global": {"multiNode": {"controller": "disaggregatedset"}}}
    text = chart.notes(merged(by_set, values))
    assert ("may be answered with 503 for some seconds: a DisaggregatedSet ends" in text) is said
    assert "answered with 503" not in chart.notes(values)


def test_an_idle_mocker_is_gone_at_once() -> None:
    values = merged(BY_ETCD, SIMULATED)
    assert "It lasts as long as the answers in flight" in chart.notes(values, ["values/a3u-multi.yaml"])


@pytest.mark.parametrize(("prefill", "said"), [(5, True), (1, False)])
def test_who_has_the_load_after_an_outage_is_said(prefill: int, *, said: bool) -> None:
    text = chart.notes({"prefill": {"replicas": prefill}}, ["values/a4x-10p8d.yaml"])
    assert ("After it the first new one of 5 prefill workers may have all the load" in text) is said


@pytest.mark.parametrize(
    ("frontend", "door"),
    [
        ({"service": {"type": "LoadBalancer"}}, "frontend.service.type=LoadBalancer"),
        ({"service": {"type": "NodePort"}}, "frontend.service.type=NodePort"),
        ({"ingress": {"enabled": True, "hosts": ["a.example.com"]}}, "frontend.ingress"),
        ({"httpRoute": {"enabled": True, "parentRefs": [{"name": "a"}]}}, "frontend.httpRoute"),
    ],
)
@pytest.mark.parametrize("simulated", [True, False])
def test_an_open_door_is_said_to_be_open(
    render_fast: Renderer, frontend: dict[str, Any], door: str, simulated: bool
) -> None:
    text = render_fast({"frontend": frontend, "global": {"simulation": {"enabled": simulated}}}).notes
    assert f"WARNING: {door} opens the API, and Dynamo asks for no key or token" in text
    assert "asks for no key" not in render_fast({}).notes


@pytest.mark.parametrize("plane", ["zmq", "nats"])
def test_what_tls_leaves_out_is_said(render_fast: Renderer, plane: str) -> None:
    values = {
        "global": {"tls": {"secretName": "demo-tls"}, "eventPlane": plane},
        "nats": {"enabled": plane == "nats"},
    }
    assert ("does not cover KV events over zmq" in render_fast(values).notes) == (plane == "zmq")
