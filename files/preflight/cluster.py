"""What the API server says, read once."""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .certificates import problem

Object = dict[str, Any]
# A GET request to the API server: path with query -> HTTP status, body.
Fetch = Callable[[str], tuple[int, bytes]]

PAGE = 500
# The versions of this group that are read here, newest first: Kubernetes 1.32 and 1.33 have the beta ones only.
DEVICES = "/apis/resource.k8s.io"
DEVICES_VERSIONS = ("v1", "v1beta2", "v1beta1")
TIMEOUT_SECONDS = 30
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass
class Cluster:
    """What the cluster said, as plain API objects. None: it may not be read, or has no such API."""

    nodes: list[Object] = field(default_factory=list)
    # Pods that hold resources of a node: assigned, and not finished.
    pods: list[Object] = field(default_factory=list)
    device_classes: list[Object] | None = None
    resource_slices: list[Object] | None = None
    resource_claims: list[Object] | None = None
    storage_classes: list[Object] | None = None
    # Whether one of DEVICES_VERSIONS is served.
    claims_served: bool = True
    apis: set[str] = field(default_factory=set)
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    forbidden: list[str] = field(default_factory=list)


class NoAnswerError(Exception):
    """The API server said nothing that could be used."""


def in_cluster(path: str) -> tuple[int, bytes]:
    """Fetch with the service account of the pod."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    url = f"https://{f'[{host}]' if ':' in host else host}:{port}{path}"
    token = (SERVICE_ACCOUNT / "token").read_text()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
    context = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        raise NoAnswerError(str(error)) from error


class Reader:
    """Objects by path, as plain data."""

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self.forbidden: list[str] = []

    def get(self, path: str, **query: str) -> Object | None:
        """One answer; None when it does not exist or may not be read."""
        status, body = self.fetch(f"{path}?{urllib.parse.urlencode(query)}" if query else path)
        if status == 403:
            self.forbidden.append(path)
        if status in (403, 404):
            return None
        if status != 200:
            raise NoAnswerError(f"GET {path}: HTTP {status}: {body.decode(errors='replace')[:300]}")
        found: Object = json.loads(body)
        return found

    def list(self, path: str, keep: Callable[[Object], Object], **query: str) -> list[Object] | None:
        """All items, page by page, each reduced to what is needed: a large cluster's pods fill hundreds of MB."""
        items: list[Object] = []
        token = ""
        while True:
            page = self.get(path, limit=str(PAGE), **({"continue": token} if token else {}), **query)
            if page is None:
                return None
            items += [keep(item) for item in page["items"]]
            token = page["metadata"].get("continue", "")
            if not token:
                return items


def read(fetch: Fetch, needs: Object) -> Cluster:
    """Everything the checks look at. Raises NoAnswerError."""
    reader = Reader(fetch)
    groups = {entry.split()[0] for entry in needs["apis"]}
    resources = {group: reader.get(f"/apis/{group}") or {} for group in groups}
    paths = {"Secret": "secrets", "PersistentVolumeClaim": "persistentvolumeclaims"}
    objects = {}
    certificates = {need["name"]: need["certificate"] for need in needs["objects"] if "certificate" in need}
    for kind, name in {(need["kind"], need["name"]) for need in needs["objects"]}:
        found = reader.get(f"/api/v1/namespaces/{needs['namespace']}/{paths[kind]}/{name}")
        if found is not None:
            objects[kind, name] = _without_values(found)
            if kind == "Secret" and name in certificates:
                objects[kind, name]["problem"] = problem(found.get("data") or {}, certificates[name])
    apis = {f"{g} {r['kind']}" for g, answer in resources.items() for r in answer.get("resources", [])}
    if not needs["clusterWide"]:
        return Cluster(apis=apis, objects=objects, forbidden=reader.forbidden)
    claimed = bool(needs["claimTemplates"])
    version = _devices_version(reader) if claimed else None

    def of_devices(kind: str, keep: Callable[[Object], Object] = dict) -> list[Object] | None:
        return reader.list(f"{DEVICES}/{version}/{kind}", keep) if version else None

    return Cluster(
        nodes=reader.list("/api/v1/nodes", lambda n: {k: n.get(k, {}) for k in ("metadata", "spec", "status")}) or [],
        pods=reader.list(
            "/api/v1/pods",
            _slim_pod,
            fieldSelector="status.phase!=Succeeded,status.phase!=Failed,spec.nodeName!=",
        )
        or [],
        device_classes=of_devices("deviceclasses"),
        resource_slices=of_devices("resourceslices", _as_in_v1),
        resource_claims=of_devices("resourceclaims"),
        storage_classes=reader.list("/apis/storage.k8s.io/v1/storageclasses", dict)
        if needs["storageClasses"]
        else None,
        claims_served=not claimed or version is not None,
        apis=apis,
        objects=objects,
        forbidden=reader.forbidden,
    )


def _devices_version(reader: Reader) -> str | None:
    served = {version["version"] for version in (reader.get(DEVICES) or {}).get("versions", [])}
    return next((version for version in DEVICES_VERSIONS if version in served), None)


def _as_in_v1(part: Object) -> Object:
    """A ResourceSlice whose devices have their fields beside the name: v1beta1 has all others below "basic"."""
    spec = part["spec"]
    devices = [{**device, **(device.get("basic") or {})} for device in spec.get("devices") or []]
    return {**part, "spec": {**spec, "devices": devices}}


def _slim_pod(pod: Object) -> Object:
    spec = pod["spec"]
    containers = ("name", "image", "resources", "restartPolicy")
    return {
        "metadata": {k: pod["metadata"].get(k) for k in ("name", "namespace", "labels")},
        "spec": {
            "nodeName": spec["nodeName"],
            "overhead": spec.get("overhead"),
            "resources": spec.get("resources"),
            **{
                kind: [{k: c[k] for k in containers if k in c} for c in spec.get(kind) or []]
                for kind in ("containers", "initContainers")
            },
        },
    }


def _without_values(item: Object) -> Object:
    """A Secret with the names of its keys only, of those that hold something: what is secret is not kept."""
    return (
        {**item, "data": {key: "" for key, value in (item["data"] or {}).items() if value}} if "data" in item else item
    )
