"""How long an upgrade is an outage where the only worker of a role ends before the new one starts."""

from datetime import datetime
from typing import Any

from hack.cluster.release import Release

WORKERS = ("prefill", "decode")
# An idle worker goes after so long (charts/common/templates/_drain.tpl).
IDLE_SECONDS = 5


def expected(release: Release, longest_answer: float) -> float:
    """
    Seconds from the old workers' deletion to the new ones' readiness, by what the release's own pods took: the longest
    answer in flight ends, the worker sees that nothing comes, and the slowest worker starts.
    """
    slowest = 0.0
    for role in WORKERS:
        pods = release.kube.pods(release.namespace, instance=release.name, component=role)
        slowest = max(slowest, *map(started, pods))
    return longest_answer + IDLE_SECONDS + slowest


def started(pod: Any) -> float:
    """Seconds that a ready pod took on its node."""
    times: dict[str, datetime] = {item.type: item.last_transition_time for item in pod.status.conditions}
    return (times["Ready"] - times["PodScheduled"]).total_seconds()
