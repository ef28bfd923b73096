"""Both supported Helm versions, the engines of the tests and the oldest supported Kubernetes render the same."""

import pytest

from hack.chart.helm import Helm
from hack.chart.manifests import object_id
from hack.chart.scenarios import FEATURES, NAMED, Scenario


@pytest.mark.parametrize("scenario", NAMED, ids=lambda s: s.name)
def test_both_helms_render_the_same(scenario: Scenario) -> None:
    assert scenario.render(helm="helm3", binary=True) == scenario.render(binary=True)


@pytest.mark.parametrize("scenario", [*NAMED, *FEATURES], ids=lambda s: s.name)
def test_the_engines_render_what_helm_renders(scenario: Scenario) -> None:
    helm, *engines = (
        sorted(manifests, key=object_id)
        for manifests in (scenario.render(binary=True), scenario.render(), scenario.render(helm="helm3"))
    )
    assert engines == [helm, helm]


@pytest.mark.parametrize("scenario", NAMED, ids=lambda s: s.name)
def test_the_oldest_supported_kubernetes_gets_the_same(scenario: Scenario) -> None:
    assert scenario.render(kube_version="1.30.0") == scenario.render()


def test_an_older_kubernetes_is_refused(each_helm: Helm) -> None:
    result = each_helm.attempt("template", "demo", ".", "--kube-version", "1.29.0")
    assert result.code
    assert "kubeVersion" in result.stderr
