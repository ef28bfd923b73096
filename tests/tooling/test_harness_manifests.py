"""The harness' own lookups and checks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness import kubeschema
from tests.harness.manifests import Container, Manifests, merged, nested
from tests.harness.wait import NotReachedError, wait_for


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


def test_waiting_returns_the_observation() -> None:
    states = iter([1, 2, 3])
    assert wait_for("three", lambda: next(states), lambda s: s == 3, timeout=5, interval=0) == 3


def test_waiting_in_vain_shows_the_last_state() -> None:
    with pytest.raises(NotReachedError, match=r"pods ready: not reached in 0 s; last observed: 1 of 2 ready"):
        wait_for("pods ready", lambda: "1 of 2 ready", lambda _: False, timeout=0.01, interval=0)


def test_waiting_for_something_that_fails_shows_the_error() -> None:
    def refuse() -> None:
        raise ConnectionError("refused")

    with pytest.raises(NotReachedError, match="last observed: ConnectionError: refused"):
        wait_for("answer", refuse, lambda _: True, timeout=0.01, interval=0)
