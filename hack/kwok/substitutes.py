"""What pods wait for beside nodes, and a test cluster does not have: Secrets, bound claims, ComputeDomains."""

from collections.abc import Iterable
from typing import Any

from hack.chart.machines import COMPUTE_DOMAIN_CLASS
from hack.kwok.nodes import Object
from hack.kwok.simulator import Simulator

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
COMPUTE_DOMAINS = "/apis/resource.nvidia.com/v1beta1"
# Only the names are NVIDIA's: hack/chart/customresources.yaml says what the chart may write into it.
COMPUTE_DOMAIN_DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "computedomains.resource.nvidia.com"},
    "spec": {
        "group": "resource.nvidia.com",
        "names": {"kind": "ComputeDomain", "plural": "computedomains", "singular": "computedomain"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}


def define_compute_domains(simulator: Simulator) -> None:
    """NVIDIA's kind, unless the cluster has it, until the simulator ends."""
    simulator.provide(DEFINITIONS, COMPUTE_DOMAIN_DEFINITION)

    def served() -> bool:
        return bool(simulator.request("GET", f"{COMPUTE_DOMAINS}/computedomains").ok)

    simulator.wait("the API server serves ComputeDomains", served, bool, 30)


def make_claim_templates(simulator: Simulator, namespace: str, release: str) -> None:
    """What NVIDIA's controller does for the scheduler: the ResourceClaimTemplate that a ComputeDomain names."""
    path = f"{COMPUTE_DOMAINS}/namespaces/{namespace}/computedomains?labelSelector=app.kubernetes.io/instance={release}"
    for domain in simulator.api.get_json(path)["items"]:
        template = claim_template(domain["spec"]["channel"]["resourceClaimTemplate"]["name"])
        template["metadata"]["ownerReferences"] = [_identity(domain)]
        simulator.create(f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaimtemplates", template)


def claim_template(name: str) -> Object:
    """A template whose claims ask for one channel of a ComputeDomain."""
    request = {"name": "channel", "exactly": {"deviceClassName": COMPUTE_DOMAIN_CLASS}}
    return {"metadata": {"name": name}, "spec": {"spec": {"devices": {"requests": [request]}}}}


def make_prerequisites(simulator: Simulator, namespace: str, pods: Iterable[Object]) -> None:
    """The Secrets and the bound PersistentVolumeClaims that pod specs name."""
    secrets: dict[str, set[str]] = {}
    claims: set[str] = set()
    for spec in pods:
        for reference in spec.get("imagePullSecrets", []):
            secrets.setdefault(reference["name"], set())
        for container in spec["containers"]:
            for variable in container.get("env", []):
                if source := variable.get("valueFrom", {}).get("secretKeyRef"):
                    secrets.setdefault(source["name"], set()).add(source["key"])
        for volume in spec.get("volumes", []):
            if source := volume.get("persistentVolumeClaim"):
                claims.add(source["claimName"])
    for name, keys in secrets.items():
        secret = {"metadata": {"name": name}, "stringData": dict.fromkeys(keys, "none")}
        simulator.create(f"/api/v1/namespaces/{namespace}/secrets", secret)
    for name in claims:
        _bound_claim(simulator, namespace, name)


def _bound_claim(simulator: Simulator, namespace: str, name: str) -> None:
    shared: dict[str, Any] = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    volume = f"{namespace}-{name}"
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    simulator.provide(
        "/api/v1/persistentvolumes",
        {
            "metadata": {"name": volume},
            "spec": {
                **shared,
                "capacity": {"storage": "1Ti"},
                "persistentVolumeReclaimPolicy": "Retain",
                "nfs": {"server": "nfs.example.com", "path": "/"},
                "claimRef": {"namespace": namespace, "name": name},
            },
        },
    )
    claim = {**shared, "volumeName": volume, "resources": {"requests": {"storage": "1Ti"}}}
    simulator.create(path, {"metadata": {"name": name}, "spec": claim})

    def phase() -> str:
        return str(simulator.api.get_json(f"{path}/{name}")["status"].get("phase"))

    simulator.wait(f"claim {name} is bound", phase, lambda seen: seen == "Bound", 30)


def _identity(item: Object) -> Object:
    """An owner reference to an object."""
    about = item["metadata"]
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "name": about["name"], "uid": about["uid"]}
