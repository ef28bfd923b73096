"""Selectors, taints and affinity, as the scheduler reads them."""

from __future__ import annotations

from .cluster import Object

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def expression_matches(expression: Object, labels: dict[str, str]) -> bool:
    """One entry of matchExpressions."""
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    value = labels.get(key)
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    if operator == "NotIn":
        return value not in values
    if operator == "In":
        return value in values
    try:
        difference = int(value or "") - int(values[0])
    except ValueError:
        return False
    return difference > 0 if operator == "Gt" else difference < 0


def selector_matches(selector: Object | None, labels: dict[str, str]) -> bool:
    """A LabelSelector; none selects nothing, an empty one everything."""
    if selector is None:
        return False
    wanted = [{"key": k, "operator": "In", "values": [v]} for k, v in (selector.get("matchLabels") or {}).items()]
    return all(expression_matches(e, labels) for e in [*wanted, *(selector.get("matchExpressions") or [])])


def tolerated(taint: Object, tolerations: list[Object]) -> bool:
    """Whether a pod may be put on a node with this taint."""
    return any(
        t.get("key", taint["key"]) == taint["key"]
        and t.get("effect", taint["effect"]) in ("", taint["effect"])
        and (t.get("operator") == "Exists" or t.get("value", "") == taint.get("value", ""))
        for t in tolerations
    )


def terms(pod: Object, kind: str) -> list[Object]:
    """A pod's required terms of podAffinity or podAntiAffinity."""
    found: list[Object] = ((pod["spec"].get("affinity") or {}).get(kind) or {}).get(REQUIRED) or []
    return found
