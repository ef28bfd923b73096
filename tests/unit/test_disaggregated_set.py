"""Both pools as one object, which the controller of LeaderWorkerSet updates as one."""

import json
from typing import Any

import pytest

from hack.chart import render as chart
from hack.chart.manifests import COMPONENT, merged, nested
from hack.chart.render import Render
from hack.chart.renderer import Cluster, Renderer

SET = nested("global.multiNode.controller", "disaggregatedset")
LWS = nested("global.multiNode.controller", "lws")
# Prefill of one node beside decode of two.
UNEVEN = {"prefill": {"replicas": 2}, "decode": {"parallelism": {"tensor": 16}}}


def roles(render: Render, *values: dict[str, Any]) -> dict[str, Any]:
    """The roles of the only object that runs workers."""
    given = SET
    for one in values:
        given = merged(given, one)
    manifests = render(given)
    item = manifests.one("DisaggregatedSet")
    assert item["metadata"]["name"] == "demo"
    assert {p.owner["kind"] for p in manifests.pods() if p.labels[COMPONENT] in ("prefill", "decode")} == {item["kind"]}
    return {role["name"]: role for role in item["spec"]["roles"]}


def test_a_role_is_what_its_leader_worker_set_would_be(render: Render, role: str) -> None:
    shape = {
        role: {"replicas": 2, "parallelism": {"tensor": 16}, "exclusiveTopologyKey": "rack", "labels": {"q": "llm"}}
    }
    made = roles(render, shape)[role]
    alone = render(merged(LWS, shape)).one("LeaderWorkerSet", component=role)
    for part in ("leaderTemplate", "workerTemplate"):
        spec = made["spec"]["leaderWorkerTemplate"][part]["spec"]
        env = spec["containers"][0]["env"]
        # The controller names the group: here its leader reads the name.
        spec["containers"][0]["env"] = [entry for entry in env if entry["name"] != "DYNAMO_GROUP"]
        assert (len(env) > len(spec["containers"][0]["env"])) == (part == "leaderTemplate")
    assert made["spec"] == alone["spec"]
    assert made["metadata"] == {key: alone["metadata"][key] for key in ("labels", "annotations")}


def test_a_worker_of_one_node_is_a_group_of_one_pod(render: Render, role: str) -> None:
    made = roles(render, {role: {"replicas": 3}})[role]["spec"]
    assert (made["replicas"], made["leaderWorkerTemplate"]["size"]) == (3, 1)
    assert "leaderTemplate" not in made["leaderWorkerTemplate"]
    template = render({role: {"replicas": 3}}).pod(role).owner["spec"]["template"]
    assert made["leaderWorkerTemplate"]["workerTemplate"] == template


def test_updates_ask_for_new_nodes_only_where_a_worker_is_on_one(render: Render) -> None:
    found = {
        name: r["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"] for name, r in roles(render, UNEVEN).items()
    }
    assert found == {"prefill": {"maxSurge": 1, "maxUnavailable": 0}, "decode": {"maxSurge": 0, "maxUnavailable": 1}}


def test_workers_of_one_generation_are_in_one_revision(render: Render) -> None:
    """The controller's revision is of both roles' templates, and each of them has the generation of both."""
    change = {"decode": {"engineArgs": {"attention-backend": "FLASHINFER"}}}
    before, after = roles(render), roles(render, change)
    for name in before:
        assert before[name]["spec"]["leaderWorkerTemplate"] != after[name]["spec"]["leaderWorkerTemplate"], name


def test_the_preflight_asks_for_both_kinds(render: Render) -> None:
    manifests = render(merged(merged(SET, UNEVEN), nested("preflight.enabled", True)))
    asked = json.loads(manifests.one("ConfigMap", component="preflight")["data"]["needs.json"])
    assert {api for api in asked["apis"] if "x-k8s.io" in api} == {
        "disaggregatedset.x-k8s.io/v1 DisaggregatedSet",
        "leaderworkerset.x-k8s.io/v1 LeaderWorkerSet",
    }
    pools = {pool["component"]: [pool["groups"], *(pod["count"] for pod in pool["pods"])] for pool in asked["pools"]}
    assert (pools["prefill"], pools["decode"]) == ([2, 1], [1, 1, 1])


def test_the_notes_wait_for_what_the_controller_makes() -> None:
    text = chart.notes(merged(SET, {"prefill": {"probes": {"startup": {"budgetSeconds": 7200}}}}))
    # Ten minutes more for the node and the image.
    wanted = "wait leaderworkerset -l disaggregatedset.x-k8s.io/name=demo --for=condition=Available --timeout=7800s"
    assert wanted in text
    assert "helm --wait does not wait for LeaderWorkerSets" in text


def test_a_cluster_without_the_controller_is_told(render_fast: Renderer) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
    group, both = "leaderworkerset.x-k8s.io/v1/LeaderWorkerSet", "disaggregatedset.x-k8s.io/v1/DisaggregatedSet"
    error = render_fast(SET, cluster=Cluster((account,), (group,))).error
    assert "global.multiNode.controller: the cluster has no DisaggregatedSet (disaggregatedset.x-k8s.io/v1): " in error
    assert "install LeaderWorkerSet 0.9 or newer" in error
    assert "or set global.multiNode.controller=lws" in error
    assert render_fast(SET, cluster=Cluster((account,), (group, both))).error == ""


@pytest.mark.parametrize("away", [0, 1])
def test_no_last_worker_is_stuck_with_it(away: int) -> None:
    """What plain LeaderWorkerSets before 0.9 did, and which release has no such sets."""
    values = merged(UNEVEN, {"decode": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": away}}})
    assert ("LeaderWorkerSet before 0.9" in chart.notes(merged(LWS, values))) == (away == 0)
    assert "LeaderWorkerSet before 0.9" not in chart.notes(merged(SET, values))


@pytest.mark.parametrize(
    ("prefill", "decode", "warned"),
    [
        ((5, 0), (1, 0), {"decode"}),
        ((1, 0), (5, 0), {"prefill"}),
        ((2, 0), (1, 0), set()),
        ((5, 0), (3, 0), set()),
        ((2, 1), (1, 0), {"decode"}),
        ((2, 1), (1, 1), set()),
        ((1, 1), (2, 0), set()),
        ((1, 0), (1, 0), set()),
    ],
)
def test_a_role_that_surges_all_the_same_is_warned_of(
    render_fast: Renderer, prefill: tuple[int, int], decode: tuple[int, int], warned: set[str]
) -> None:
    """The cases, with replicas and maxSurge, are from the planner itself: the finding of this name."""
    values = SET
    for role, (replicas, surge) in {"prefill": prefill, "decode": decode}.items():
        rolling = {"maxSurge": surge, "maxUnavailable": 1 - surge}
        values = merged(values, {role: {"replicas": replicas, "rollingUpdate": rolling}})
    text = " ".join(render_fast(values).notes.split())
    found = {role for role in ("prefill", "decode") if f"{role}.rollingUpdate.maxSurge is 0, and an update" in text}
    assert found == warned
    alone = {role for role, shape in {"prefill": prefill, "decode": decode}.items() if shape == (1, 0)}
    assert ("An upgrade that changes the workers is an outage" in text) == bool(alone - warned)
    assert "and an update of the DisaggregatedSet" not in render_fast(merged(values, LWS)).notes
