"""Scenarios on nodes of their machines, simulated: each streamed request runs once in every pool."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.chart.manifests import merged
from hack.chart.scenarios import NAMED, served
from hack.cluster.lifecycle import Cluster
from hack.cluster.release import Release
from hack.cluster.serving import Endpoint, difference
from tests.clusterfixtures import dressed, remove
from tests.e2e.quick import QUICK

SMALL = merged(QUICK, {"global": {"simulation": {"speedupRatio": 100, "resources": {"requests": {"cpu": "10m"}}}}})
REQUESTS = 10


def one_request(endpoint: Endpoint, model: str, number: int) -> dict[str, list[int]]:
    """Stream one answer; returns what the pods that had to do with it counted, by pool."""
    before = endpoint.served()
    answer = endpoint.chat(model, f"Question {number}: what is a KV cache?", max_tokens=8, stream=True)
    assert answer.usage["completion_tokens"] == 8, answer
    assert answer.chunks > 1, answer
    counted = difference(before, endpoint.served())
    return {component: [count for count in pods.values() if count] for component, pods in counted.items()}


@pytest.mark.parametrize(
    ("files", "gpus", "workers"),
    [
        (served("a3u-multi"), 8, {"prefill": 1, "decode": 1}),
        (served("aks-agg-router"), 1, {"decode": 2}),
        # Two nodes stand for three machines of eight.
        (served("tke-h20-multi"), 12, {"prefill": 20, "decode": 1}),
    ],
    ids=["a3u-multi", "aks-agg-router", "tke-h20-multi"],
)
def test_each_streamed_request_runs_once_in_every_pool(
    files: list[Path], gpus: int, workers: dict[str, int], running: Cluster, release: Callable[..., Release]
) -> None:
    (scenario,) = (s for s in NAMED if s.name == files[0].stem)
    machine, model = (scenario.effective["global"][key] for key in ("hardware", "model"))
    with dressed(running, machine, gpus):
        demo = release()
        demo.install(SMALL, files=files, timeout=340)
        endpoint = dataclasses.replace(demo.endpoint, port=scenario.effective["frontend"]["service"]["port"])
        endpoint.wait_for_model(model["name"])
        assert {component: len(pods) for component, pods in endpoint.served().items()} == workers
        once = {component: [1] for component in workers}
        counted = [one_request(endpoint, model["name"], number) for number in range(REQUESTS)]
        assert counted == [once] * REQUESTS
        remove(demo)
