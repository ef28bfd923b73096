"""Workers of several nodes: LeaderWorkerSets, also in a DisaggregatedSet, and StatefulSets, each with every engine."""

import hashlib
from typing import Any

import pytest

from hack.chart.helm import HelmError
from hack.chart.manifests import COMPONENT, RANK, Manifests, PodTemplate, merged, nested, object_id
from hack.chart.render import Render

NODES = 3
REPLICAS = 2
SIMULATED = nested("global.simulation.enabled", True)
KINDS = {"lws": "LeaderWorkerSet", "statefulset": "StatefulSet", "disaggregatedset": "DisaggregatedSet"}


def fixed(controller: str, engine: str, **roles: Any) -> dict[str, Any]:
    """Workers of three nodes of four GPUs in both pools."""
    shape = {"replicas": REPLICAS, "parallelism": {"tensor": 4, "pipeline": NODES}}
    # vLLM's NIXL connector does not transfer between pipeline stages.
    connector = "mooncake" if engine == "vllm" else "nixl"
    base = {
        "global": {
            "engine": {"name": engine},
            "kvTransfer": {"connector": connector},
            "hardware": "nvidia",
            "hardwareSpec": {"gpusPerNode": 4},
            "multiNode": {"controller": controller, **({"sshSecret": "mpi-ssh"} if engine == "trtllm" else {})},
        },
        "prefill": shape,
        "decode": shape,
    }
    return merged(base, roles)


