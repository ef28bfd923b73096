"""Devices of Dynamic Resource Allocation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from .cluster import Cluster, Object

# Pods by namespace and name; devices that are there, and those of them that are free.
Owned = set[tuple[str, str]]
Counts = tuple[int, int]
TERM = re.compile(
    r"""\s*(?:device\.driver\s*==\s*(?P<driver>"[^"]*"|'[^']*')
    |device\.attributes\[(?P<domain>"[^"]*"|'[^']*')\]\.(?P<name>\w+)\s*==\s*(?P<value>"[^"]*"|'[^']*'|\d+|true|false))\s*""",
    re.VERBOSE,
)


def selects(device_class: Object) -> Callable[[str, Object], bool] | None:
    """Whether a class takes a device of a driver; None where its CEL is more than equalities joined by &&."""
    conditions: list[re.Match[str]] = []
    for selector in device_class.get("spec", {}).get("selectors") or []:
        for part in selector.get("cel", {}).get("expression", "?").split("&&"):
            match = TERM.fullmatch(part)
            if match is None:
                return None
            conditions.append(match)

    def takes(driver: str, device: Object) -> bool:
        attributes = device.get("attributes") or {}
        for match in conditions:
            if match["driver"]:
                if match["driver"][1:-1] != driver:
                    return False
                continue
            domain, name = match["domain"][1:-1], match["name"]
            found = attributes.get(f"{domain}/{name}") or (attributes.get(name) if domain == driver else None) or {}
            text = json.dumps(next(iter(found.values()), None)).strip('"')
            if text != match["value"].strip("\"'"):
                return False
        return True

    return takes


def devices(cluster: Cluster, takes: Callable[[str, Object], bool], own: Owned) -> dict[str, Counts]:
    """Devices of a class by node: how many there are, and how many of them are free."""
    taken = set()
    for claim in cluster.resource_claims or []:
        consumers = claim.get("status", {}).get("reservedFor") or []
        if consumers and all((claim["metadata"]["namespace"], c["name"]) in own for c in consumers):
            continue
        results = (claim.get("status", {}).get("allocation") or {}).get("devices", {}).get("results") or []
        taken |= {(r["driver"], r["pool"], r["device"]) for r in results if not r.get("adminAccess")}
    found: dict[str, Counts] = {}
    for part in cluster.resource_slices or []:
        spec = part["spec"]
        for device in spec.get("devices") or []:
            node = spec.get("nodeName") or device.get("nodeName")
            if node and takes(spec["driver"], device):
                there, free = found.get(node, (0, 0))
                is_free = (spec["driver"], spec["pool"]["name"], device["name"]) not in taken
                found[node] = (there + 1, free + is_free)
    return found
