"""Rules for every object of every values file, real and simulated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import kubeschema
from tests.harness.helm import Helm
from tests.harness.manifests import COMPONENT, INSTANCE, Manifests, object_id
from tests.harness.scenarios import NAMED, Scenario

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
SELECTOR = {"app.kubernetes.io/name", "app.kubernetes.io/instance", COMPONENT}
# What a selector of a part of a pool has beside: the ranks of one worker of several nodes, or all of its leaders.
PARTS = {"dynamo-disagg/rank", "dynamo-disagg/rank-number"}


def test_objects_fit_the_schemas_of_kubernetes(manifests: Manifests) -> None:
    assert [line for item in manifests for line in kubeschema.problems(item)] == []


def test_names_fit(manifests: Manifests) -> None:
    for item in manifests:
        name = item["metadata"]["name"]
        assert NAME.fullmatch(name), object_id(item)
        assert len(name) <= (52 if item["kind"] == "StatefulSet" else 63), object_id(item)


def test_no_two_objects_of_one_name(manifests: Manifests) -> None:
    ids = manifests.ids()
    assert len(ids) == len(set(ids))


def test_selectors_select_the_components_own_pods(manifests: Manifests) -> None:
    pods = manifests.pods()
    for item in manifests:
        selector = item.get("spec", {}).get("selector")
        if not selector:
            continue
        labels = selector.get("matchLabels", selector)
        assert labels.keys() - PARTS == SELECTOR, object_id(item)
        selected = [p for p in pods if labels.items() <= p.labels.items()]
        assert selected, f"{object_id(item)} selects no pod"
        assert {p.labels[COMPONENT] for p in selected} == {labels[COMPONENT]}, object_id(item)


def test_services_lead_to_ports_that_exist(manifests: Manifests) -> None:
    for service in manifests.all("Service"):
        selector = service["spec"]["selector"]
        pods = [p for p in manifests.pods() if selector.items() <= p.labels.items()]
        if service["metadata"]["name"].endswith("-ranks"):
            # It only gives the ranks their names: they meet before anything is ready, at an engine's own port.
            assert service["spec"]["clusterIP"] == "None", object_id(service)
            assert service["spec"]["publishNotReadyAddresses"] is True, object_id(service)
            continue
        for pod in pods:
            names = {p["name"] for c in pod.containers() for p in c.spec.get("ports", [])}
            for port in service["spec"]["ports"]:
                assert port["targetPort"] in names, f"{object_id(service)}: {pod.id}: {port}"


def test_pods_of_other_components_find_no_unready_worker(manifests: Manifests) -> None:
    """A discovery Service that publishes unready pods would have the router send requests to them."""
    for service in manifests.all("Service"):
        labels = service["metadata"]["labels"]
        if "nvidia.com/dynamo-discovery-enabled" in labels:
            assert not service["spec"].get("publishNotReadyAddresses"), object_id(service)
            assert labels["nvidia.com/dynamo-discovery-backend"] == "kubernetes"


def test_what_objects_refer_to_is_rendered_too(manifests: Manifests) -> None:
    accounts = {o["metadata"]["name"] for o in manifests.all("ServiceAccount")}
    maps = {o["metadata"]["name"] for o in manifests.all("ConfigMap")}
    services = {o["metadata"]["name"] for o in manifests.all("Service")}
    # The controller of a ComputeDomain makes the template that it names.
    claims = {o["metadata"]["name"] for o in manifests.all("ResourceClaimTemplate")}
    claims |= {o["spec"]["channel"]["resourceClaimTemplate"]["name"] for o in manifests.all("ComputeDomain")}
    used = {c["resourceClaimTemplateName"] for p in manifests.pods() for c in p.spec.get("resourceClaims", [])}
    assert used == claims
    for pod in manifests.pods():
        refers = {("account", pod.spec.get("serviceAccountName", "default"))}
        refers |= {("map", v["configMap"]["name"]) for v in pod.volumes().values() if "configMap" in v}
        # Others are the user's own.
        missing = {(kind, name) for kind, name in refers if name.startswith(pod.labels[INSTANCE])}
        assert missing <= {*(("account", name) for name in accounts), *(("map", name) for name in maps)}, pod.id
    for item in manifests.all("StatefulSet"):
        assert item["spec"]["serviceName"] in services, object_id(item)


def leaves(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, f"{at}.{key}")
    elif isinstance(value, list):
        for position, child in enumerate(value):
            yield from leaves(child, f"{at}[{position}]")
    else:
        yield at, value


def test_no_slips_of_templates(manifests: Manifests) -> None:
    slips = re.compile(r"<no value>|%!|map\[|\{\{|^[0-9.]+e[+-][0-9]+$")
    for item in manifests:
        for at, value in leaves(item, object_id(item)):
            assert value is not None, at
            assert not isinstance(value, float), f"{at}: {value}"
            assert not (isinstance(value, str) and slips.search(value)), f"{at}: {value}"


def test_labels_are_valid(manifests: Manifests) -> None:
    valid = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
    for item in manifests:
        metadata = [item["metadata"], *(p.metadata for p in manifests.pods() if p.owner is item)]
        for labels in (m.get("labels", {}) for m in metadata):
            for key, value in labels.items():
                assert valid.fullmatch(value), f"{object_id(item)}: {key}: {value}"


@pytest.mark.parametrize("named", NAMED, ids=lambda s: s.name)
def test_both_helms_render_the_same(named: Scenario) -> None:
    assert named.render(helm="helm3").objects == named.render(helm="helm").objects


@pytest.mark.parametrize("named", NAMED, ids=lambda s: s.name)
def test_the_oldest_supported_kubernetes_gets_the_same(named: Scenario) -> None:
    assert named.render(kube_version="1.30.0").objects == named.render().objects


def test_an_older_kubernetes_is_refused(each_helm: Helm) -> None:
    result = each_helm.attempt("template", "demo", ".", "--kube-version", "1.29.0")
    assert result.code
    assert "kubeVersion" in result.stderr
