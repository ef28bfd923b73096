"""What a namespace looks like, as text for a failure."""

from typing import Any

from kubernetes.client import ApiException

from hack.cluster.kube import Kube

LOG_LINES = 40


def namespace_report(kube: Kube, namespace: str) -> str:
    """Pods with their conditions, the last events, and the end of every container's log."""
    pods = kube.core.list_namespaced_pod(namespace).items
    events = kube.core.list_namespaced_event(namespace).items
    parts = [f"=== namespace {namespace}: {len(pods)} pods"]
    parts += [pod_line(pod) for pod in pods]
    parts.append("--- last events")
    parts += [event_line(event) for event in sorted(events, key=event_time)[-25:]]
    for pod in pods:
        for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
            parts.append(f"--- log of {pod.metadata.name}/{status.name} (restarts: {status.restart_count})")
            parts.append(_log(kube, pod, status.name, previous=False))
            if status.restart_count:
                parts.append(f"--- and of its previous run\n{_log(kube, pod, status.name, previous=True)}")
    return "\n".join(parts)


def pod_line(pod: Any) -> str:
    """One line: name, phase, node, and what keeps it from being ready."""
    unmet = [
        f"{condition.type}: {condition.reason or ''} {condition.message or ''}".strip()
        for condition in pod.status.conditions or []
        if condition.status != "True"
    ]
    return f"{pod.metadata.name}  {pod.status.phase}  {pod.spec.node_name or '(no node)'}  {'; '.join(unmet)}"


def event_line(event: Any) -> str:
    """One line: object, reason, message, how often."""
    about = event.involved_object
    return f"{about.kind}/{about.name}  {event.reason}: {event.message} (x{event.count or 1})"


def event_time(event: Any) -> str:
    """When it was last seen."""
    return str(event.last_timestamp or event.event_time or event.metadata.creation_timestamp)


def _log(kube: Kube, pod: Any, container: str, *, previous: bool) -> str:
    try:
        text = kube.core.read_namespaced_pod_log(
            pod.metadata.name, pod.metadata.namespace, container=container, previous=previous, tail_lines=LOG_LINES
        )
    except ApiException as error:
        return f"(no log: {error.reason})"
    return str(text)
