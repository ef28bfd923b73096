"""Lookups in rendered objects, and the schemas they must fit."""

from typing import Any

import pytest

from hack.chart import kubeschema
from hack.chart.manifests import Container, Manifests, merged, nested


def deployment(**container: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "decode"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "demo-decode", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "worker", **container}]},
            },
        },
    }


def test_one_lists_what_there_is_when_it_does_not_find_exactly_one() -> None:
    manifests = Manifests([deployment()])
    assert manifests.one("Deployment", component="decode")["metadata"]["name"] == "demo-decode"
    with pytest.raises(LookupError, match=r"0 objects match Service .*Deployment/demo-decode"):
        manifests.one("Service")


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--a", "1"], "1"),
        (["--a=1"], "1"),
        (["--a"], ""),
        (["--a", "--b"], ""),
        (["--b", "1"], None),
    ],
)
def test_flag(arguments: list[str], value: str | None) -> None:
    assert Container("Pod/x", {"name": "x", "args": arguments}).flag("a") == value


def test_merged_replaces_lists_and_merges_maps() -> None:
    assert merged({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2], "d": None}}) == {"a": {"b": 1, "c": [2], "d": None}}
    assert nested("a.b", 1) == {"a": {"b": 1}}
    assert nested(["a", "x.y/z"], 1) == {"a": {"x.y/z": 1}}


def test_a_good_object_has_no_problems() -> None:
    ports = [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]
    assert kubeschema.problems(deployment(image="a:1", ports=ports)) == []


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"imagee": "a:1"}, "imagee"),
        (
            {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
            "two entries with {'name': 'A'}",
        ),
        ({"env": [{"name": "A", "value": 1}]}, "1 is not of type 'string'"),
        (
            {"ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]},
            "two entries with {'containerPort': 80, 'protocol': 'TCP'}",
        ),
        ({"resources": {"limits": {"memory": "4 GB"}}}, "'4 GB' does not match"),
    ],
)
def test_what_the_api_server_would_refuse_is_a_problem(container: dict[str, Any], message: str) -> None:
    (problem,) = kubeschema.problems(deployment(**container))
    assert message in problem
    assert problem.startswith("Deployment/demo-decode: $.spec.template.spec.containers[0]")


def test_an_unknown_kind_is_an_error_of_the_harness() -> None:
    with pytest.raises(LookupError, match=r"apps/v1 DaemonSet is not in schemas/kubernetes"):
        kubeschema.problems({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "x"}})
