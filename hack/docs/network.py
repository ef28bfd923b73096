"""The table of docs/security.md: who reaches whom in a closed release, evaluated from its NetworkPolicies."""

from typing import Any

from hack.chart.manifests import merged
from hack.chart.network import OTHER_PORT, matrix
from hack.chart.scenarios import BENCHMARK, FEATURES, Scenario, in_namespace

CLOSED: dict[str, Any] = {
    "networkPolicy": {
        "enabled": True,
        "clients": [in_namespace("gateways")],
        "monitoring": [in_namespace("monitoring")],
        "apiServer": {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]},
    },
    "preflight": {"enabled": True},
    "canary": {"enabled": True},
    "benchmark": BENCHMARK,
}
# A scenario, and what it stands for.
SHOWN = {
    "defaults": "Kubernetes discovery, each pod downloads the model",
    "model-download": "Kubernetes discovery, a Job downloads the model",
    "everything": "etcd and NATS of the release, the model in a claim",
}


def rows() -> list[list[str]]:
    """A row for each group of pods that reach the same."""
    found = []
    scenarios = {scenario.name: scenario for scenario in [Scenario("defaults"), *FEATURES]}
    for name, what in SHOWN.items():
        values = merged(scenarios[name].values, CLOSED)
        groups: dict[str, list[str]] = {}
        for source, reached in matrix(Scenario(name, values=values).render()).items():
            groups.setdefault(_reached(reached), []).append(source)
        found += [[what, ", ".join(sources), reached] for reached, sources in groups.items()]
    return found


def _reached(targets: dict[str, list[int]]) -> str:
    ports: dict[str, list[str]] = {}
    for target, open_ports in targets.items():
        text = "every port" if OTHER_PORT in open_ports else ", ".join(map(str, open_ports))
        ports.setdefault(text, []).append(target)
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in ports.items())
