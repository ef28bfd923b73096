"""The algorithm of files/preflight on clusters made by hand."""

import json
import time
from decimal import Decimal
from typing import Any

import pytest

from hack.cluster import kube
from hack.verbs import preflight as command
from preflight.checks import checks
from preflight.cluster import Cluster, NoAnswerError, read
from preflight.devices import selects
from preflight.matching import REQUIRED
from preflight.quantities import amount, requests
from preflight.report import passed, table

GPU = "nvidia.com/gpu"
LABELS = {"app.kubernetes.io/name": "dynamo-disagg", "app.kubernetes.io/instance": "demo"}
WORKER = {**LABELS, "app.kubernetes.io/component": "decode"}


def node(name: str, *, ready: bool = True, labels: Any = None, spec: Any = None, **allocatable: Any) -> dict[str, Any]:
    amounts = {"cpu": "32", "memory": "256Gi", "pods": "110", GPU: "8", **allocatable}
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec or {},
        "status": {
            "allocatable": {k.replace("_", "/"): v for k, v in amounts.items() if v is not None},
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }


def gpus(count: int) -> Any:
    return {GPU: count}


def nodes(count: int, **options: Any) -> list[dict[str, Any]]:
    return [node(f"n{number}", **options) for number in range(count)]


def container(**requests: Any) -> dict[str, Any]:
    return {"image": "none", "resources": {"requests": requests}}


def running(name: str, on: str, labels: Any = None, namespace: str = "llm", **requests: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"nodeName": on, "containers": [container(**requests)]},
    }


def pool(
    component: str = "decode", groups: int = 1, counts: tuple[int, ...] = (1,), exclusive: str = "", **spec: Any
) -> dict[str, Any]:
    requests = spec.pop("requests", {"cpu": "4", "memory": "16Gi", GPU: 8})
    labels = {**LABELS, "app.kubernetes.io/component": component}
    pods = [
        {"count": c, "metadata": {"labels": labels}, "spec": {"containers": [container(**requests)], **spec}}
        for c in counts
    ]
    surge = spec.pop("surge", 0)
    return {
        "component": component,
        "groups": groups,
        "maxSurge": surge,
        "exclusiveTopologyKey": exclusive,
        "pods": pods,
    }


def needs(*pools: dict[str, Any], **more: Any) -> dict[str, Any]:
    empty: Any = {"claimTemplates": {}, "apis": [], "brings": [], "objects": [], "storageClasses": []}
    names = {"release": "demo", "namespace": "llm", "instance": "demo", "hardware": "nvidia", "gpuResource": GPU}
    empty["clusterWide"] = True
    return {**names, **empty, "pools": list(pools), **more}


def result(document: dict[str, Any], **cluster: Any) -> dict[str, tuple[str, str]]:
    return {row.name: (row.status, row.detail) for row in checks(Cluster(**cluster), document)}


def detail(document: dict[str, Any], name: str = "decode", **cluster: Any) -> str:
    """What is said about a check that must have failed."""
    status, text = result(document, **cluster)[name]
    assert status == "FAIL", text
    return text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1), (8, 8), ("100m", "0.1"), ("1.5", "1.5"), ("2k", 2000), ("1Ki", 1024), ("16Gi", 16 * 2**30),
        ("3M", 3_000_000), ("500u", "0.0005"), ("1e3", 1000), ("1Ei", 2**60), ("128974848000m", 128974848),
    ],
)  # fmt: skip
def test_quantities(text: Any, number: Any) -> None:
    assert amount(text) == Decimal(number)


def test_requests_of_a_pod() -> None:
    spec = {
        "containers": [container(cpu="1", memory="1Gi"), {"resources": {"limits": {GPU: "4", "cpu": "500m"}}}],
        "initContainers": [
            {**container(cpu="200m"), "restartPolicy": "Always"},
            container(cpu="1", memory="3Gi"),
        ],
        "overhead": {"cpu": "50m"},
    }
    # Sidecar and containers: 0.2 + 1.5; the init container with the sidecar before it: 1.2, 3 GiB.
    assert requests(spec) == {
        "cpu": Decimal("1.75"), "memory": Decimal(3 * 2**30), GPU: Decimal(4), "pods": Decimal(1),
    }  # fmt: skip


