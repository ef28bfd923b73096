"""Three times the load that a release can take: what it refuses, and how the others fare."""

from dataclasses import dataclass
from typing import Any

from hack.base.wait import pause
from hack.chart.helm import Values
from hack.chart.manifests import merged, nested
from hack.cluster.release import Release
from hack.reliability.clients import MODEL, lost, waves

# One worker of each role, of an engine half as fast as the one that is modelled: two cores can ask more than it can do.
SIMULATED: Values = {
    "global": {
        "simulation": {"enabled": True, "speedupRatio": 0.5, "resources": {"requests": {"cpu": "150m"}}},
        "router": {"mode": "kv"},
        "kvCache": {"blockSize": 64},
    }
}
VALUES: Values = merged(SIMULATED, nested("frontend.rejection", {"promptTokens": 8000, "kvUsagePercent": 90}))
WORDS, TOKENS = 1000, 64
FLOOD, FLOOD_SECONDS, SECONDS, REST_SECONDS = 12.0, 40, 60, 5
TIMES = 3
# What is promised of a refusal, and of the first token of an answer beside one at capacity.
REFUSED_SECONDS, SLOWER = 1, 2


@dataclass(frozen=True)
class Overload:
    """A release at its capacity, and at three times that."""

    capacity: float
    at: dict[str, Any]
    beyond: dict[str, Any]

    def wrong(self) -> list[str]:
        """What should not be, if anything."""
        found = [
            f"{lost(phase)} requests lost at {phase['rate']:g}/s" for phase in (self.at, self.beyond) if lost(phase)
        ]
        if not self.beyond["shed"]:
            found.append("nothing was refused")
        if self.beyond["slowest_refusal"] > REFUSED_SECONDS:
            found.append(f"a refusal took {self.beyond['slowest_refusal']} s")
        if self.beyond["first_token_p99"] > SLOWER * self.at["first_token_p99"]:
            found.append(f"the first token took {self.beyond['first_token_p99']} s, not {self.at['first_token_p99']} s")
        return found


def overload(release: Release) -> Overload:
    """Far too much load says what the capacity is: what was answered in a second. Then that much, and three times."""
    release.install(VALUES)
    release.endpoint.wait_for_model(MODEL)
    (flood,) = waves(release, WORDS, TOKENS, [(FLOOD, FLOOD_SECONDS)])
    capacity = round(flood["right"] / FLOOD_SECONDS, 1)
    pause(REST_SECONDS)
    (at,) = waves(release, WORDS, TOKENS, [(capacity, SECONDS)])
    pause(REST_SECONDS)
    (beyond,) = waves(release, WORDS, TOKENS, [(TIMES * capacity, SECONDS)])
    return Overload(capacity, at, beyond)
