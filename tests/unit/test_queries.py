"""Whose objects the queries of kube-state-metrics find: Prometheus anchors a pattern at both ends."""

import re

import pytest

from hack.monitoring import queries
from hack.monitoring.queries import Scope

SCOPE = Scope('namespace="llm", job="demo"', "5m")
RELEASES = ("demo-2", "demo-two", "demo-decode", "demo-canary", "demo-deadbeef")
PODS = (
    "frontend-5b44f67f99-2k4hh",
    "decode-59d68ffd79-72kg2",
    "etcd-0",
    "nats-2",
    "decode-group-0",
    "decode-group-0-1",
    "prefill-rank-1-0",
    "0badf00d-prefill-0",
    "0-0badf00d-decode-0-1",
)


def matches(query: str, name: str) -> bool:
    (pattern,) = re.findall(r'(?:pod|job_name)=~"([^"]+)"', query)
    return bool(re.fullmatch(pattern, name))


@pytest.mark.parametrize("pod", PODS)
def test_restarts_are_those_of_the_release(pod: str) -> None:
    query = queries.restarts(SCOPE)
    assert matches(query, f"demo-{pod}")
    assert [release for release in RELEASES if matches(query, f"{release}-{pod}")] == []


def test_canaries_are_those_of_the_release() -> None:
    query = queries.failed_canary(SCOPE)
    assert matches(query, "demo-canary-29384756")
    assert not matches(query, "demo-canary-preflight")
    assert not matches(query, "demo-canary-canary-29384756")