def test_pod_level_requests_replace_those_of_containers() -> None:
    spec = {"containers": [container(cpu="1")], "resources": {"requests": {"cpu": "3"}}}
    assert requests(spec)["cpu"] == 3


def test_room_for_all() -> None:
    found = result(needs(pool(groups=2), pool("prefill", groups=2)), nodes=nodes(4))
    assert {name: status for name, (status, _) in found.items()} == {"decode": "ok", "prefill": "ok"}
    assert found["decode"][1] == "2 pods x 8 nvidia.com/gpu, nodes that match: 4 of 4, room for all"


def test_pools_do_not_get_the_same_node_twice() -> None:
    text = detail(needs(pool("prefill", groups=2), pool(groups=2)), nodes=nodes(3))
    assert "2 pods x 8 nvidia.com/gpu, nodes that match: 3 of 3, room for 1: 1 pod has no place" in text
    assert "2 have less than 8 nvidia.com/gpu free" in text or "3 have less" in text
    assert text.endswith("add nodes, or lower decode.replicas, or free what other pods hold")


def test_small_pods_fill_the_gaps_of_large_ones() -> None:
    small = pool("prefill", groups=4, requests={GPU: 2})
    large = pool(groups=1, requests={GPU: 8})
    assert all(status == "ok" for status, _ in result(needs(small, large), nodes=nodes(2)).values())


def test_each_node_is_counted_under_its_first_reason() -> None:
    wanted = {"team": "llm"}
    some = [
        *(node(f"fits{n}", labels=wanted) for n in range(8)),
        *(node(f"label{n}") for n in range(7)),
        *(node(f"taint{n}", labels=wanted, spec={"taints": [taint("x", "y")]}) for n in range(2)),
        node(
            "cordoned",
            labels=wanted,
            spec={"unschedulable": True, "taints": [taint("node.kubernetes.io/unschedulable")]},
        ),
        *(node(f"dead{n}", labels=wanted, ready=False, spec={"taints": [taint("x", "y")]}) for n in range(2)),
    ]
    text = detail(needs(pool(groups=10, nodeSelector=wanted)), nodes=some)
    assert "10 pods x 8 nvidia.com/gpu, nodes that match: 8 of 20 (7 lack label team=llm; " in text
    assert "2 have taint x=y:NoSchedule that is not tolerated" in text
    assert "1 is cordoned" in text
    assert "2 are NotReady" in text
    assert "room for 8: 2 pods have no place" in text


