"""Values over values: a role's over the shared ones, a user's over the machine's, and null to remove one.

Sprig's merge takes false, 0 and "" for absent, so that each of them must be tried.
"""

from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml
from hack.chart.helm import Helm
from hack.chart.manifests import merged, nested
from hack.chart.render import Render
from hack.chart.renderer import Renderer
from hack.schema import bundle

LOWER = ["values/a3u-multi.yaml"]
# Every component, so that each of their maps and lists is there.
WHOLE: dict[str, Any] = {
    "global": {"discovery": {"backend": "etcd"}, "eventPlane": "nats"},
    "etcd": {"enabled": True},
    "nats": {"enabled": True},
}


@pytest.mark.parametrize("path", list(bundle.fillables(read_yaml(ROOT / "values.yaml"))), ids=".".join)
def test_a_block_left_without_entries_is_an_empty_one(render_fast: Renderer, path: tuple[str, ...]) -> None:
    found = render_fast(merged(WHOLE, nested(".".join(path), None)))
    assert found.error == ""
    assert list(found.manifests) == list(render_fast(WHOLE).manifests)


def test_the_pool_that_does_not_run_may_have_empty_blocks(render_fast: Renderer) -> None:
    aggregated = {"global": {"serving": "aggregated"}}
    empty = dict.fromkeys(path[1] for path in bundle.fillables(read_yaml(ROOT / "values.yaml")) if path[0] == "decode")
    found = render_fast(aggregated | {"prefill": empty})
    assert found.error == ""
    assert list(found.manifests) == list(render_fast(aggregated).manifests)


@pytest.mark.parametrize(
    ("shared", "own", "arguments"),
    [
        (True, False, ["--no-x"]),
        (False, True, ["--x"]),
        (5, 0, ["--x", "0"]),
        ("a", "", ["--x", ""]),
        (0, 5, ["--x", "5"]),
        ({"a": 1, "b": 1}, {"b": 2}, ["--x", '{"a":1,"b":2}']),
        ([1, 2], [3], ["--x", "[3]"]),
        (True, None, []),
    ],
    ids=repr,
)
def test_a_roles_flag_replaces_the_shared_one(
    render: Render, role: str, shared: Any, own: Any, arguments: list[str]
) -> None:
    values = {"global": {"engine": {"version": "unchecked", "args": {"x": shared}}}, role: {"engineArgs": {"x": own}}}
    found = render(values).pod(role).container().args()
    at = [i for i, a in enumerate(found) if a in ("--x", "--no-x")]
    assert len(at) == bool(arguments)
    if at:
        assert found[at[0] : at[0] + len(arguments)] == arguments


@pytest.mark.parametrize(
    ("shared", "own", "expected"),
    [
        ("a", "b", "b"),
        ("a", "", ""),
        ("a", None, None),
        ("a", {"fieldRef": {"fieldPath": "spec.nodeName"}}, {"fieldRef": {"fieldPath": "spec.nodeName"}}),
    ],
    ids=repr,
)
@pytest.mark.parametrize("component", ["frontend", "prefill", "decode"])
def test_a_components_variable_replaces_the_shared_one(
    render: Render, component: str, shared: Any, own: Any, expected: Any
) -> None:
    values = {"global": {"env": {"A": shared}}, component: {"env": {"A": own}}}
    assert render(values).pod(component).container().env().get("A") == expected


def test_null_removes_what_a_lower_file_set(render: Render, role: str, each_helm: Helm) -> None:
    """Helm itself removes only what the chart's own values.yaml has: the binary puts the files together here."""
    removed = {"global": {"engine": {"args": {"enforce-eager": None}}}}
    assert render(None, LOWER, helm=each_helm.name, binary=True).pod(role).container().flag("enforce-eager") == ""
    assert render(removed, LOWER, helm=each_helm.name, binary=True).pod(role).container().flag("enforce-eager") is None


def test_null_removes_a_variable_of_the_machine(render: Render, role: str) -> None:
    name = "NCCL_SOCKET_IFNAME"
    assert name in render(None, LOWER).pod(role).container().env()
    assert name not in render({role: {"env": {name: None}}}, LOWER).pod(role).container().env()


def test_null_removes_a_node_label_of_the_machine(render: Render, role: str) -> None:
    label = "cloud.google.com/gke-accelerator"
    assert label in render(None, LOWER).pod(role).spec["nodeSelector"]
    assert label not in render({role: {"nodeSelector": {label: None}}}, LOWER).pod(role).spec["nodeSelector"]


