"""What the cross-cutting tests render: every values file, simulated too, and the features no scenario uses."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hack.paths import ROOT
from tests.harness import chart
from tests.harness.manifests import Manifests, merged

OVERLAY = "values/overlays/simulate.yaml"
SIMULATE = ROOT / OVERLAY


@functools.cache
def content(file: str) -> dict[str, Any]:
    """A values file, by its path from the root."""
    values: dict[str, Any] = yaml.load((ROOT / file).read_text(), Loader=yaml.CSafeLoader)
    return values


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
            result = merged(result, content(file))
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


def model(kind: str, **block: Any) -> dict[str, Any]:
    """Values of a model whose weights come from a source of this type."""
    return {"global": {"model": {"name": "org/model", "sizeGiB": 30, "source": {"type": kind, kind: block}}}}


TRTLLM: dict[str, Any] = {
    "global": {
        "engine": {
            "name": "trtllm",
            "args": {"max-num-tokens": 8192, "publish-metrics": True, "trtllm.kv_cache_config": {"dtype": "fp8"}},
        },
    },
    "prefill": {"engineArgs": {"trtllm.cache_transceiver_config.max_tokens_in_buffer": 16384}},
    "decode": {"parallelism": {"tensor": 4, "expert": 4}},
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
    Scenario(
        "model-download",
        values=model(
            "huggingface",
            tokenSecret={"name": "hf"},
            cache={"create": {"enabled": True, "size": "100Gi", "storageClass": "shared"}},
            download={"enabled": True, "revision": "v1.0", "ignorePatterns": ["original/*"]},
        ),
    ),
    Scenario(
        "model-one-node",
        values=merged(
            model("pvc", create={"enabled": True, "size": "100Gi", "accessModes": ["ReadWriteOnce"], "keep": False}),
            {"global": {"colocation": {"topologyKey": "kubernetes.io/hostname"}, "hardware": "gke-a3ultra"}},
        ),
    ),
    Scenario("model-host-path", values=model("hostPath", path="/mnt/models/a")),
    Scenario("model-image", values=model("ociImage", image={"repository": "models/a", "tag": "1"}, path="a")),
    Scenario(
        "model-csi",
        values=model(
            "csi",
            driver="blob.csi.azure.com",
            volumeAttributes={"containerName": "weights"},
            nodePublishSecretRef={"name": "blob"},
        ),
    ),
    Scenario("trtllm", values=TRTLLM),
    *(
        Scenario(
            f"trtllm-{controller}",
            values=merged(
                TRTLLM,
                {
                    # A machine that makes workers root, for what sshd needs then.
                    "global": {
                        "hardware": "gke-a3ultra",
                        "multiNode": {"controller": controller, "sshSecret": "mpi-ssh"},
                    },
                    "prefill": {"parallelism": {"tensor": 16, "expert": 16}},
                    "decode": {"parallelism": {"tensor": 16, "data": 16, "expert": 16}},
                },
            ),
        )
        for controller in ("lws", "statefulset")
    ),
]
# What tests/e2e installs on kind, simulated, and asks. Its tests take their files from served(), and values/README.md
# shows the names; tests/tooling/test_scenario_docs.py holds the two together.
SERVED = ("a3u-multi", "a4x-10p8d", "aks-agg-router", "tke-h20-multi")


def served(name: str) -> list[Path]:
    """Values file and simulation overlay of a scenario that tests/e2e installs; KeyError for any other."""
    if name not in SERVED:
        raise KeyError(f"{name}: add it to SERVED, so that values/README.md says what is tested")
    return [ROOT / "values" / f"{name}.yaml", SIMULATE]


SIMULATED = [Scenario(f"{s.name}+simulate", (*s.files, OVERLAY), s.values) for s in [*NAMED, *FEATURES]]
# Without a golden file: it would hold the whole program.
PREFLIGHT = Scenario("preflight", values=merged(EVERYTHING, {"preflight": {"enabled": True}}))
ALL = [*NAMED, *FEATURES, *SIMULATED, PREFLIGHT]
