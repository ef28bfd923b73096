"""How long an upgrade is an outage where the only worker of a role ends before the new one starts."""

from datetime import datetime
from typing import Any

from hack.cluster.release import Release

WORKERS = ("prefill", "decode")


def expected(release: Release, longest_answer: float) -> float:
    """
    Seconds from the old workers' deletion to the new ones' readiness, by what the release's own pods took: the longest
    answer in flight ends, the preStop hook has waited, and the slowest worker starts. The engine is Dynamo's mocker,
    which has no grace period of its own (findings/dynamo-mocker-has-no-grace-period.sh).
    """
    pods = [
        pod for role in WORKERS for pod in release.kube.pods(release.namespace, instance=release.name, component=role)
    ]
    return longest_answer + max(map(idle, pods)) + max(map(started, pods))


def idle(pod: Any) -> float:
    """Seconds that the hook of a pod waits though nothing is in flight (charts/common/templates/_drain.tpl)."""
    (engine,) = [container for container in pod.spec.containers if container.name == "engine"]
    hook = engine.lifecycle.pre_stop
    return float(hook.sleep.seconds if hook.sleep else hook._exec.command[4])


def started(pod: Any) -> float:
    """Seconds that a ready pod took on its node."""
    times: dict[str, datetime] = {item.type: item.last_transition_time for item in pod.status.conditions}
    return (times["Ready"] - times["PodScheduled"]).total_seconds()