def test_null_removes_an_annotation_of_the_machine(render: Render, role: str) -> None:
    name = "networking.gke.io/interfaces"
    assert name in render(None, LOWER).pod(role).metadata["annotations"]
    annotations = render({role: {"podAnnotations": {name: None}}}, LOWER).pod(role).metadata.get("annotations", {})
    assert name not in annotations


def test_null_removes_parts_of_the_machine(render: Render, role: str, each_helm: Helm) -> None:
    nic = "networking.gke.io.networks/rdma-7"
    rdma = {"extendedResources": {nic: None, "a.b/x": None}, "claims": {"x": None}}
    spec = {"hostPaths": {"gib": None, "x": None}, "rdma": rdma}
    pod = render({"global": {"hardwareSpec": spec}}, LOWER, helm=each_helm.name, binary=True).pod(role)
    assert "nvidia" in pod.volumes()
    assert not {"gib", "x"} & pod.volumes().keys()
    limits = pod.container().spec["resources"]["limits"]
    assert "networking.gke.io.networks/rdma-6" in limits
    assert not {nic, "a.b/x"} & limits.keys()
    assert "resourceClaims" not in pod.spec


@pytest.mark.parametrize("component", ["frontend", "prefill", "decode"])
def test_null_removes_a_default_of_the_pod(render: Render, component: str, each_helm: Helm) -> None:
    fields: dict[str, Any] = {"runAsUser": None, "fsGroup": None, "seccompProfile": None}
    amounts = {"limits": {"memory": None, "cpu": None}, "requests": {"cpu": None}}
    pod = render(
        {component: {"podSecurityContext": fields, "securityContext": {"capabilities": None}, "resources": amounts}},
        helm=each_helm.name,
    ).pod(component)
    assert not fields.keys() & pod.spec["securityContext"].keys()
    assert "capabilities" not in pod.container().spec["securityContext"]
    resources = pod.container().spec["resources"]
    assert not {"memory", "cpu"} & resources["limits"].keys()
    assert "cpu" not in resources["requests"]
    assert "memory" in resources["requests"]


def test_null_removes_the_source_of_a_lower_layer(render: Render, role: str, each_helm: Helm) -> None:
    claim = {"persistentVolumeClaim": {"claimName": "c"}}
    key = {"configMapKeyRef": {"name": "a", "key": "b"}}
    own = {
        "volumes": {"scratch": {"mountPath": "/x", "source": {"emptyDir": None, **claim}}},
        "env": {"KEY": {"secretKeyRef": None, **key}},
    }
    pod = render({role: own}, helm=each_helm.name).pod(role)
    assert pod.volumes()["scratch"] == {"name": "scratch", **claim}
    assert pod.container().env()["KEY"] == key


@pytest.mark.parametrize("component", ["frontend", "prefill", "decode", "etcd", "nats"])
def test_a_spread_is_over_the_components_own_pods(render: Render, component: str) -> None:
    spread = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]
    values: dict[str, Any] = {"global": {"discovery": {"backend": "etcd"}, "eventPlane": "nats"}}
    values |= {name: {"enabled": True} for name in ("etcd", "nats")}
    values[component] = {**values.get(component, {}), "topologySpreadConstraints": spread}
    pod = render(values).pod(component)
    found = pod.spec["topologySpreadConstraints"]
    assert [{k: v for k, v in s.items() if k != "labelSelector"} for s in found] == spread
    labels = found[0]["labelSelector"]["matchLabels"]
    assert labels["app.kubernetes.io/component"] == component
    assert labels.items() <= pod.labels.items()


def test_null_removes_a_volume_of_a_lower_layer(render: Render, role: str) -> None:
    pod = render({role: {"volumes": {"data": None}}}).pod(role)
    assert pod.owner == render().pod(role).owner


@pytest.mark.parametrize("component", ["frontend", "prefill", "decode", "etcd", "nats"])
def test_security_contexts_can_be_lowered_to_false_and_zero(render: Render, component: str) -> None:
    values: dict[str, Any] = {
        "etcd": {"enabled": True},
        "nats": {"enabled": True},
        "global": {"discovery": {"backend": "etcd"}, "requestPlane": "nats"},
    }
    values[component] = values.get(component, {}) | {
        "podSecurityContext": {"runAsNonRoot": False, "runAsUser": 0},
        "securityContext": {"readOnlyRootFilesystem": False, "capabilities": {"drop": []}},
    }
    pod = render(values).pod(component)
    assert pod.spec["securityContext"]["runAsNonRoot"] is False
    assert pod.spec["securityContext"]["runAsUser"] == 0
    container = pod.container().spec["securityContext"]
    assert container["readOnlyRootFilesystem"] is False
    assert container["capabilities"]["drop"] == []
