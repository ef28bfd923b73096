"""Upgrades with `--set` alone, which would bring a release back to the chart's defaults."""

from typing import Any

import pytest

from hack.chart import scenarios
from hack.chart.manifests import merged, nested
from hack.chart.renderer import Cluster, Renderer

ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
DEFAULT = scenarios.content("values.yaml")["global"]["model"]["name"]


def running(model: str, selector: dict[str, str] | None = None) -> Cluster:
    """A cluster with a release that serves a model."""
    probe = {"httpGet": {"path": f"/v1/models/{model}/ready"}}
    pods: dict[str, dict[str, Any]] = {
        "frontend": {"containers": [{"startupProbe": probe}]},
        "decode": {"containers": [{}], **({"nodeSelector": selector} if selector else {})},
    }
    objects = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"demo-{component}", "namespace": "default"},
            "spec": {"template": {"spec": spec}},
        }
        for component, spec in pods.items()
    ]
    return Cluster((ACCOUNT, *objects))


def test_another_model_is_noticed(render_fast: Renderer) -> None:
    error = render_fast(nested("frontend.replicas", 2), cluster=running("meta-llama/Llama-3.3-70B-Instruct")).error
    assert (
        "global.model.name: the release serves meta-llama/Llama-3.3-70B-Instruct, and these values are the "
        f"defaults, with {DEFAULT}" in error
    )
    assert "add its files (-f), or --reset-then-reuse-values" in error


def test_other_machines_are_noticed(render_fast: Renderer) -> None:
    selector = {"kubernetes.io/arch": "amd64", "node.kubernetes.io/instance-type": "Standard_NC40ads_H100_v5"}
    error = render_fast({}, cluster=running(DEFAULT, selector)).error
    assert "global.hardware: the release runs on nodes with node.kubernetes.io/instance-type" in error


@pytest.mark.parametrize(
    ("values", "cluster"),
    [
        ({}, running(DEFAULT, {"kubernetes.io/arch": "amd64"})),
        (nested("global.model.name", "Qwen/Qwen3-8B"), running("a/b", {"pool": "x"})),
        (nested("global.clusterChecks", False), running("a/b")),
        (nested("decode.nodeSelector", {"pool": "x"}), running(DEFAULT, {"pool": "x"})),
        ({}, Cluster((ACCOUNT,))),
        (
            merged(nested("global.model.sizeGiB", 16), nested("global.model.name", "Qwen/Qwen3-8B")),
            running("Qwen/Qwen3-8B"),
        ),
    ],
)
def test_what_is_meant_passes(render_fast: Renderer, values: dict[str, Any], cluster: Cluster) -> None:
    assert "forgets the installation's values" not in render_fast(values, cluster=cluster).error


def test_the_frontends_own_probe_is_understood(render_fast: Renderer) -> None:
    """What is looked up is what the chart renders."""
    manifests = render_fast(scenarios.content("values/aks-agg.yaml")).manifests
    probe = manifests.pod("frontend").container().spec["startupProbe"]
    assert probe["httpGet"]["path"] == f"/v1/models/{DEFAULT}/ready"
