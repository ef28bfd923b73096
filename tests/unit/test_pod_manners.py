"""Schedulers, runtime classes, containers of one's own and namespaces of the node."""

from typing import Any

import pytest

from hack.chart.manifests import merged, nested
from hack.chart.render import Render
from hack.chart.renderer import Renderer
from hack.chart.scenarios import BENCHMARK

SIMULATED = nested("global.simulation.enabled", True)
CONTAINER = {"name": "warm", "image": "registry.example.com/tools:1"}


def test_a_scheduler_for_all_and_one_for_a_role(render: Render) -> None:
    values = merged(
        {"global": {"schedulerName": "kai-scheduler"}, "etcd": {"enabled": True}}, {"canary": {"enabled": True}}
    )
    manifests = render(
        merged(values, {"prefill": {"schedulerName": "volcano"}, "global": {"discovery": {"backend": "etcd"}}})
    )
    for pod in manifests.pods():
        wanted = "volcano" if pod.labels["app.kubernetes.io/component"] == "prefill" else "kai-scheduler"
        assert pod.spec["schedulerName"] == wanted, pod.id


def test_the_machines_runtime_class_is_for_workers_and_not_for_a_laptop(render: Render) -> None:
    values = nested("global.hardwareSpec.runtimeClassName", "nvidia")
    manifests = render(merged(values, nested("decode.runtimeClassName", "kata-nvidia")))
    assert manifests.pod("prefill").spec["runtimeClassName"] == "nvidia"
    assert manifests.pod("decode").spec["runtimeClassName"] == "kata-nvidia"
    assert "runtimeClassName" not in manifests.pod("frontend").spec
    assert "runtimeClassName" not in render(merged(values, SIMULATED)).pod("prefill").spec


@pytest.mark.parametrize("component", ["frontend", "prefill", "decode"])
def test_a_container_of_ones_own_runs_after_the_model_is_there(render: Render, component: str) -> None:
    download = {"cache": {"claimName": "weights"}, "download": {"enabled": True}}
    values: dict[str, Any] = {
        "global": {"model": {"source": {"huggingface": download}}},
        component: {"initContainers": [CONTAINER | {"securityContext": {"runAsUser": 2000}}]},
    }
    init = render(values).pod(component).spec["initContainers"]
    assert [c["name"] for c in init] == ["wait-for-model", "warm"]
    assert init[1]["imagePullPolicy"] == "IfNotPresent"
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsUser": 2000}
    assert init[1]["securityContext"] == security


def test_namespaces_of_the_node_are_left_out_of_a_simulation(render: Render, role: str) -> None:
    values = {role: {"hostIPC": True, "hostNetwork": True}}
    spec = render(values).pod(role).spec
    assert (spec["hostIPC"], spec["hostNetwork"], spec["dnsPolicy"]) == (True, True, "ClusterFirstWithHostNet")
    assert not {"hostIPC", "hostNetwork", "dnsPolicy"} & render(merged(values, SIMULATED)).pod(role).spec.keys()


@pytest.mark.parametrize("namespace", ["hostIPC", "hostNetwork"])
def test_a_namespace_of_the_node_is_warned_of(render_fast: Renderer, role: str, namespace: str) -> None:
    values = {role: {namespace: True}}
    warned = f"WARNING: {role}.{namespace}: a worker"
    assert warned in render_fast(values).notes
    for other in ({}, merged(values, SIMULATED)):
        assert warned not in render_fast(other).notes


QUEUE = {"kueue.x-k8s.io/queue-name": "llm"}
WIDE = {"parallelism": {"tensor": 16}}


def test_a_queue_that_admits_half_a_worker_is_warned_of(render_fast: Renderer, role: str) -> None:
    warned = f"{role}.podLabels.kueue.x-k8s.io/queue-name: Kueue admits a LeaderWorkerSet by its own label"
    assert warned in render_fast({role: WIDE | {"podLabels": QUEUE}}).notes
    for calm in (WIDE | {"labels": QUEUE}, {"podLabels": QUEUE}):
        assert warned not in render_fast({role: calm}).notes
    everywhere = {"global": {"labels": QUEUE}}
    assert warned.replace(f"{role}.podLabels", "global.labels") in render_fast(everywhere | {role: WIDE}).notes
    assert "Kueue admits" not in render_fast(everywhere).notes


def test_how_frontends_stand_to_each_other_is_no_rule_for_jobs(render: Render) -> None:
    own = {"matchLabels": {"app.kubernetes.io/component": "frontend"}}
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": own}
    apart: dict[str, Any] = {
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "nodeSelector": {"pool": "cpu"},
    }
    jobs = {name: {"enabled": True} for name in ("preflight", "canary")}
    manifests = render({"frontend": apart, "benchmark": BENCHMARK, **jobs})
    assert "podAntiAffinity" in manifests.pod("frontend").spec["affinity"]
    for component in ("preflight", "canary", "test", "benchmark"):
        for pod in manifests.pods(component):
            assert pod.spec["nodeSelector"]["pool"] == "cpu", pod.id
            assert pod.spec.get("affinity", {}).keys() <= {"nodeAffinity"}, pod.id
            assert "topologySpreadConstraints" not in pod.spec, pod.id
        assert list(manifests.pods(component))


def test_the_download_writes_as_whoever_may(render: Render) -> None:
    job = {
        "podSecurityContext": {"runAsUser": 0, "runAsNonRoot": False},
        "securityContext": {"capabilities": {"add": ["CHOWN"]}},
    }
    download = {"cache": {"claimName": "weights"}, "download": {"enabled": True, **job}}
    manifests = render(nested("global.model.source.huggingface", download))
    pod = manifests.pod("model")
    assert (pod.spec["securityContext"]["runAsUser"], pod.spec["securityContext"]["runAsNonRoot"]) == (0, False)
    assert pod.container("download").spec["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN"]}
    assert manifests.pod("decode").spec["securityContext"]["runAsUser"] == 1000
