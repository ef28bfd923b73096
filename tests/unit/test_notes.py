"""What an installation prints: how to send the first request, in commands that fit the values."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.harness import chart, scenarios
from tests.harness.manifests import merged
from tests.harness.renderer import Renderer

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
    assert f"Prove that {'a worker answers' if aggregated else 'both pools answer'}:\n" in text
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
    groups = {item["metadata"]["name"] for item in manifests.objects if item["kind"] == "LeaderWorkerSet"}
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
