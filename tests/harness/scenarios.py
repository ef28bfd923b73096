"""What the cross-cutting tests render: every values file, simulated too, and the features no scenario uses."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import yaml

from hack.paths import ROOT
from tests.harness import chart
from tests.harness.manifests import Manifests, merged

OVERLAY = "values/overlays/simulate.yaml"


@dataclass(frozen=True)
class Scenario:
    """Inputs of one render."""

    name: str
    files: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    def render(self, **options: Any) -> Manifests:
        """The objects."""
        return chart.render(self.values, self.files, **options)

    @functools.cached_property
    def effective(self) -> dict[str, Any]:
        """The values as templates see them: the defaults under the files under the values."""
        result: dict[str, Any] = {}
        for file in ("values.yaml", *self.files):
            result = merged(result, yaml.load((ROOT / file).read_text(), Loader=yaml.CSafeLoader))
        return merged(result, self.values)


EVERYTHING: dict[str, Any] = {
    "global": {
        "discovery": {"backend": "etcd"},
        "requestPlane": "nats",
        "eventPlane": "nats",
        "imagePullSecrets": ["pull"],
        "model": {"source": {"type": "pvc", "pvc": {"claimName": "weights"}}},
    },
    "etcd": {"enabled": True, "replicas": 3},
    "nats": {"enabled": True, "replicas": 3, "jetstream": {"enabled": True}},
    "frontend": {
        "replicas": 2,
        "ingress": {"enabled": True, "hosts": ["llm.example.com"]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "inference"}]},
    },
    **{
        role: {
            "replicas": 2,
            "env": {"A": "$(POD_IP)"},
            "volumes": {"data": {"mountPath": "/data", "source": {"emptyDir": {}}}},
        }
        for role in ("prefill", "decode")
    },
}

VALUES_FILES = tuple(sorted(f"values/{p.name}" for p in (ROOT / "values").glob("*.yaml")))
NAMED = [
    Scenario("defaults"),
    *(Scenario(file.removeprefix("values/").removesuffix(".yaml"), (file,)) for file in VALUES_FILES),
]
FEATURES = [
    Scenario("everything", values=EVERYTHING),
    Scenario(
        "single-subcharts",
        values={
            "etcd": {"enabled": True, "persistence": {"enabled": False}},
            "nats": {"enabled": True},
            "global": {"discovery": {"backend": "etcd"}, "eventPlane": "nats", "serving": "aggregated"},
        },
    ),
]
SIMULATED = [Scenario(f"{s.name}+simulate", (*s.files, OVERLAY), s.values) for s in [*NAMED, *FEATURES]]
# Without a golden file: it would hold the whole program.
PREFLIGHT = Scenario("preflight", values=merged(EVERYTHING, {"preflight": {"enabled": True}}))
ALL = [*NAMED, *FEATURES, *SIMULATED, PREFLIGHT]