@pytest.fixture(params=["lws", "statefulset", "disaggregatedset"])
def controller(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["vllm", "sglang", "trtllm"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def values(controller: str, engine: str) -> dict[str, Any]:
    return fixed(controller, engine)


def both(pool: dict[str, Any]) -> dict[str, Any]:
    """The same values for both roles: which shapes may differ is the engine's rule, not this module's."""
    return {"prefill": pool, "decode": pool}


def pod_count(pods: list[PodTemplate]) -> int:
    return sum(pod.count for pod in pods)


@pytest.mark.parametrize(
    ("parallelism", "nodes"),
    [
        ({"tensor": 4}, 1),
        ({"tensor": 8}, 2),
        ({"tensor": 4, "pipeline": 3}, 3),
        ({"tensor": 2, "pipeline": 2}, 1),
        ({"tensor": 32}, 8),
    ],
    ids=str,
)
def test_nodes_follow_from_parallelism(
    render: Render, controller: str, engine: str, role: str, parallelism: dict[str, int], nodes: int
) -> None:
    manifests = render(fixed(controller, engine) | both({"parallelism": parallelism}))
    pods = manifests.pods(role)
    assert pod_count(pods) == nodes
    for pod in pods:
        assert pod.container("engine").spec["resources"]["limits"]["nvidia.com/gpu"] == 4, pod.id
    kinds = {pod.owner["kind"] for pod in pods}
    one = {"disaggregatedset": "DisaggregatedSet"}.get(controller, "Deployment")
    assert kinds == {one if nodes == 1 else KINDS[controller]}


@pytest.mark.parametrize("engine", ["sglang", "trtllm"])
def test_gpus_are_divided_among_data_and_experts(render: Render, controller: str, engine: str, role: str) -> None:
    """They are shares of the tensor-parallel GPUs; of vLLM data parallelism multiplies them."""
    shared = {"sglang": {"enable-dp-attention": True}, "trtllm": {}}[engine]
    values = fixed(controller, engine) | both(
        {"parallelism": {"tensor": 8, "data": 8, "expert": 8}, "engineArgs": shared}
    )
    assert pod_count(render(values).pods(role)) == 2
    inside = fixed(controller, "vllm") | {role: {"parallelism": {"tensor": 2, "data": 2, "expert": 4}}}
    pod = render(inside).pod(role).container("engine")
    assert pod.spec["resources"]["limits"]["nvidia.com/gpu"] == 4
    assert pod.flag("enable-expert-parallel") == ""


def test_replicas_are_workers(render: Render, values: dict[str, Any], role: str) -> None:
    manifests = render(values)
    assert pod_count(manifests.leaders(role)) == REPLICAS
    assert pod_count(manifests.ranks(role)) == REPLICAS * (NODES - 1)


def label_of(name: str) -> dict[str, Any]:
    """A variable that has the value of a label of its pod."""
    return {"fieldRef": {"fieldPath": f"metadata.labels['{name}']"}}


def test_every_pod_knows_its_rank_its_leader_and_the_group(render: Render, values: dict[str, Any], role: str) -> None:
    manifests = render(values)
    for pod in manifests.pods(role):
        rank: Any
        variables = pod.container("engine").env()
        assert variables["DYNAMO_GROUP_SIZE"] == str(NODES), pod.id
        if pod.owner["kind"] != "StatefulSet":
            address, rank = "$(LWS_LEADER_ADDRESS)", label_of("leaderworkerset.sigs.k8s.io/worker-index")
        else:
            # The number of the worker is the pod's index in the StatefulSet of its rank.
            address, rank = (
                f"demo-{role}-rank-0-$(DYNAMO_GROUP).demo-{role}-ranks",
                pod.labels["dynamo-disagg/rank-number"],
            )
            assert variables["DYNAMO_GROUP"] == label_of("apps.kubernetes.io/pod-index")
            # Kubernetes resolves $(...) only from what stands before it.
            names = [entry["name"] for entry in pod.container("engine").spec["env"]]
            assert names.index("DYNAMO_GROUP") < names.index("DYNAMO_LEADER_ADDRESS")
        assert variables["DYNAMO_LEADER_ADDRESS"] == address, pod.id
        assert variables["DYNAMO_RANK"] == ("0" if pod.leads else rank), pod.id


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_the_engine_gets_them(render: Render, values: dict[str, Any], engine: str, role: str) -> None:
    """TensorRT-LLM's ranks have no flags of their own: test_trtllm.py."""
    for pod in render(values).pods(role):
        container = pod.container("engine")
        assert container.flag("nnodes") == str(NODES)
        assert container.flag("node-rank") == "$(DYNAMO_RANK)"
        if engine == "vllm":
            assert container.flag("master-addr") == "$(DYNAMO_LEADER_ADDRESS)"
            assert container.flag("master-port") == "29500"
            assert container.flag("distributed-executor-backend") == "mp"
            # Only the first rank has an API; the others would wait for requests that never come.
            assert (container.flag("headless") is None) == pod.leads, pod.id
        else:
            assert container.flag("dist-init-addr") == "$(DYNAMO_LEADER_ADDRESS):29500"
            assert container.flag("headless") is None


def test_a_worker_of_one_node_has_none_of_it(render: Render, engine: str, role: str) -> None:
    container = render({"global": {"engine": {"name": engine}}}).pod(role).container()
    assert [name for name in container.env() if name.startswith("DYNAMO_")] == []
    for flag in ("nnodes", "node-rank", "master-addr", "dist-init-addr", "headless", "distributed-executor-backend"):
        assert container.flag(flag) is None, flag


@pytest.mark.parametrize("simulated", [False, True], ids=["real", "simulated"])
def test_only_leaders_are_probed_and_have_ports(
    render: Render, values: dict[str, Any], role: str, simulated: bool
) -> None:
    """Ranks >= 1 answer no HTTP: a probe would restart them for ever."""
    manifests = render(merged(values, SIMULATED) if simulated else values)
    for pod in manifests.leaders(role):
        container = pod.container("engine")
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.spec.keys(), pod.id
        assert {p["name"] for p in container.spec["ports"]} == {"system"}, pod.id
    for pod in manifests.ranks(role):
        (container,) = pod.containers()
        probes = [key for key in container.spec if key.endswith("Probe")]
        assert "ports" not in container.spec, pod.id
        # Of itself it asks nothing; an update goes on to the next worker when this one is ready as a whole.
        assert probes == ["readinessProbe"], pod.id
        assert "$DYNAMO_LEADER_ADDRESS:9090" in container.spec["readinessProbe"]["exec"]["command"]


@pytest.mark.parametrize(("period", "passes"), [(5, (4, 7)), (7, (4, 7)), (30, (4, 5))])
def test_a_group_is_ready_when_both_roles_are_known(
    render: Render, values: dict[str, Any], role: str, period: int, passes: tuple[int, int]
) -> None:
    """
    LeaderWorkerSets have no minReadySeconds: a later rank keeps the old worker, of decode a prompt longer, and the
    leader is found at once.
    """
    probes = both({"probes": {"readiness": {"periodSeconds": period}, "startup": {"periodSeconds": period}}})
    manifests = render(merged(values, probes))
    (leader,) = {
        str(pod.container("engine").spec["readinessProbe"].get("successThreshold")) for pod in manifests.leaders(role)
    }
    assert leader == "None"
    for pod in manifests.ranks(role):
        probe = pod.container("engine").spec["readinessProbe"]
        assert probe.get("successThreshold") == (
            None if pod.owner["kind"] == "StatefulSet" else passes[role == "decode"]
        ), pod.id


@pytest.mark.parametrize("engine", ["sglang"])
def test_a_rank_that_has_waited_for_its_leader_ends_in_time(render: Render, values: dict[str, Any], role: str) -> None:
    """SGLang's other ranks run Dynamo's process too, and with etcd its grace period is long."""
    by_etcd = {"etcd": {"enabled": True}, "global": {"discovery": {"backend": "etcd"}}}
    for pod in render(merged(values, by_etcd)).ranks(role):
        engine = pod.container("engine")
        slept = engine.spec["lifecycle"]["preStop"]["sleep"]["seconds"]
        slept += int(engine.env()["DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS"])
        assert slept + 30 < pod.spec["terminationGracePeriodSeconds"], pod.id


def selected(manifests: Manifests, service: dict[str, Any]) -> list[PodTemplate]:
    selector = service["spec"]["selector"]
    return [p for p in manifests.pods() if selector.items() <= p.labels.items()]


def test_the_router_finds_only_leaders(render: Render, values: dict[str, Any], role: str) -> None:
    manifests = render(values)
    service = manifests.one("Service", name=f"demo-{role}")
    assert service["metadata"]["labels"]["nvidia.com/dynamo-discovery-enabled"] == "true"
    assert not service["spec"].get("publishNotReadyAddresses", False)
    assert {p.id for p in selected(manifests, service)} == {p.id for p in manifests.leaders(role)}


WIDE = {"replicas": REPLICAS, "parallelism": {"tensor": 2, "data": 4, "expert": 8}}


def test_data_parallel_ranks_of_vllm_serve_on_every_node(render: Render, controller: str, role: str) -> None:
    """Each pod has the schedulers of its own ranks: one without an endpoint would never get a request."""
    values = fixed(controller, "vllm") | both(WIDE)
    manifests = render(merged(values, nested("global.kvTransfer.connector", "nixl")))
    pods = manifests.pods(role)
    assert pod_count(pods) == pod_count(manifests.leaders(role)) == REPLICAS * 2
    service = manifests.one("Service", name=f"demo-{role}")
    assert {p.id for p in selected(manifests, service)} == {p.id for p in pods}
    for pod in pods:
        container = pod.container("engine")
        assert container.flag("data-parallel-hybrid-lb") == "", pod.id
        assert container.flag("headless") is None, pod.id
        assert (container.flag("nnodes"), container.flag("node-rank")) == ("2", "$(DYNAMO_RANK)")
        assert (container.flag("data-parallel-size"), container.flag("enable-expert-parallel")) == ("4", "")
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.spec.keys(), pod.id
        assert container.spec["resources"]["limits"]["nvidia.com/gpu"] == 4
        passes = {"prefill": 4, "decode": 7}[role]
        late = container.env()["DYNAMO_RANK"] != "0" and controller != "statefulset"
        assert container.spec["readinessProbe"].get("successThreshold") == (passes if late else None), pod.id
        # An idle rank that ended would stop the others' collectives, and with them the answers in flight.
        assert container.spec["lifecycle"]["preStop"] == {"sleep": {"seconds": 135}}, pod.id


def test_data_parallel_ranks_of_one_node_are_one_server(render: Render, role: str) -> None:
    container = render({role: {"parallelism": {"data": 8, "expert": 8}}}).pod(role).container()
    assert container.flag("data-parallel-hybrid-lb") is None


def test_a_rank_of_vllm_that_spans_nodes_is_led(render: Render, controller: str, role: str) -> None:
    shape = {"parallelism": {"tensor": 8, "data": 2, "expert": 16}}
    values = merged(fixed(controller, "vllm") | both(shape), nested("global.kvTransfer.connector", "nixl"))
    for pod in render(values).pods(role):
        assert (pod.container("engine").flag("headless") is None) == pod.leads, pod.id
        assert pod.container("engine").flag("data-parallel-hybrid-lb") is None


def test_the_ranks_find_each_other_before_they_are_ready(render: Render, engine: str, role: str) -> None:
    """The leader is ready only when all have met. Of a LeaderWorkerSet its controller makes this Service."""
    manifests = render(fixed("statefulset", engine))
    service = manifests.one("Service", name=f"demo-{role}-ranks")
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["clusterIP"] == "None"
    assert [label for label in service["metadata"]["labels"] if label.startswith("nvidia.com/")] == []
    assert {p.id for p in selected(manifests, service)} == {p.id for p in manifests.pods(role)}
    for item in manifests.all("StatefulSet", component=role):
        assert item["spec"]["serviceName"] == "demo-" + role + "-ranks"
        assert item["spec"]["podManagementPolicy"] == "Parallel"


def test_each_rank_is_a_stateful_set_with_a_pod_for_each_worker(render: Render, engine: str, role: str) -> None:
    manifests = render(fixed("statefulset", engine))
    items = {item["metadata"]["name"]: item for item in manifests.all("StatefulSet", component=role)}
    assert list(items) == [f"demo-{role}-rank-{number}" for number in range(NODES)]
    for number, (name, item) in enumerate(items.items()):
        (pod,) = (p for p in manifests.pods(role) if p.owner is item)
        selector = item["spec"]["selector"]["matchLabels"]
        assert [p.id for p in manifests.pods() if selector.items() <= p.labels.items()] == [object_id(item)]
        assert pod.leads == (number == 0), name
        assert pod.container("engine").env()["DYNAMO_RANK"] == str(number)
        assert item["spec"]["replicas"] == REPLICAS
        probe = pod.container("engine").spec["readinessProbe"]
        assert item["spec"]["minReadySeconds"] == 3 * probe["periodSeconds"] + (15 if role == "decode" else 0)


def test_more_workers_change_nothing_but_the_replicas(render: Render, engine: str, role: str) -> None:
    def ranks(replicas: int) -> list[Any]:
        pool = {"replicas": replicas, "parallelism": {"tensor": 8}}
        return render(fixed("statefulset", engine) | both(pool)).all("StatefulSet", component=role)

    few, many = ranks(2), ranks(250)
    assert [merged(item, nested("spec.replicas", 250)) for item in few] == many


def test_more_groups_replace_none(render: Render, engine: str, role: str) -> None:
    """What is in a pod's template would."""

    def template(replicas: int) -> Any:
        pool = {"replicas": replicas, "parallelism": {"tensor": 8}}
        return render(fixed("lws", engine) | both(pool)).one("LeaderWorkerSet", component=role)["spec"][
            "leaderWorkerTemplate"
        ]

    assert template(1) == template(2)


def test_a_leader_worker_set_restarts_as_a_whole(render: Render, engine: str, role: str) -> None:
    surge = {"maxSurge": 1, "maxUnavailable": 0}
    manifests = render(fixed("lws", engine, **{role: {"rollingUpdate": surge}}))
    item = manifests.one("LeaderWorkerSet", component=role)
    assert item["spec"]["replicas"] == REPLICAS
    assert item["spec"]["leaderWorkerTemplate"]["size"] == NODES
    assert item["spec"]["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"
    assert item["spec"]["startupPolicy"] == "LeaderCreated"
    assert item["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"] == surge
    # Its controller makes a headless Service of its name, which must not be the one for discovery.
    assert item["metadata"]["name"] not in {s["metadata"]["name"] for s in manifests.all("Service")}


@pytest.mark.parametrize("engine", ["vllm"])
def test_a_domain_for_each_worker(render: Render, engine: str, role: str) -> None:
    key = "leaderworkerset.sigs.k8s.io/exclusive-topology"
    with_key = render(fixed("lws", engine, **{role: {"exclusiveTopologyKey": "rack"}}))
    assert with_key.one("LeaderWorkerSet", component=role)["metadata"]["annotations"] == {key: "rack"}
    assert "annotations" not in render(fixed("lws", engine)).one("LeaderWorkerSet", component=role)["metadata"]


@pytest.mark.parametrize(("controller", "room"), [("lws", 34), ("statefulset", 34), ("disaggregatedset", 30)])
@pytest.mark.parametrize("engine", ["sglang"])
def test_names_fit_at_their_longest(render: Render, controller: str, room: int, engine: str) -> None:
    """A Service and a pod have 63 characters; a StatefulSet's name ends up in a label with a hash of 11."""
    values = fixed(controller, engine) | both({"replicas": 99, "parallelism": {"tensor": 8}})
    manifests = render(values, release="r" * room)
    for item in manifests:
        name = item["metadata"]["name"]
        if item["kind"] == "StatefulSet":
            assert len(name) <= 52, name
        elif item["kind"] in ("LeaderWorkerSet", "DisaggregatedSet"):
            # The controller names the ranks' StatefulSet <name>-<worker>, and their pods <name>-<worker>-<rank>.
            group = name if item["kind"] == "LeaderWorkerSet" else f"{name}-0-12345678-prefill"
            assert len(f"{group}-98") <= 52, name
        else:
            assert len(name) <= 63, name
    with pytest.raises(HelmError, match=rf"has {room + 1} characters, .* leave room for {room}"):
        render(values, release="r" * (room + 1))


def test_pools_of_different_shape(render: Render, controller: str, engine: str) -> None:
    values = fixed(controller, engine)
    values["prefill"] = {"replicas": 3, "parallelism": {"tensor": 8}, "env": {"A": "prefill"}}
    values["decode"] = {
        "replicas": 1,
        "parallelism": {"tensor": 16},
        "nodeSelector": {"p": "d"},
    }
    manifests = render(values)
    assert pod_count(manifests.pods("prefill")) == 6
    assert pod_count(manifests.pods("decode")) == 4
    for pod in manifests.pods("prefill"):
        assert pod.container("engine").env()["A"] == "prefill"
        assert pod.container("engine").env()["DYNAMO_GROUP_SIZE"] == "2"
        assert "p" not in pod.spec["nodeSelector"]
    for pod in manifests.pods("decode"):
        assert "A" not in pod.container("engine").env()
        assert pod.container("engine").env()["DYNAMO_GROUP_SIZE"] == "4"
        assert pod.spec["nodeSelector"]["p"] == "d"


def test_one_pool_of_several_nodes_beside_one_of_one(render: Render, controller: str, engine: str) -> None:
    shapes = {"prefill": {"parallelism": {"tensor": 4}}, "decode": {"replicas": 2, "parallelism": {"tensor": 12}}}
    manifests = render(fixed(controller, engine) | shapes)
    kind = {"disaggregatedset": "DisaggregatedSet"}.get(controller, "Deployment")
    assert manifests.pod("prefill").owner["kind"] == kind
    assert RANK not in manifests.pod("prefill").labels
    assert RANK not in manifests.one("Service", name="demo-prefill")["spec"]["selector"]
    assert pod_count(manifests.pods("decode")) == REPLICAS * NODES


@pytest.mark.parametrize("controller", ["lws", "statefulset"])
def test_aggregated_workers_of_several_nodes(render: Render, values: dict[str, Any]) -> None:
    manifests = render(merged(values, nested("global.serving", "aggregated")))
    assert manifests.all(component="prefill") == []
    assert pod_count(manifests.pods("decode")) == REPLICAS * NODES


def test_all_pods_of_a_pool_are_selected_by_its_budget(render: Render, values: dict[str, Any], role: str) -> None:
    manifests = render(values)
    (item,) = manifests.all("PodDisruptionBudget", component=role)
    labels = item["spec"]["selector"]["matchLabels"]
    assert all(labels.items() <= pod.labels.items() for pod in manifests.pods(role))


# Machines with NVLink across nodes


@pytest.mark.parametrize("name", ["a4x-1p1d", "a4x-10p8d", "a4xmax-1p1d", "a4xmax-10p8d"])
def test_a_compute_domain_is_of_all_workers(render: Render, controller: str, name: str) -> None:
    manifests = render(nested("global.multiNode.controller", controller), [f"values/{name}.yaml"])
    pods = [*manifests.pods("prefill"), *manifests.pods("decode")]
    domain = manifests.one("ComputeDomain")
    assert domain["spec"]["numNodes"] == 0, "its specification cannot change, the number of workers can"
    assert pod_count(pods) == (18 if name.endswith("10p8d") else 2)
    template = domain["spec"]["channel"]["resourceClaimTemplate"]["name"]
    assert template.startswith("demo-")
    for pod in pods:
        claims = {c["name"]: c["resourceClaimTemplateName"] for c in pod.spec["resourceClaims"]}
        assert claims["compute-domain"] == template, pod.id
        used = {c["name"] for c in pod.container("engine").spec["resources"]["claims"]}
        assert used == set(claims), pod.id
    for pod in manifests.pods("frontend"):
        assert "resourceClaims" not in pod.spec


def test_a_compute_domain_does_not_change_when_the_release_is_scaled(render: Render) -> None:
    """Its specification is immutable, so the API would refuse the upgrade."""
    one, two = (
        render(nested("decode.replicas", count), ["values/a4x-1p1d.yaml"]).one("ComputeDomain") for count in (1, 2)
    )
    assert one == two
    assert one["spec"]["numNodes"] == 0


def test_nics_are_claimed_where_the_machine_has_no_other_way(render: Render) -> None:
    manifests = render(None, ["values/a4xmax-10p8d.yaml"])
    (template,) = manifests.all("ResourceClaimTemplate")
    (request,) = template["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"] == {
        "deviceClassName": "mrdma.google.com",
        "allocationMode": "ExactCount",
        "count": 8,
    }
    for pod in [*manifests.pods("prefill"), *manifests.pods("decode")]:
        assert {c["name"] for c in pod.spec["resourceClaims"]} == {"compute-domain", "rdma"}, pod.id
    off = render(nested("global.rdma.enabled", False), ["values/a4xmax-10p8d.yaml"])
    assert off.all("ResourceClaimTemplate") == []
    for pod in off.pods("decode"):
        assert {c["name"] for c in pod.spec["resourceClaims"]} == {"compute-domain"}, pod.id


def test_claims_of_two_releases_never_collide(render: Render) -> None:
    names = [
        {
            object_id(o)
            for kind in ("ComputeDomain", "ResourceClaimTemplate")
            for o in render(None, files, release=r).all(kind)
        }
        for r in ("a", "b")
        for files in [["values/a4xmax-1p1d.yaml"]]
    ]
    assert len(names[0]) == 2
    assert not names[0] & names[1]


# The configuration file of TensorRT-LLM


def test_the_file_is_mounted_where_it_is_read(render: Render, controller: str, role: str) -> None:
    manifests = render(fixed(controller, "trtllm", **{role: {"engineArgs": {"trtllm.max_draft_len": 8}}}))
    # Only the leader reads it.
    for pod in manifests.leaders(role):
        container = pod.container("engine")
        mounts = {m["name"]: m for m in container.spec["volumeMounts"]}
        path = container.flag("extra-engine-args") or ""
        assert path.startswith(mounts["engine-config"]["mountPath"] + "/")
        assert mounts["engine-config"]["readOnly"] is True
        name = pod.volumes()["engine-config"]["configMap"]["name"]
        assert path.rpartition("/")[2] in manifests.one("ConfigMap", name=name)["data"]
        text = manifests.one("ConfigMap", name=name)["data"]["engine.yaml"]
        assert name.endswith(f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}")


def test_pods_are_replaced_when_their_file_changes(render: Render, controller: str, role: str) -> None:
    other = {"prefill": "decode", "decode": "prefill"}[role]

    def checksums(values: dict[str, Any], of: str) -> set[str]:
        return {p.volumes()["engine-config"]["configMap"]["name"] for p in render(values).pods(of)}

    before = fixed(controller, "trtllm")
    after = merged(before, {role: {"engineArgs": {"trtllm.max_draft_len": 8}}})
    assert len(checksums(before, role)) == 1
    assert checksums(after, role) != checksums(before, role)
    assert checksums(after, other) == checksums(before, other)
    # What is not in the file must not restart anything.
    assert checksums(merged(before, nested("frontend.replicas", 3)), role) == checksums(before, role)


# Simulation


def test_a_simulated_worker_proves_its_rendezvous(render: Render, values: dict[str, Any], role: str) -> None:
    manifests = render(merged(values, SIMULATED))
    for pod in manifests.leaders(role):
        assert pod.container("engine").args()[:3] == ["python3", "-m", "dynamo.mocker"], pod.id
        proof = pod.container("rendezvous")
        assert proof.args() == ["python3", "/opt/simulation/rendezvous.py", "lead"]
        ports = {p["name"]: p["containerPort"] for p in proof.spec["ports"]}
        assert ports["rendezvous"] == 29500
        # The router learns of a worker when its leader's pod is ready, so not before its ranks have joined.
        assert proof.spec["readinessProbe"]["httpGet"]["port"] == "joined"
        assert proof.env()["DYNAMO_RANK"] == "0"
        assert "nvidia.com/gpu" not in proof.spec["resources"].get("limits", {})
    for pod in manifests.ranks(role):
        assert pod.container().args() == ["python3", "/opt/simulation/rendezvous.py", "join"], pod.id
        assert pod.labels[COMPONENT] == role


def test_a_simulated_worker_of_one_node_has_nothing_to_prove(render: Render, role: str) -> None:
    assert [c.name for c in render(SIMULATED).pod(role).containers()] == ["engine"]
