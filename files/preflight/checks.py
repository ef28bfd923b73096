"""The rows of the table: what a release needs, and whether the cluster has it."""

from __future__ import annotations

import re

from .cluster import DEVICES_VERSIONS, Cluster, Object
from .devices import devices, selects
from .pools import check_nodes
from .report import FAIL, OK, WARN, Check

# What an image of the controller of an API is called, wherever it was mirrored to.
CONTROLLERS = {
    **dict.fromkeys(
        ("leaderworkerset.x-k8s.io", "disaggregatedset.x-k8s.io"), re.compile(r"(^|/)lws(-controller)?[:@]")
    ),
    "resource.nvidia.com": re.compile(r"dra-driver"),
}


def check_devices(cluster: Cluster, needs: Object) -> list[Check]:
    """One row for each device class that pods claim from."""
    rows = []
    there = {c["metadata"]["name"]: c for c in cluster.device_classes or []}
    for wanted in sorted({name for template in needs["claimTemplates"].values() for name in template}):
        takes = selects(there[wanted]) if wanted in there else None
        if not cluster.claims_served:
            versions = ", ".join(DEVICES_VERSIONS)
            fix = "use Kubernetes 1.34 or newer, or switch on DynamicResourceAllocation and its API in 1.32 or 1.33"
            row = (FAIL, f"resource.k8s.io is served in none of the versions {versions}: {fix}")
        elif wanted not in there:
            known = ", ".join(sorted(there)) or "none"
            row = (FAIL, f"not there (there is: {known}): install the DRA driver that brings it")
        elif takes is None:
            row = (WARN, "there, but its devices were not counted: its CEL is more than equalities")
        elif total := sum(count for count, _ in devices(cluster, takes, set()).values()):
            row = (OK, f"{total} devices")
        else:
            row = (FAIL, "no ResourceSlice offers a device of it: is its driver running?")
        rows.append(Check(row[0], f"DeviceClass {wanted}", row[1]))
    return rows


def check_apis(cluster: Cluster, needs: Object) -> list[Check]:
    """One row for each API that is not Kubernetes' own."""
    rows = []
    images = [c.get("image", "") for pod in cluster.pods for c in pod["spec"]["containers"]]
    for wanted in needs["apis"]:
        version, kind = wanted.split()
        group = version.partition("/")[0]
        if wanted not in cluster.apis:
            fix = needs["fixes"].get(group, "install what brings it")
            if wanted in needs["brings"]:
                # Helm applies crds/ before its hooks, Argo CD after them: if this failed, they would never come.
                soon = f"{version} is not served yet: with Argo CD crds/ follow in this sync; else {fix}"
                rows.append(Check(WARN, f"API {kind}", soon))
                continue
            rows.append(Check(FAIL, f"API {kind}", f"{version} is not served: {fix}"))
            continue
        pattern = CONTROLLERS.get(group)
        row = (OK, version)
        if needs["clusterWide"] and pattern and not any(pattern.search(image) for image in images):
            row = (WARN, f"{version} is served, but no pod looks like its controller: does it run?")
        rows.append(Check(row[0], f"API {kind}", row[1]))
    return rows


def check_objects(cluster: Cluster, needs: Object) -> list[Check]:
    """One row for each Secret and claim that must exist."""
    rows = []
    for need in sorted(needs["objects"], key=lambda n: (n["kind"], n["name"])):
        kind, name = need["kind"], need["name"]
        found = cluster.objects.get((kind, name))
        keys = sorted((found or {}).get("data") or {})
        kind_of_secret = str((found or {}).get("type"))
        row = (OK, need["value"])
        if found is None:
            row = (FAIL, f"not in namespace {needs['namespace']}: create it, or change {need['value']}")
        elif found["metadata"].get("deletionTimestamp") or found.get("status", {}).get("phase") == "Lost":
            row = (FAIL, f"it is lost or being deleted: make it anew ({need['value']})")
        elif missing := [key for key in need.get("keys") or [need.get("key")] if key and key not in keys]:
            row = (FAIL, f"has no key {', '.join(missing)} (it has: {', '.join(keys)}): add it ({need['value']})")
        elif found.get("problem"):
            names = ", ".join(need["certificate"])
            row = (FAIL, f"{found['problem']}: make it for {names}, with the ca.crt that signed it ({need['value']})")
        elif need.get("pull") and not kind_of_secret.startswith("kubernetes.io/dockerc"):
            row = (FAIL, f"is of type {kind_of_secret}: make it with kubectl create secret docker-registry")
        rows.append(Check(row[0], f"{kind} {name}", row[1]))
    return rows


def check_storage(cluster: Cluster, needs: Object) -> list[Check]:
    """One row for each storage class."""
    rows = []
    there = {c["metadata"]["name"]: c["metadata"].get("annotations") or {} for c in cluster.storage_classes or []}
    known = ", ".join(sorted(there)) or "none"
    defaults = [n for n, a in there.items() if a.get("storageclass.kubernetes.io/is-default-class") == "true"]
    for need in needs["storageClasses"]:
        name, value = need["name"], need["value"]
        if name:
            row = (OK, value) if name in there else (FAIL, f"not there (there is: {known}): change {value}")
            rows.append(Check(row[0], f"StorageClass {name}", row[1]))
        else:
            row = (OK, defaults[0]) if defaults else (FAIL, f"there is none (there is: {known}): set {value}")
            rows.append(Check(row[0], "default StorageClass", row[1]))
    return rows


def checks(cluster: Cluster, needs: Object) -> list[Check]:
    """All rows."""
    denied = [
        Check(FAIL, "rights", f"GET {path} is forbidden: grant it (docs/preflight.md lists all)")
        for path in sorted(set(cluster.forbidden))
    ]
    spread = [
        pool["component"]
        for pool in needs["pools"]
        if any(
            c.get("whenUnsatisfiable") == "DoNotSchedule"
            for pod in pool["pods"]
            for c in pod["spec"].get("topologySpreadConstraints") or []
        )
    ]
    of_namespace = [*check_apis(cluster, needs), *check_objects(cluster, needs)]
    if not needs["clusterWide"]:
        unseen = "nodes, devices and storage classes were not looked at (preflight.clusterWide is false)"
        return [*denied, Check(WARN, "room", unseen), *of_namespace]
    return [
        *denied,
        *check_nodes(cluster, needs),
        *(Check(WARN, name, "topologySpreadConstraints were not looked at") for name in spread),
        *check_devices(cluster, needs),
        *of_namespace,
        *check_storage(cluster, needs),
    ]