def taint(key: str, value: str = "", effect: str = "NoSchedule") -> dict[str, str]:
    return {"key": key, "effect": effect, **({"value": value} if value else {})}


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"key": "x", "operator": "Exists"}, True),
        ({"key": "x", "operator": "Equal", "value": "y"}, True),
        ({"key": "x", "value": "y", "effect": "NoSchedule"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "x", "value": "z"}, False),
        ({"key": "x", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "y", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration: dict[str, str], fits: bool) -> None:
    found = result(needs(pool(tolerations=[toleration])), nodes=nodes(1, spec={"taints": [taint("x", "y")]}))
    assert (found["decode"][0] == "ok") == fits


def test_a_soft_taint_is_no_reason() -> None:
    soft = {"taints": [taint("x", "y", "PreferNoSchedule")]}
    assert result(needs(pool()), nodes=nodes(1, spec=soft))["decode"][0] == "ok"


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "gpu", "operator": "In", "values": ["h200"]}, True),
        ({"key": "gpu", "operator": "NotIn", "values": ["h200"]}, False),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, True),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "zone", "operator": "DoesNotExist"}, True),
        ({"key": "count", "operator": "Gt", "values": ["7"]}, True),
        ({"key": "count", "operator": "Lt", "values": ["8"]}, False),
        ({"key": "gpu", "operator": "Gt", "values": ["7"]}, False),
    ],
)
def test_node_affinity(expression: dict[str, Any], fits: bool) -> None:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {REQUIRED: terms}}
    found = result(needs(pool(affinity=affinity)), nodes=nodes(1, labels={"gpu": "h200", "count": "8"}))
    assert (found["decode"][0] == "ok") == fits
    assert fits or "do not fit nodeAffinity" in found["decode"][1].replace("does", "do")


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a label nobody has": (
        {"nodeSelector": {"a": "b"}}, {}, "(2 lack label a=b), room for 0: 1 pod has no place: set global.hardware to "
        "the machine type of the nodes, or decode.nodeSelector (no node has the label)",
    ),
    "another value": ({"nodeSelector": {"a": "b"}}, {"labels": {"a": "c"}}, "(the label is c on 2)"),
    "architecture": (
        {"nodeSelector": {"kubernetes.io/arch": "arm64"}}, {"labels": {"kubernetes.io/arch": "amd64"}},
        "2 have another CPU architecture than arm64), room for 0: 1 pod has no place: set global.hardwareSpec.arch",
    ),
    "no device plugin": ({}, {GPU: None}, "2 have no nvidia.com/gpu: install the GPU device plugin"),
    "RDMA": (
        {"requests": {GPU: 8, "example.com/rdma": 1}}, {},
        "2 have no example.com/rdma: install the device plugin or driver of example.com/rdma, or set global.rdma",
    ),
    "local storage": (
        {"requests": {"ephemeral-storage": "1Ti"}}, {}, "2 have no ephemeral-storage: lower decode.resources, or use",
    ),
    "smaller machines": ({}, {GPU: "4"}, "2 have only 4 nvidia.com/gpu in all: lower decode.resources, or use larger"),
    "memory": ({"requests": {"memory": "1Ti"}}, {}, "2 have only 256Gi memory in all: lower decode.resources"),
    "pods": ({}, {"pods": "0"}, "2 have no pods"),
    "all dead": ({}, {"ready": False}, "(2 are NotReady), room for 0: 1 pod has no place: wait for the nodes"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_reasons(wrong: str) -> None:
    spec, options, words = WRONG[wrong]
    assert words in detail(needs(pool(**spec)), nodes=nodes(2, **options))


def test_the_advice_is_for_the_nodes_that_have_most_of_what_is_wanted() -> None:
    wanted = {"gpu": "h200", "team": "llm"}
    many = nodes(9)
    nearly = node("nearly", labels={"gpu": "h200"})
    tainted = node("tainted", labels=wanted, spec={"taints": [taint("x")]})
    assert "lack label gpu=h200" in detail(needs(pool(nodeSelector=wanted)), nodes=[*many, nearly])
    assert "decode.nodeSelector (no node has the label)" in detail(
        needs(pool(nodeSelector=wanted)), nodes=[*many, nearly]
    )
    assert detail(needs(pool(nodeSelector=wanted)), nodes=[*many, nearly, tainted]).endswith(
        "room for 0: 1 pod has no place: add the taint to decode.tolerations"
    )


def test_a_label_is_shown_as_the_nearest_nodes_have_it() -> None:
    others = [node(f"other-{number}", labels={"gpu": f"gpu-{number}"}) for number in range(8)]
    near = node("near", labels={"gpu": "h100", "team": "llm"})
    wanted = needs(pool(nodeSelector={"gpu": "h200", "team": "llm"}))
    assert detail(wanted, nodes=[*others, near]).endswith("decode.nodeSelector (the label is h100 on 1)")
    seen = detail(wanted, nodes=others)
    assert seen.endswith(
        "(the label is gpu-0 on 1, gpu-1 on 1, gpu-2 on 1, gpu-3 on 1, gpu-4 on 1, gpu-5 on 1, and 2 other values)"
    )


def test_no_nodes() -> None:
    assert "the cluster has no nodes, or they may not be read" in detail(needs(pool()))


def test_rdma_devices_are_folded() -> None:
    names = {f"example.com/rdma-{number}": 1 for number in range(8)}
    found = result(needs(pool(requests={GPU: 8, **names})), nodes=nodes(1, **{k.replace("/", "_"): "1" for k in names}))
    assert found["decode"][1].startswith("1 pod x 8 nvidia.com/gpu, 1 example.com/rdma-* (8), nodes")


# Running pods


def test_what_others_hold_is_not_free() -> None:
    held = [running("other", "n0", **gpus(1))]
    text = detail(needs(pool(groups=2)), nodes=nodes(2), pods=held)
    assert "room for 1: 1 pod has no place" in text


def test_what_the_release_holds_is_free() -> None:
    held = [running(f"own{n}", f"n{n}", WORKER, **gpus(8)) for n in range(2)]
    assert result(needs(pool(groups=2)), nodes=nodes(2), pods=held)["decode"][0] == "ok"
    # The same labels in another namespace are another release.
    others = [running(f"own{n}", f"n{n}", WORKER, "elsewhere", **gpus(8)) for n in range(2)]
    assert "room for 0" in detail(needs(pool(groups=2)), nodes=nodes(2), pods=others)
    another = [running(f"own{n}", f"n{n}", {**WORKER, "app.kubernetes.io/instance": "x"}, **gpus(8)) for n in range(2)]
    assert "room for 0" in detail(needs(pool(groups=2)), nodes=nodes(2), pods=another)


@pytest.mark.parametrize(("surge", "count", "warned"), [(1, 2, True), ("25%", 2, True), (0, 2, False), (1, 3, False)])
def test_a_rolling_update_needs_room_for_one_more(surge: Any, count: int, warned: bool) -> None:
    held = [running(f"own{n}", f"n{n}", WORKER, **gpus(8)) for n in range(2)]
    wanted = {**pool(groups=2), "maxSurge": surge}
    found = result(needs(wanted), nodes=nodes(count), pods=held)
    assert found["decode"][0] == "ok"
    assert ("decode, rolling update" in found) == warned
    if warned:
        assert found["decode, rolling update"][0] == "warn"
        assert "decode.rollingUpdate.maxSurge=0" in found["decode, rolling update"][1]
    # At the first installation nothing is replaced.
    assert "decode, rolling update" not in result(needs(wanted), nodes=nodes(count))


# Topology

TOGETHER = {
    "podAffinity": {
        REQUIRED: [
            {
                "topologyKey": "rack",
                "labelSelector": {
                    "matchLabels": LABELS,
                    "matchExpressions": [
                        {"key": "app.kubernetes.io/component", "operator": "In", "values": ["prefill", "decode"]}
                    ],
                },
            }
        ]
    }
}


def racks(*sizes: int) -> list[dict[str, Any]]:
    return [node(f"r{r}n{n}", labels={"rack": f"r{r}"}) for r, size in enumerate(sizes) for n in range(size)]


def test_workers_that_want_one_rack_get_the_one_with_room() -> None:
    document = needs(pool(groups=2, affinity=TOGETHER), pool("prefill", groups=2, affinity=TOGETHER))
    assert all(status == "ok" for status, _ in result(document, nodes=racks(2, 4, 3)).values())
    found = result(document, nodes=racks(2, 3, 2))
    (text,) = (text for status, text in found.values() if status == "FAIL")
    assert "room for 1: 1 pod has no place" in text
    assert "all workers must be in one rack" in text


def test_a_domain_for_each_worker() -> None:
    document = needs(pool(groups=2, counts=(1, 3), exclusive="rack"))
    assert result(document, nodes=racks(4, 4))["decode"][0] == "ok"
    text = detail(document, nodes=racks(4, 3, 3))
    assert "8 pods x 8 nvidia.com/gpu, nodes that match: 10 of 10, room for 4: 4 pods have no place" in text
    assert "the pods of a worker must be in one rack" in text
    # Without that wish ten nodes are plenty.
    assert result(needs(pool(groups=2, counts=(1, 3))), nodes=racks(4, 3, 3))["decode"][0] == "ok"


def test_half_a_worker_is_none() -> None:
    text = detail(needs(pool(groups=2, counts=(1, 3))), nodes=nodes(7))
    assert "room for 4: 4 pods have no place" in text


def test_anti_affinity_of_a_users_own() -> None:
    apart = {"podAntiAffinity": {REQUIRED: [{"topologyKey": "rack", "labelSelector": {"matchLabels": WORKER}}]}}
    document = needs(pool(groups=2, affinity=apart, requests={GPU: 1}))
    assert result(document, nodes=racks(1, 1))["decode"][0] == "ok"
    assert "room for 1" in detail(document, nodes=racks(2))


def test_affinity_to_pods_that_run() -> None:
    near = {"podAffinity": {REQUIRED: [{"topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "db"}}}]}}
    document = needs(pool(affinity=near))
    assert "room for 0" in detail(document, nodes=racks(1, 1))
    assert result(document, nodes=racks(1, 1), pods=[running("db", "r1n0", {"app": "db"})])["decode"][0] == "ok"
    elsewhere = [running("db", "r1n0", {"app": "db"}, "elsewhere")]
    assert "room for 0" in detail(document, nodes=racks(1, 1), pods=elsewhere)


def test_spreading_is_said_not_to_be_looked_at() -> None:
    spread = [{"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}]
    rows = checks(Cluster(nodes=nodes(1)), needs(pool(topologySpreadConstraints=spread)))
    assert [(r.status, r.name) for r in rows] == [("ok", "decode"), ("warn", "decode")]


# Devices by claims

CLASS = "nic.example.com"
CLAIMS: Any = {"claimTemplates": {"demo-nics": {CLASS: 8}}}
CLAIMED: Any = {"resourceClaims": [{"name": "nics", "resourceClaimTemplateName": "demo-nics"}]}


def device_class(*expressions: str) -> dict[str, Any]:
    return {"metadata": {"name": CLASS}, "spec": {"selectors": [{"cel": {"expression": e}} for e in expressions]}}


def devices(on: str, count: int, driver: str = CLASS, **attributes: Any) -> dict[str, Any]:
    found = [{"name": f"d{n}", "attributes": attributes} for n in range(count)]
    return {"spec": {"driver": driver, "nodeName": on, "pool": {"name": on}, "devices": found}}


def test_devices_are_counted_on_each_node() -> None:
    there: Any = {
        "nodes": nodes(2),
        "device_classes": [device_class(f"device.driver == '{CLASS}'")],
        "resource_claims": [],
    }
    document = needs(pool(groups=2, **CLAIMED), **CLAIMS)
    found = result(document, **there, resource_slices=[devices("n0", 8), devices("n1", 8), devices("n1", 9, "other")])
    assert {name: status for name, (status, _) in found.items()} == {"decode": "ok", f"DeviceClass {CLASS}": "ok"}
    assert "2 pods x 8 nvidia.com/gpu, 8 nic.example.com, " in found["decode"][1]
    text = detail(document, **there, resource_slices=[devices("n0", 8), devices("n1", 4)])
    assert "1 has less than 8 nic.example.com free" in text or "1 has only 4 nic.example.com in all" in text


def allocated(namespace: str, consumer: str) -> dict[str, Any]:
    results = [{"driver": CLASS, "pool": "n0", "device": f"d{n}"} for n in range(8)]
    status = {"reservedFor": [{"name": consumer}], "allocation": {"devices": {"results": results}}}
    return {"metadata": {"namespace": namespace}, "status": status}


def test_devices_of_others_are_taken_and_ones_own_are_not() -> None:
    there: Any = {"nodes": nodes(1), "device_classes": [device_class(f"device.driver == '{CLASS}'")]}
    document, slices = needs(pool(**CLAIMED), **CLAIMS), [devices("n0", 8)]
    others = [allocated("elsewhere", "x")]
    assert "1 has less than 8 nic.example.com free" in detail(
        document, **there, resource_slices=slices, resource_claims=others
    )
    own = {"resource_claims": [allocated("llm", "own")], "pods": [running("own", "n0", WORKER, **gpus(8))]}
    assert result(document, **there, resource_slices=slices, **own)["decode"][0] == "ok"


def test_a_surge_pod_has_none_of_the_devices_in_use() -> None:
    there: Any = {"nodes": nodes(2), "device_classes": [device_class(f"device.driver == '{CLASS}'")]}
    own = {"resource_claims": [allocated("llm", "own")], "pods": [running("own", "n0", WORKER, **gpus(8))]}
    document = needs({**pool(**CLAIMED), "maxSurge": 1}, **CLAIMS)
    for elsewhere, warned in ((0, True), (8, False)):
        found = result(document, **there, **own, resource_slices=[devices("n0", 8), devices("n1", elsewhere)])
        assert found["decode"][0] == "ok"
        assert ("decode, rolling update" in found) == warned


def test_a_missing_class_and_one_without_devices() -> None:
    document = needs(pool(**CLAIMED), **CLAIMS)
    missing = detail(document, f"DeviceClass {CLASS}", nodes=nodes(1))
    assert missing == "not there (there is: none): install the DRA driver that brings it"
    empty: Any = {"nodes": nodes(1), "device_classes": [device_class(f'device.driver == "{CLASS}"')]}
    assert "no ResourceSlice offers a device" in detail(document, f"DeviceClass {CLASS}", **empty)


def test_classes_that_select_by_attributes() -> None:
    expression = "device.driver == 'd' && device.attributes['d'].type == 'channel' && device.attributes['d'].id == 0"
    takes = selects(device_class(expression))
    assert takes
    one = {"attributes": {"type": {"string": "channel"}, "d/id": {"int": 0}}}
    assert takes("d", one)
    assert not takes("e", one)
    assert not takes("d", {"attributes": {"type": {"string": "daemon"}, "id": {"int": 0}}})
    assert not takes("d", {"attributes": {}})


def test_a_class_with_richer_cel_is_not_counted() -> None:
    rich = device_class("device.driver == 'd' || device.driver == 'e'")
    found = result(needs(pool(**CLAIMED), **CLAIMS), nodes=nodes(1), device_classes=[rich])
    assert found[f"DeviceClass {CLASS}"][0] == "warn"
    assert found["decode"][0] == "ok"


def served(*versions: str, slices: list[dict[str, Any]]) -> tuple[Cluster, list[str]]:
    """What is read of a cluster whose API server has resource.k8s.io in these versions, and all paths asked for."""
    group = {"versions": [{"version": v, "groupVersion": f"resource.k8s.io/{v}"} for v in versions]}
    expression = f"device.driver == '{CLASS}' && device.attributes['{CLASS}'].type == 'channel'"
    lists = {
        "nodes": nodes(2),
        "deviceclasses": [device_class(expression)],
        "resourceslices": slices,
    }
    asked = []

    def fetch(path: str) -> tuple[int, bytes]:
        asked.append(path.partition("?")[0])
        *folder, name = asked[-1].split("/")
        if asked[-1] == "/apis/resource.k8s.io":
            return (200, json.dumps(group).encode()) if versions else (404, b"")
        if "resource.k8s.io" in folder and folder[-1] not in versions:
            return 404, b""
        return 200, json.dumps({"items": lists.get(name, []), "metadata": {}}).encode()

    return read(fetch, needs(pool(groups=2, **CLAIMED), **CLAIMS)), asked


def as_in_v1beta1(part: dict[str, Any]) -> dict[str, Any]:
    """A ResourceSlice as v1beta1 has it."""
    found = [{"name": d["name"], "basic": {k: v for k, v in d.items() if k != "name"}} for d in part["spec"]["devices"]]
    return {"spec": {**part["spec"], "devices": found}}


@pytest.mark.parametrize(
    ("versions", "taken"),
    [
        (["v1"], "v1"),
        (["v1beta1", "v1beta2", "v1"], "v1"),
        (["v1beta1", "v1beta2"], "v1beta2"),
        (["v1alpha3", "v1beta1"], "v1beta1"),
    ],
)
def test_devices_are_read_in_the_newest_version_that_is_served(versions: list[str], taken: str) -> None:
    slices = [devices(f"n{number}", 8, type={"string": "channel"}) for number in range(2)]
    # A slice for several nodes: each of its devices names its own.
    slices[1]["spec"]["devices"] = [{**d, "nodeName": "n1"} for d in slices[1]["spec"]["devices"]]
    del slices[1]["spec"]["nodeName"]
    form = as_in_v1beta1 if taken == "v1beta1" else dict
    cluster, asked = served(*versions, slices=[form(part) for part in slices])
    of_group = [path for path in asked if path.startswith("/apis/resource.k8s.io/")]
    kinds = ("deviceclasses", "resourceslices", "resourceclaims")
    assert of_group == [f"/apis/resource.k8s.io/{taken}/{kind}" for kind in kinds]
    rows = {row.name: row for row in checks(cluster, needs(pool(groups=2, **CLAIMED), **CLAIMS))}
    assert (rows[f"DeviceClass {CLASS}"].status, rows[f"DeviceClass {CLASS}"].detail) == ("ok", "16 devices")
    assert rows["decode"].status == "ok"


@pytest.mark.parametrize("versions", [[], ["v1alpha3"]])
def test_a_cluster_without_claims_is_told_so(versions: list[str]) -> None:
    cluster, asked = served(*versions, slices=[])
    assert not [path for path in asked if path.startswith("/apis/resource.k8s.io/")]
    rows = {row.name: row for row in checks(cluster, needs(pool(**CLAIMED), **CLAIMS))}
    row = rows[f"DeviceClass {CLASS}"]
    assert row.status == "FAIL"
    assert "resource.k8s.io is served in none of the versions v1, v1beta2, v1beta1: use Kubernetes 1.34" in row.detail


# Everything else


def test_an_api_that_the_installation_brings_is_no_reason_to_refuse_it() -> None:
    api = "nvidia.com/v1alpha1 DynamoWorkerMetadata"
    fixes = {"nvidia.com": "apply crds/ of the chart"}
    first = needs(pool(), apis=[api], brings=[api], fixes=fixes)
    status, text = result(first, nodes=nodes(1))["API DynamoWorkerMetadata"]
    assert status == "warn"
    assert text.endswith("not served yet: with Argo CD crds/ follow in this sync; else apply crds/ of the chart")
    assert result(first, nodes=nodes(1), apis={api})["API DynamoWorkerMetadata"][0] == "ok"
    upgrade = needs(pool(), apis=[api], fixes=fixes)
    assert "is not served: apply crds/" in detail(upgrade, "API DynamoWorkerMetadata", nodes=nodes(1))


@pytest.mark.parametrize(("own", "status"), [([], "ok"), ([running("own", "n0", WORKER)], "FAIL")])
def test_the_command_takes_crds_as_there_before_an_installation_only(
    own: list[Any], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (api,) = command.installed_by_helm()

    def answer(_: Any, path: str) -> tuple[int, bytes]:
        items = {"/api/v1/nodes": nodes(1), "/api/v1/pods": own}.get(path.partition("?")[0])
        return (200, json.dumps({"items": items, "metadata": {}}).encode()) if items is not None else (404, b"")

    monkeypatch.setattr(kube, "get", answer)
    rows = {row.name: row.status for row in command.check(needs(pool(), apis=[api], brings=[api], fixes={}), None)}
    assert rows["API DynamoWorkerMetadata"] == status


def test_apis_and_their_controllers() -> None:
    api = "leaderworkerset.x-k8s.io/v1 LeaderWorkerSet"
    document = needs(pool(), apis=[api], fixes={"leaderworkerset.x-k8s.io": "install it"})
    assert detail(document, "API LeaderWorkerSet", nodes=nodes(1)).endswith("/v1 is not served: install it")
    served = {"nodes": nodes(1), "apis": {api}}
    assert result(document, **served)["API LeaderWorkerSet"][0] == "warn"
    controller = running("lws-controller-manager", "n0")
    controller["spec"]["containers"][0]["image"] = "mirror.example.com/ai/lws/lws:v0.8.0"
    assert result(document, **served, pods=[controller])["API LeaderWorkerSet"][0] == "ok"


def test_objects_and_storage() -> None:
    objects = [
        {"kind": "Secret", "name": "token", "key": "HF_TOKEN", "value": "a.b"},
        {"kind": "Secret", "name": "pull", "pull": True, "value": "c.d"},
        {"kind": "PersistentVolumeClaim", "name": "weights", "value": "e.f"},
    ]
    classes = [{"name": "", "value": "etcd.persistence.storageClass"}, {"name": "fast", "value": "g.h"}]
    document = needs(pool(), objects=objects, storageClasses=classes)
    nothing = result(document, nodes=nodes(1))
    assert {status for name, (status, _) in nothing.items() if name != "decode"} == {"FAIL"}
    assert nothing["Secret token"][1] == "not in namespace llm: create it, or change a.b"
    assert nothing["default StorageClass"][1] == "there is none (there is: none): set etcd.persistence.storageClass"
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    there = {
        "objects": {
            ("Secret", "token"): {"metadata": {}, "data": {"HF_TOKEN": ""}},
            ("Secret", "pull"): {"metadata": {}, "type": "kubernetes.io/dockerconfigjson"},
            ("PersistentVolumeClaim", "weights"): {"metadata": {}, "status": {"phase": "Pending"}},
        },
        "storage_classes": [
            {"metadata": {"name": "fast"}},
            {"metadata": {"name": "slow", "annotations": default}},
        ],
    }
    assert {status for status, _ in result(document, nodes=nodes(1), **there).values()} == {"ok"}


def test_what_may_not_be_read_is_said() -> None:
    answers = {"/api/v1/nodes?limit=500": 403}

    def fetch(path: str) -> tuple[int, bytes]:
        return answers.get(path, 200), json.dumps({"items": [], "metadata": {}}).encode()

    rows = checks(read(fetch, needs(pool())), needs(pool()))
    assert (rows[0].status, rows[0].name) == ("FAIL", "rights")
    assert "GET /api/v1/nodes is forbidden" in rows[0].detail


def test_within_a_namespace_nothing_else_is_read() -> None:
    asked = []

    def fetch(path: str) -> tuple[int, bytes]:
        asked.append(path)
        return 200, json.dumps({"metadata": {}, "data": {}, "resources": [{"kind": "LeaderWorkerSet"}]}).encode()

    document = needs(
        pool(),
        clusterWide=False,
        apis=["leaderworkerset.x-k8s.io/v1 LeaderWorkerSet"],
        objects=[{"kind": "Secret", "name": "token", "key": "HF_TOKEN", "value": "a.b"}],
        storageClasses=[{"name": "", "value": "etcd.persistence.storageClass"}],
    )
    rows = {row.name: (row.status, row.detail) for row in checks(read(fetch, document), document)}
    assert asked == ["/apis/leaderworkerset.x-k8s.io/v1", "/api/v1/namespaces/llm/secrets/token"]
    assert {name: status for name, (status, _) in rows.items()} == {
        "room": "warn",
        "API LeaderWorkerSet": "ok",
        "Secret token": "FAIL",
    }
    assert "preflight.clusterWide is false" in rows["room"][1]


def test_lists_are_read_page_by_page_and_secrets_without_their_content() -> None:
    asked = []

    def fetch(path: str) -> tuple[int, bytes]:
        asked.append(path)
        if "/secrets/" in path:
            return 200, json.dumps({"metadata": {}, "data": {"HF_TOKEN": "c2VjcmV0"}}).encode()
        token = "" if "continue=" in path else "more"
        items = nodes(1) if path.startswith("/api/v1/nodes") else []
        return 200, json.dumps({"items": items, "metadata": {"continue": token}}).encode()

    document = needs(pool(), objects=[{"kind": "Secret", "name": "token", "key": "HF_TOKEN", "value": "a.b"}])
    cluster = read(fetch, document)
    assert len(cluster.nodes) == 2
    assert "/api/v1/nodes?limit=500&continue=more" in asked
    assert cluster.objects["Secret", "token"]["data"] == {"HF_TOKEN": ""}
    assert not [path for path in asked if "resource.k8s.io" in path or "storage.k8s.io" in path], "nothing needs them"


def test_an_api_server_in_trouble_is_no_verdict() -> None:
    with pytest.raises(NoAnswerError, match="HTTP 500: down"):
        read(lambda _: (500, b"down"), needs(pool()))


def test_the_table() -> None:
    document = needs(pool(nodeSelector={"a": "b"}), pool("frontend", requests={"cpu": "1"}))
    rows = checks(Cluster(nodes=nodes(1)), document)
    text = table(rows, document).splitlines()
    assert text[0] == "Preflight of release demo in namespace llm, machine type nvidia"
    assert text[2].split() == ["CHECK", "FOUND"]
    assert text[3].startswith("FAIL  decode    1 pod x 8 nvidia.com/gpu, nodes that match: 0 of 1 (1 lacks label a=b)")
    assert all(len(line) <= 130 for line in text)
    assert text[-1] == "FAIL: 1 of 2 checks failed"
    assert not passed(rows)


def test_hundreds_of_nodes_take_seconds() -> None:
    labels = {"rack": "r"}
    document = needs(pool("prefill", groups=200, affinity=TOGETHER), pool(groups=199, affinity=TOGETHER))
    started = time.process_time()
    assert all(s == "ok" for s, _ in result(document, nodes=nodes(400, labels=labels)).values())
    assert time.process_time() - started < 20
