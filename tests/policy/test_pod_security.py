"""Our Pod Security Standard is that of Kubernetes' admission: both judge every pod, and pods with each fault."""

import copy
import json
from typing import Any

import pytest

from hack.base.versions import versions
from hack.chart import podsecurity
from hack.chart.manifests import PodTemplate
from hack.chart.scenarios import ALL, Scenario
from hack.tools import gobuild

FAULTS: dict[str, dict[str, Any]] = {
    "hostNetwork": {"spec": {"hostNetwork": True}},
    "hostPID": {"spec": {"hostPID": True}},
    "hostIPC": {"spec": {"hostIPC": True}},
    "sysctls": {"spec": {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}},
    "volume type hostPath": {"spec": {"volumes": [{"name": "a", "hostPath": {"path": "/a"}}]}},
    "volume type nfs": {"spec": {"volumes": [{"name": "a", "nfs": {"server": "a", "path": "/a"}}]}},
    "runAsNonRoot": {"spec": {"securityContext": {}}},
    "privileged": {"container": {"privileged": True}},
    "allowPrivilegeEscalation": {"container": {"allowPrivilegeEscalation": None}},
    "capabilities not dropped": {"container": {"capabilities": {}}},
    "capability SYS_ADMIN": {"container": {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}},
    "runAsUser 0": {"container": {"runAsUser": 0}},
    "seccompProfile": {"container": {"seccompProfile": {"type": "Unconfined"}}},
    "procMount": {"container": {"procMount": "Unmasked"}},
    "hostPort": {"ports": [{"containerPort": 1, "hostPort": 1}]},
}


def pods() -> list[PodTemplate]:
    """Every pod of every scenario, each content once."""
    found = {json.dumps([pod.metadata, pod.spec], sort_keys=True): pod for s in ALL for pod in s.render().pods()}
    return list(found.values())


def test_both_judge_every_pod_alike() -> None:
    known = pods()
    judged = podsecurity.by_kubernetes(known)
    differ = {p.id: (podsecurity.violations(p), k) for p, k in zip(known, judged, strict=True) if _differ(p, k)}
    assert len(known) > 100
    assert differ == {}


def _differ(pod: PodTemplate, judged: list[str]) -> bool:
    return bool(podsecurity.violations(pod)) != bool(judged)


@pytest.mark.parametrize("fault", FAULTS)
def test_both_see_each_fault(fault: str) -> None:
    good = Scenario("defaults").render().pod("frontend")
    bad = copy.deepcopy(good)
    change = FAULTS[fault]
    bad.spec.update(change.get("spec", {}))
    container = bad.spec["containers"][0]
    container["securityContext"].update(change.get("container", {}))
    container["ports"] = change.get("ports", container["ports"])
    first, second = podsecurity.by_kubernetes([good, bad])
    assert first == podsecurity.violations(good) == []
    assert second, "Kubernetes would take it"
    assert fault in podsecurity.violations(bad)


def test_it_is_the_evaluator_of_the_clusters_kubernetes() -> None:
    version = versions()["kubernetes"]["version"]
    module = (gobuild.GO_MODULES / "podsecurity" / "go.mod").read_text()
    assert f"k8s.io/pod-security-admission v0{version[1:]}\n" in module
