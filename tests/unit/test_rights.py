"""What the pods of a release may do: one set of security values for all of them, and no more rights than are used."""

from typing import Any

import pytest

from hack.chart import podsecurity
from hack.chart.manifests import COMPONENT, Manifests, is_hook, merged
from hack.chart.render import Render
from hack.chart.scenarios import ALL, BENCHMARK, Scenario

# What a user writes on OpenShift, where the namespace has ranges of ids.
OPENSHIFT: dict[str, Any] = {
    "global": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
}
# Every kind of pod that the chart makes, in three renders.
HELPERS = {
    "benchmark": BENCHMARK,
    "canary": {"enabled": True},
    "preflight": {"enabled": True, "probe": {"enabled": True}},
    "test": {"probe": {"enabled": True}},
}
BY_NAME = {scenario.name: scenario for scenario in ALL}
COMPONENTS = {
    *("frontend", "prefill", "decode", "encode", "etcd", "nats"),
    *("model", "test", "canary", "benchmark", "preflight", "probe", "preflight-probe"),
}


def every_pod(**values: Any) -> Manifests:
    """Releases that together have each kind of pod."""
    found: list[Any] = []
    for name in ("everything", "model-download", "encoders-disaggregated"):
        found += Scenario(name, values=merged(merged(BY_NAME[name].values, HELPERS), values)).render()
    return Manifests(found)


def test_there_is_no_other_kind_of_pod() -> None:
    """A new one belongs into HELPERS, so that the tests below see it."""
    assert {pod.labels[COMPONENT] for s in ALL for pod in s.render().pods()} <= COMPONENTS
    assert {pod.labels[COMPONENT] for pod in every_pod().pods()} == COMPONENTS


@pytest.mark.parametrize("helm", ["helm", "helm3"])
@pytest.mark.parametrize("scenario", ALL, ids=lambda s: s.name)
def test_openshift_takes_every_pod_once_the_ids_are_gone(scenario: Scenario, helm: str) -> None:
    values = merged(merged(scenario.values, OPENSHIFT), {"canary": {"enabled": True}})
    found = {}
    for pod in Scenario(scenario.name, scenario.files, values).render(helm=helm).pods():
        # What a machine needs beyond "restricted" takes an SCC of its own, and hack/chart/policy/pods.py a reason.
        if problems := set(podsecurity.of_openshift(pod)) - set(podsecurity.violations(pod)):
            found[pod.id] = problems
    assert found == {}


def test_openshift_refuses_the_ids_of_the_defaults(render: Render) -> None:
    assert podsecurity.of_openshift(render().pod("frontend")) == ["fsGroup 1000", "runAsUser 1000"]


def test_global_security_values_reach_every_pod() -> None:
    shared = {"podSecurityContext": {"runAsUser": 4000}, "securityContext": {"seccompProfile": {"type": "Unconfined"}}}
    for pod in every_pod(**{"global": shared}).pods():
        assert pod.spec["securityContext"]["runAsUser"] == 4000, pod.id
        for container in pod.containers():
            assert container.spec["securityContext"]["seccompProfile"] == {"type": "Unconfined"}, container.id


def test_a_components_security_values_win(render: Render) -> None:
    values = {
        "global": {"podSecurityContext": {"runAsUser": 4000}, "securityContext": {"readOnlyRootFilesystem": False}},
        "frontend": {"podSecurityContext": {"runAsUser": 5000}, "securityContext": {"readOnlyRootFilesystem": True}},
    }
    manifests = render(values)
    assert manifests.pod("frontend").spec["securityContext"]["runAsUser"] == 5000
    assert manifests.pod("frontend").container().spec["securityContext"]["readOnlyRootFilesystem"] is True
    assert manifests.pod("decode").spec["securityContext"]["runAsUser"] == 4000


def test_a_machine_that_makes_workers_root_keeps_them_root(render: Render) -> None:
    values = {"global": {"podSecurityContext": {"runAsUser": 4000}}}
    manifests = render(values, ["values/a3u-multi.yaml"])
    assert manifests.pod("decode").spec["securityContext"]["runAsUser"] == 0
    assert manifests.pod("frontend").spec["securityContext"]["runAsUser"] == 4000


# What a namespace's own administrator may make: no CRD, nothing of the cluster, and no rights on it.
NAMESPACE_ONLY: dict[str, Any] = {
    "global": {"discovery": {"backend": "etcd"}},
    "etcd": {"enabled": True},
    "preflight": {"enabled": True, "clusterWide": False},
    "canary": {"enabled": True},
}
CLUSTER_SCOPED = {
    *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "PersistentVolume"),
    *("PriorityClass", "StorageClass", "DeviceClass", "ResourceSlice", "ValidatingAdmissionPolicy"),
}
# Their groups' resources that belong to no namespace; the rules of a Role cannot grant them, and should not try.
RESOURCES_OF_THE_CLUSTER = {"nodes", "deviceclasses", "resourceslices", "storageclasses", "persistentvolumes"}


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_a_namespace_is_enough(render: Render, helm: str) -> None:
    manifests = render(NAMESPACE_ONLY, helm=helm)
    assert {item["kind"] for item in manifests} & CLUSTER_SCOPED == set()
    rules = [rule for role in manifests.all("Role") for rule in role["rules"]]
    assert {r for rule in rules for r in rule["resources"]} & RESOURCES_OF_THE_CLUSTER == set()
    # None of its kinds needs a definition that is not Kubernetes' own.
    assert not [
        item["apiVersion"] for item in manifests if item["apiVersion"].endswith(("nvidia.com/v1alpha1", ".x-k8s.io/v1"))
    ]


def test_a_namespace_needs_no_role_without_the_preflight(render: Render) -> None:
    manifests = render(merged(NAMESPACE_ONLY, {"preflight": {"enabled": False}}))
    assert [item for item in manifests if item["apiVersion"].startswith("rbac.")] == []
    mounted = {pod.id for pod in manifests.pods() if pod.spec["automountServiceAccountToken"]}
    assert mounted == set()


def test_roles_are_bound_to_accounts_of_the_release_only() -> None:
    for binding in every_pod().all("RoleBinding"):
        assert {s["namespace"] for s in binding["subjects"]} == {"default"}
        assert {s["name"] for s in binding["subjects"]} <= {"demo-dynamo", "demo-preflight"}


def test_nothing_that_stays_may_read_secrets() -> None:
    for role in every_pod().all("Role"):
        if not is_hook(role):
            assert "secrets" not in [r for rule in role["rules"] for r in rule["resources"]]
