"""What the cross-cutting tests render: every values file, simulated too, and the features no scenario uses."""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml
from hack.chart import proofs
from hack.chart import render as chart
from hack.chart.manifests import Manifests, merged

OVERLAY = "values/overlays/simulate.yaml"
SIMULATE = ROOT / OVERLAY


@functools.cache
def content(file: str) -> dict[str, Any]:
    """A values file, by its path from the root."""
    return read_yaml(ROOT / file)


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
        return merged(*map(content, ("values.yaml", *self.files)), self.values)


def in_namespace(name: str) -> dict[str, Any]:
    """A peer of a NetworkPolicy: every pod of a namespace."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


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
    "canary": {"enabled": True},
    "networkPolicy": {
        "enabled": True,
        "clients": [in_namespace("gateways")],
        "monitoring": [in_namespace("monitoring")],
    },
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

# As recipes/qwen3-vl-30b/vllm/disagg-e-pd of ai-dynamo/dynamo.
ENCODERS: dict[str, Any] = {
    "global": {
        "model": {"name": "Qwen/Qwen3-VL-30B-A3B-Instruct", "sizeGiB": 58},
        "engine": {"args": {"gpu-memory-utilization": 0.85, "max-model-len": 16384}},
    },
    "encode": {"replicas": 2, "engineArgs": {"multimodal-embedding-cache-capacity-gb": 4}},
}
CACHE = {"engineArgs": {"multimodal-embedding-cache-capacity-gb": 10}}

VALUES_FILES = tuple(sorted(f"values/{p.name}" for p in (ROOT / "values").glob("*.yaml")))
NAMED = [
    Scenario("defaults"),
    *(Scenario(file.removeprefix("values/").removesuffix(".yaml"), (file,)) for file in VALUES_FILES),
]
FEATURES = [
    Scenario("everything", values=EVERYTHING),
    Scenario(
        "probe", ("values/a3u-multi.yaml",), {name: {"probe": {"enabled": True}} for name in ("test", "preflight")}
    ),
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
            {
                "global": {
                    "colocation": {"topologyKey": "kubernetes.io/hostname"},
                    "hardware": "gke-a3ultra",
                    "rdma": {"enabled": False},
                }
            },
        ),
    ),
    Scenario(
        "tls", values=merged(EVERYTHING, {"global": {"tls": {"secretName": "demo-tls"}, "natsSecret": "demo-nats"}})
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
    Scenario(
        "vllm-wide-ep",
        values=merged(
            model("pvc", claimName="weights"),
            {role: {"parallelism": {"data": 16, "expert": 16}} for role in ("prefill", "decode")},
        ),
    ),
    Scenario("encoders-aggregated", values=merged(ENCODERS, {"global": {"serving": "aggregated"}, "decode": CACHE})),
    Scenario(
        "encoders-disaggregated",
        values=merged(
            ENCODERS,
            {"networkPolicy": {"enabled": True, "clients": [in_namespace("gateways")]}, "prefill": CACHE},
        ),
    ),
    Scenario("dynamo-1.5.1", values={"global": {"engine": {"image": {"tag": "1.5.1"}}}}),
    Scenario(
        "disaggregatedset",
        values={"global": {"multiNode": {"controller": "disaggregatedset"}}, "decode": {"parallelism": {"tensor": 16}}},
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


def served(name: str) -> list[Path]:
    """Values file and simulation overlay of a scenario that tests/e2e installs; KeyError for any other."""
    if name not in proofs.served():
        raise KeyError(f"{name}: add it to tests/proofs.yaml, so that values/README.md says what is tested")
    return [ROOT / "values" / f"{name}.yaml", SIMULATE]


SIMULATED = [  # of encoders there is no simulation
    Scenario(f"{s.name}+simulate", (*s.files, OVERLAY), s.values)
    for s in [*NAMED, *FEATURES]
    if "encode" not in s.values
]
BENCHMARK: dict[str, Any] = {"enabled": True, "image": {"repository": "mine/aiperf", "tag": "0.13.0"}}
# Without golden files: they would hold the whole program, and all dashboards.
PREFLIGHT = Scenario("preflight", values=merged(EVERYTHING, {"preflight": {"enabled": True}}))
METRICS: dict[str, Any] = {
    "podMonitor": {
        "enabled": True,
        "labels": {"release": "stack"},
        "relabelings": [{"action": "replace", "targetLabel": "cluster", "replacement": "a"}],
        "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "dynamo_tokio_.*"}],
    },
    "rules": {"enabled": True, "labels": {"release": "stack"}},
    "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Dynamo"}},
}
MONITORED = Scenario("monitored", values=merged(EVERYTHING, {"metrics": METRICS}))
MEASURED = Scenario("measured", values=merged(EVERYTHING, {"benchmark": BENCHMARK}))
ALL = [*NAMED, *FEATURES, *SIMULATED, PREFLIGHT, MONITORED, MEASURED]
