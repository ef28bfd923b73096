"""The real scheduler places every pod of every values file on the expected number of nodes of its machine."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest

from hack.chart import proofs
from hack.chart.scenarios import NAMED, VALUES_FILES
from hack.cluster.kube import Kube
from hack.kwok.nodes import FakeNode
from hack.kwok.simulator import Simulator
from hack.kwok.site import Site, components, gpus, made, workers

SCENARIOS = {scenario.name: scenario for scenario in NAMED}


@dataclasses.dataclass(frozen=True)
class Expected:
    """Nodes and GPUs of the workers, pods of each component, and what is said (a pattern) with one node less."""

    nodes: int
    gpus: int
    pods: dict[str, int]
    lacking: str = r"Insufficient nvidia\.com/gpu"


# No node is left that has the labels of the machine, so that its devices do not come into it.
NO_MACHINE = r"^(?!.*Insufficient).*didn't match Pod's node affinity/selector"

# There is room on the other one's node, and it keeps away.
APART = r"pods? anti-affinity rules"
PAIR = {"frontend": 1, "prefill": 1, "decode": 1}

EXPECTED = {
    "a3u-guide-4p4d": Expected(1, 8, {"frontend": 1, "prefill": 1, "decode": 1}, NO_MACHINE),
    "a3u-guide-baseline": Expected(1, 8, {"frontend": 1, "decode": 1}, NO_MACHINE),
    "a3u-multi": Expected(2, 16, {"frontend": 1, "prefill": 1, "decode": 1}),
    "a3u-single": Expected(1, 8, {"frontend": 1, "prefill": 1, "decode": 1}, NO_MACHINE),
    "a4x-10p8d": Expected(18, 72, {"frontend": 9, "prefill": 10, "decode": 8}),
    "a4x-1p1d": Expected(2, 8, {"frontend": 9, "prefill": 1, "decode": 1}),
    "a4xmax-10p8d": Expected(18, 72, {"frontend": 9, "prefill": 10, "decode": 8}),
    "a4xmax-1p1d": Expected(2, 8, {"frontend": 9, "prefill": 1, "decode": 1}),
    "aks-nd-h100-1p1d": Expected(2, 8, PAIR, APART),
    "eks-p5-1p1d": Expected(2, 8, PAIR, APART),
    "eks-p6-b200-1p1d": Expected(2, 8, PAIR, APART),
    "gke-a3ultra-dra-1p1d": Expected(1, 8, PAIR, NO_MACHINE),
    "gke-a4-1p1d": Expected(1, 8, PAIR, NO_MACHINE),
    "infiniband-1p1d": Expected(2, 8, PAIR, APART),
    "aks-agg": Expected(1, 1, {"frontend": 1, "decode": 1}, NO_MACHINE),
    "aks-agg-router": Expected(2, 2, {"frontend": 1, "decode": 2}),
    "aks-disagg": Expected(2, 2, {"frontend": 1, "prefill": 1, "decode": 1}),
    "aks-disagg-router": Expected(4, 4, {"frontend": 1, "prefill": 2, "decode": 2}),
    "tke-h20-multi": Expected(3, 24, {"frontend": 1, "prefill": 20, "decode": 1}),
    "tke-h20-single": Expected(1, 8, {"frontend": 1, "prefill": 4, "decode": 1}),
}


def test_every_values_file_is_expected_and_documented(pytestconfig: pytest.Config) -> None:
    files = sorted(file.removeprefix("values/").removesuffix(".yaml") for file in VALUES_FILES)
    assert sorted(EXPECTED) == files
    if not pytestconfig.getoption("update_proofs"):  # they are written at the end
        assert sorted(proofs.scheduled()) == files, "run `make scheduling`"


@pytest.mark.parametrize("name", EXPECTED)
def test_placed_and_with_one_node_less_not(
    name: str, kube: Kube, simulator: Simulator, report: Callable[[str, dict[str, Any]], None]
) -> None:
    expected, scenario = EXPECTED[name], SCENARIOS[name]
    with made(kube, simulator, scenario) as site:
        # Where prefill and decode must share a node they get a second one, so that they share it by choice.
        together = bool(scenario.effective["global"]["colocation"]["topologyKey"])
        machines = {node.name: node for node in site.machines(expected.nodes + together)}
        simulator.add(site.namespace, list(machines.values()))
        started = site.install()
        pods = site.wait_for(expected.pods, {})
        seconds = time.monotonic() - started
        used = {pod.spec.node_name for pod in workers(pods)}
        assert len(used) == expected.nodes
        assert gpus(pods, site.machine.gpu_resource) + site.claimed_gpus() == expected.gpus
        assert sum(len(p.spec.resource_claims or []) for p in pods) == site.machine.claims * len(workers(pods))
        assert site.claims_outside_their_node(pods) == []
        seen = {"pods": expected.pods, "nodes": expected.nodes, "gpus": expected.gpus, "seconds": round(seconds, 1)}
        report(name, seen)
        for node in machines.keys() - used:
            simulator.lose(node)
        for node in one_of_each_pool(pods):
            lose_and_return(site, expected, machines[node])


def one_of_each_pool(pods: list[Any]) -> set[str]:
    """A node with a prefill worker and one with a decode worker, which may be the same."""
    return set({components([pod]).popitem()[0]: pod.spec.node_name for pod in workers(pods)}.values())


def lose_and_return(site: Site, expected: Expected, node: FakeNode) -> None:
    """Without a node exactly its workers are pending, and for the expected reason; they run when it is there again."""
    on_it = [pod for pod in workers(site.pods()) if pod.spec.node_name == node.name]
    lost = components(on_it)
    left = {name: count - lost.get(name, 0) for name, count in expected.pods.items()}
    site.simulator.lose(node.name)
    site.wait_for({name: count for name, count in left.items() if count}, lost)
    site.wait_for_reason(expected.lacking)
    site.simulator.add(site.namespace, [node])
    site.wait_for(expected.pods, {})
