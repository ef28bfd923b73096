"""Values with which a simulated release is there sooner; no test proves anything about them."""

from typing import Any

# A rollout waits for three readiness periods of each worker.
SOON = {"probes": {"readiness": {"periodSeconds": 1}}}
QUICK: dict[str, Any] = {"global": {"simulation": {"speedupRatio": 20}}, "prefill": SOON, "decode": SOON}
