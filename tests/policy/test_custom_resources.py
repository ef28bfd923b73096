"""Objects of kinds that are not Kubernetes' own, against the CRDs of those who define them."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hack.chart import crds, kubeschema
from hack.chart.manifests import Object, merged, nested
from hack.chart.scenarios import MONITORED, NAMED, OVERLAY, Scenario
from hack.schema import kubernetes as openapi

LEADER_WORKER_SETS = [
    *(s for s in NAMED if s.name in ("a4x-10p8d", "a4xmax-10p8d")),
    Scenario("a4x-10p8d+simulate", ("values/a4x-10p8d.yaml", OVERLAY)),
    Scenario(
        "vllm",
        values={
            "global": {"kvTransfer": {"connector": "mooncake"}},
            "prefill": {"replicas": 2, "parallelism": {"tensor": 16}, "exclusiveTopologyKey": "rack"},
            "decode": {"parallelism": {"tensor": 16}, "rollingUpdate": {"maxSurge": "50%"}},
        },
    ),
]


CRDS: dict[str, Callable[[], Path]] = {
    "LeaderWorkerSet": crds.leader_worker_set,
    "DisaggregatedSet": functools.partial(crds.leader_worker_set, "disaggregatedsets"),
    "PodMonitor": functools.partial(crds.prometheus_operator, "podmonitors"),
    "PrometheusRule": functools.partial(crds.prometheus_operator, "prometheusrules"),
}


@functools.cache
def real_schema(kind: str) -> dict[str, Any]:
    """The schema of those who define a kind, closed: a field it does not know would be dropped without a word."""
    crd = yaml.load(CRDS[kind]().read_text(), Loader=yaml.CSafeLoader)
    (version,) = (v for v in crd["spec"]["versions"] if v["name"] == "v1")
    schema = openapi.simplified(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def errors(item: Object) -> list[str]:
    found = Draft202012Validator(real_schema(item["kind"])).iter_errors(item)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


@pytest.mark.parametrize("scenario", LEADER_WORKER_SETS, ids=lambda s: s.name)
def test_leader_worker_sets_fit_the_real_crd(scenario: Scenario) -> None:
    items = scenario.render().all("LeaderWorkerSet")
    assert len(items) == 2
    assert {item["metadata"]["name"]: errors(item) for item in items} == {i["metadata"]["name"]: [] for i in items}


@pytest.mark.parametrize("scenario", LEADER_WORKER_SETS, ids=lambda s: s.name)
def test_a_disaggregated_set_fits_the_real_crd(scenario: Scenario) -> None:
    values = merged(scenario.values, nested("global.multiNode.controller", "disaggregatedset"))
    (item,) = Scenario(scenario.name, scenario.files, values).render().all("DisaggregatedSet")
    assert errors(item) == []
    item["spec"]["roles"][0]["spec"]["misspelt"] = 1
    (problem,) = kubeschema.problems(item)
    assert "misspelt" in problem
    (error,) = errors(item)
    assert "misspelt" in error


@pytest.mark.parametrize(("kind", "count"), [("PodMonitor", 3), ("PrometheusRule", 1)])
def test_monitoring_fits_the_real_crds(kind: str, count: int) -> None:
    items = MONITORED.render().all(kind)
    assert {item["metadata"]["name"]: errors(item) for item in items} == {i["metadata"]["name"]: [] for i in items}
    assert len(items) == count


@pytest.mark.parametrize(
    "path",
    [(), ("spec",), ("spec", "leaderWorkerTemplate"), ("spec", "leaderWorkerTemplate", "workerTemplate", "spec")],
    ids="/".join,
)
def test_both_schemas_find_a_misspelt_field(path: tuple[str, ...]) -> None:
    item = LEADER_WORKER_SETS[0].render().all("LeaderWorkerSet")[0]
    part = item
    for key in path:
        part = part[key]
    part["misspelt"] = 1
    (problem,) = kubeschema.problems(item)
    assert "misspelt" in problem
    (error,) = errors(item)
    assert "misspelt" in error


def test_a_compute_domain_with_a_misspelt_field_is_a_problem() -> None:
    item = LEADER_WORKER_SETS[0].render().one("ComputeDomain")
    item["spec"]["channel"]["resourceClaim"] = {"name": "x"}
    (problem,) = kubeschema.problems(item)
    assert "resourceClaim" in problem
