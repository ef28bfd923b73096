"""Values with which a simulated release is there sooner; no test proves anything about them."""

from typing import Any

from hack.containers.build_images import loaded

# A rollout waits for some probes of each worker, and of decode for a quarter of the time of a hung prompt.
SOON = {"probes": {"readiness": {"periodSeconds": 1}}}
SHORT_PROMPTS = {"streamTimeoutSeconds": 20}
QUICK: dict[str, Any] = {
    "global": {"simulation": {"speedupRatio": 20}},
    "frontend": SHORT_PROMPTS,
    **dict.fromkeys(("prefill", "decode"), SOON),
}


def peers(*names: str, replicas: int = 1) -> dict[str, Any]:
    """etcd or NATS in the release, small: those of several tests share a node."""
    small = {"enabled": True, "replicas": replicas, "resources": {"requests": {"cpu": "20m"}}}
    return {name: {**small, "image": loaded(name)} for name in names}
