"""Policies about NetworkPolicies, where a release has any: evaluated, they ask who gets through.

Whom the values name (networkPolicy.clients and its like) is no stranger, at the ports that the name is for.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from hack.chart.manifests import COMPONENT, INSTANCE, WORKERS, Manifests, PodTemplate
from hack.chart.network import OTHER_PORT, Endpoint, allows, endpoint, is_peer, selecting

Values = dict[str, Any]
# Nobody's: in the release's namespace, in another, outside; and a pod of a release with another name.
HERE = ("a pod of the namespace", "another release")
STRANGERS = {
    "a pod of the namespace": Endpoint("default", {"app": "stranger"}),
    "a pod of another namespace": Endpoint("other", {"app": "stranger"}),
    "another release": Endpoint(
        "default", {"app.kubernetes.io/name": "dynamo-disagg", INSTANCE: "demo2", COMPONENT: "decode"}
    ),
    "the metadata server": Endpoint(address="169.254.169.254"),
    "a private address": Endpoint(address="10.9.8.7"),
    "a public address": Endpoint(address="93.184.215.14"),
}
PORTS = (22, 80, 443, 2222, 2379, 2380, 2381, 4222, 6222, 6443, 8000, 8222, 9090, 18515, 29500, OTHER_PORT)
# Where metrics are, of any component.
METRICS = {8000, 9090, 2381, 8222}
BUCKET = {("169.254.169.252", 988), ("169.254.169.254", 80)}


def closed_releases_have_no_open_pod(manifests: Manifests) -> Iterator[str]:
    if not manifests.all("NetworkPolicy"):
        return
    for pod in manifests.pods():
        found = selecting(manifests, endpoint(pod))
        types = sorted(kind for policy in found for kind in policy["spec"].get("policyTypes", []))
        if types != ["Egress", "Ingress"]:
            yield f"{pod.id}: selected by {len(found)} NetworkPolicies, for {', '.join(types) or 'nothing'}"


def closed_releases_let_no_stranger_in_or_out(manifests: Manifests, values: Values) -> Iterator[str]:
    policies = manifests.all("NetworkPolicy")
    if not policies:
        return
    for pod in manifests.pods():
        own = endpoint(pod)
        for name, stranger in STRANGERS.items():
            if name in HERE:
                stranger = replace(stranger, namespace=own.namespace)
            ins = {port for port in PORTS if allows(policies, stranger, own, port)}
            outs = {port for port in PORTS if allows(policies, own, stranger, port)}
            ins -= _invited(pod, stranger, values)
            outs -= _wanted(pod, stranger, values)
            yield from (f"{pod.id}: {name} gets in at port {port}" for port in sorted(ins)[:1])
            yield from (f"{pod.id}: gets out to {name} at port {port}" for port in sorted(outs)[:1])


def _invited(pod: PodTemplate, other: Endpoint, values: Values) -> set[int]:
    """The ports of a pod that the values open to somebody."""
    asked, here = values["networkPolicy"], endpoint(pod).namespace
    found = METRICS if _named(asked["monitoring"], other, here) else set()
    is_client = pod.labels[COMPONENT] == "frontend" and _named(asked["clients"], other, here)
    return found | ({8000} if is_client else set())


def _wanted(pod: PodTemplate, other: Endpoint, values: Values) -> set[int]:
    """The ports of somebody that the values open to a pod; those of an etcd, a NATS and a collector are in URLs."""
    asked, here = values["networkPolicy"], endpoint(pod).namespace
    ports = {name: set(asked[name]["ports"]) for name in ("dns", "apiServer", "downloads")}
    if pod.labels[COMPONENT] in ("frontend", *WORKERS):
        ports |= {name: set(PORTS) for name in ("etcd", "nats", "telemetry")}
    found = {port for name, some in ports.items() if _named(asked[name]["to"], other, here) for port in some}
    return found | ({port for address, port in BUCKET if address == other.address} if _has_bucket(pod) else set())


def _named(peers: list[dict[str, Any]] | None, other: Endpoint, namespace: str) -> bool:
    return bool(peers) and is_peer(peers, other, namespace)


def _has_bucket(pod: PodTemplate) -> bool:
    return any("gcsfuse" in json.dumps(volume.get("csi")) for volume in pod.volumes().values())


def closed_releases_reach_what_they_use(manifests: Manifests, values: Values) -> Iterator[str]:
    """What the pods' own arguments, variables and volumes name, and any port between frontend and workers."""
    policies = manifests.all("NetworkPolicy")
    if not policies:
        return
    for source, target, port in _used(manifests):
        if not allows(policies, endpoint(source), endpoint(target), port):
            yield f"{source.id}: cannot reach {target.id} at port {port}"
    asked = values["networkPolicy"]
    for pod in manifests.pods():
        if pod.labels[COMPONENT] != "preflight" and not _leads_to(manifests, pod, asked["dns"], "UDP"):
            yield f"{pod.id}: cannot resolve names"
        if pod.spec.get("automountServiceAccountToken") and not _leads_to(manifests, pod, asked["apiServer"], "TCP"):
            yield f"{pod.id}: has a token, and cannot reach the API server"
        for address, port in sorted(BUCKET) if _has_bucket(pod) else ():
            if not allows(policies, endpoint(pod), Endpoint(address=address), port):
                yield f"{pod.id}: has a bucket, and cannot reach {address} at port {port}"


def _leads_to(manifests: Manifests, pod: PodTemplate, place: Values, protocol: str) -> bool:
    """Whether a pod's policies lead to the peers and ports of the values, whoever these are."""
    rules = [rule for p in selecting(manifests, endpoint(pod)) for rule in p["spec"].get("egress") or []]
    ports = [{"protocol": protocol, "port": port} for port in place["ports"]]
    return any(
        all(peer in rule.get("to", []) for peer in place["to"]) and all(port in rule.get("ports", []) for port in ports)
        for rule in rules
    )


def _used(manifests: Manifests) -> Iterator[tuple[PodTemplate, PodTemplate, int]]:
    dynamo = [pod for name in ("frontend", *WORKERS) for pod in manifests.pods(name)]
    yield from ((one, other, port) for one in dynamo for other in dynamo for port in (8000, 9090, OTHER_PORT))
    for pod in dynamo:
        for variable in ("ETCD_ENDPOINTS", "NATS_SERVER"):
            for container in pod.containers():
                for url in str(container.env().get(variable, "")).split(","):
                    component = re.sub(r".*-", "", (urlsplit(url).hostname or "").partition(".")[0])
                    yield from ((pod, other, urlsplit(url).port or 0) for other in manifests.pods(component))
    for component, ports in (("etcd", [2380]), ("nats", [6222])):
        yield from ((one, one, port) for one in manifests.pods(component) for port in ports)
    for tester in [*manifests.pods("test"), *manifests.pods("canary")]:
        yield from ((tester, pod, 8000 if pod.labels[COMPONENT] == "frontend" else 9090) for pod in dynamo if pod.leads)
    benches = manifests.pods("benchmark")
    yield from ((bench, pod, 8000) for bench in benches for pod in manifests.pods("frontend"))
    for component in ("probe", "preflight-probe"):
        yield from ((pod, pod, 18515) for pod in manifests.pods(component))
