"""Kubernetes quantities, and what pods ask for."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import Any

from .cluster import Object

Amounts = dict[str, Decimal]
# Devices of a class (Dynamic Resource Allocation) are counted like any other resource, under this prefix.
DEVICES = "devices of class "
SUFFIX = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1), "k": Decimal(1000)}
SUFFIX |= {letter: Decimal(1000) ** power for power, letter in enumerate("MGTPE", start=2)}
SUFFIX |= {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}


def amount(quantity: Any) -> Decimal:
    """A Kubernetes quantity as a number."""
    number, suffix = re.fullmatch(r"(.*?)([numkMGTPE]i?|Ki)?", str(quantity)).groups()  # type: ignore[union-attr]
    return Decimal(number) * SUFFIX[suffix or ""]


def requests(spec: Object) -> Amounts:
    """What the scheduler reserves for a pod: its containers together, or more where an init container needs more."""
    total: Any = Counter()
    sidecars: Any = Counter()
    peak: Amounts = {}
    for container in spec.get("containers") or []:
        total.update(_of(container))
    for container in spec.get("initContainers") or []:
        own: Any = Counter(_of(container))
        if container.get("restartPolicy") == "Always":
            sidecars.update(own)
            own = Counter()
        own.update(sidecars)
        peak = {name: max(own[name], peak.get(name, Decimal(0))) for name in {*own, *peak}}
    total.update(sidecars)
    result = {name: max(Decimal(total[name]), peak.get(name, Decimal(0))) for name in {*total, *peak}}
    result |= _of(spec)
    for name, quantity in (spec.get("overhead") or {}).items():
        result[name] = result.get(name, Decimal(0)) + amount(quantity)
    return {**{name: value for name, value in result.items() if value}, "pods": Decimal(1)}


def _of(owner: Object) -> Amounts:
    """Requests of a container or a pod; a limit without a request is one."""
    resources = owner.get("resources") or {}
    both = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: amount(quantity) for name, quantity in both.items()}


def shown(resource: str, value: Decimal) -> str:
    """An amount as people write it."""
    if resource in ("memory", "ephemeral-storage") or resource.startswith("hugepages-"):
        return f"{float(value) / 2**30:.4g}Gi {resource}"
    return f"{value.normalize():f} {resource.removeprefix(DEVICES)}"
