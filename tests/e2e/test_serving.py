"""Releases on a real cluster answer real requests, each in one prefill and one decode pod."""

from collections.abc import Callable

from hack.base.wait import wait_for
from hack.chart.helm import Helm
from hack.chart.manifests import merged, nested
from hack.chart.scenarios import SIMULATE
from hack.cluster.release import Release
from hack.cluster.serving import difference
from tests.e2e.quick import QUICK, peers

QWEN = "Qwen/Qwen3-0.6B"
RANKS = {"global": {"multiNode": {"controller": "statefulset"}}, "decode": {"parallelism": {"tensor": 16}}}

MakeRelease = Callable[..., Release]


def ask(release: Release, model: str, count: int) -> dict[str, dict[str, int]]:
    """Ask that many questions, every fifth streamed; returns what each worker pod counted."""
    endpoint = release.endpoint
    endpoint.wait_for_model(model)
    before = endpoint.served()
    for number in range(count):
        streamed = number % 5 == 0
        answer = endpoint.chat(model, f"Question {number}: what is a KV cache?", max_tokens=8, stream=streamed)
        assert answer.usage["completion_tokens"] == 8, answer
        assert not streamed or answer.chunks > 1, answer
    return difference(before, endpoint.served())


def totals(served: dict[str, dict[str, int]]) -> dict[str, int]:
    """Requests by pool."""
    return {component: sum(pods.values()) for component, pods in served.items()}


def test_etcd_discovery_and_nats_planes(release: MakeRelease) -> None:
    demo = release()
    values = {
        "global": {
            "discovery": {"backend": "etcd"},
            "requestPlane": "nats",
            "eventPlane": "nats",
            "router": {"mode": "kv"},
        },
        **peers("etcd", "nats"),
    }
    demo.install(merged(QUICK, values), files=[SIMULATE])
    assert "OK: 2 proved, 2 simulated" in demo.test()
    assert totals(ask(demo, QWEN, 10)) == {"prefill": 10, "decode": 10}
    # What no rollout can do is refused while its workers serve.
    for change, says in (
        (nested("global.discovery.backend", "kubernetes"), "find the running workers by etcd"),
        (nested("global.serving", "aggregated"), "global.serving: prefill pods serve"),
        (RANKS, "a Deployment runs the decode workers, and with these values a StatefulSet"),
    ):
        done = demo.attempt("upgrade", demo.name, demo.chart, "--reuse-values", values=change)
        assert done.code == 1, done.stdout
        assert says in done.stderr
    assert totals(ask(demo, QWEN, 2)) == {"prefill": 2, "decode": 2}


def test_the_default_values_by_helm_3(release: MakeRelease) -> None:
    demo = release(helm=Helm("helm3"))
    demo.install(QUICK, files=[SIMULATE])
    assert totals(ask(demo, QWEN, 5)) == {"prefill": 5, "decode": 5}


def test_two_releases_in_one_namespace_never_answer_for_each_other(release: MakeRelease) -> None:
    # As one's Dynamo namespace with the suffix of a generation.
    one, two = release("one"), release("one-deadbeef")
    for demo, model in ((one, "example/first"), (two, "example/second")):
        demo.install(merged(QUICK, {"global": {"model": {"name": model}}}), files=[SIMULATE])
    wait_for("one lists its model", one.endpoint.models, lambda models: models == ["example/first"], 120)
    wait_for("two lists its model", two.endpoint.models, lambda models: models == ["example/second"], 120)
    before = two.endpoint.served()
    assert totals(ask(one, "example/first", 10)) == {"prefill": 10, "decode": 10}
    assert totals(difference(before, two.endpoint.served())) == {"prefill": 0, "decode": 0}
    one.uninstall()
    assert totals(ask(two, "example/second", 3)) == {"prefill": 3, "decode": 3}
