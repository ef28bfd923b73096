"""Values with which a simulated release is there sooner; no test proves anything about them."""

from typing import Any

# A rollout waits for some probes of each worker, and of decode for a quarter of the time of a hung prompt.
SOON = {"probes": {"readiness": {"periodSeconds": 1}}}
SHORT_PROMPTS = {"streamTimeoutSeconds": 20}
QUICK: dict[str, Any] = {
    "global": {"simulation": {"speedupRatio": 20}},
    "frontend": SHORT_PROMPTS,
    **dict.fromkeys(("prefill", "decode"), SOON),
}
