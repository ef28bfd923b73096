"""Policies about NetworkPolicies, where a release has any: evaluated, they ask who gets through."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from hack.chart.manifests import COMPONENT, INSTANCE, WORKERS, Manifests, PodTemplate
from hack.chart.network import OTHER_PORT, Endpoint, allows, endpoint, selecting

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
# Where a pod may go beside its release: the API server and the model's source, which are anywhere by default.
OUT = {443, 6443}


def closed_releases_have_no_open_pod(manifests: Manifests) -> Iterator[str]:
    if not manifests.all("NetworkPolicy"):
        return
    for pod in manifests.pods():
        found = selecting(manifests, endpoint(pod))
        types = sorted(kind for policy in found for kind in policy["spec"].get("policyTypes", []))
        if types != ["Egress", "Ingress"]:
            yield f"{pod.id}: selected by {len(found)} NetworkPolicies, for {', '.join(types) or 'nothing'}"


def closed_releases_let_no_stranger_in_or_out(manifests: Manifests) -> Iterator[str]:
    policies = manifests.all("NetworkPolicy")
    if not policies:
        return
    gcsfuse = [v for p in manifests.pods() for v in p.volumes().values() if "gcsfuse" in json.dumps(v.get("csi"))]
    for pod in manifests.pods():
        own = endpoint(pod)
        for name, stranger in STRANGERS.items():
            if name in HERE:
                stranger = replace(stranger, namespace=own.namespace)
            ins = [port for port in PORTS if allows(policies, stranger, own, port)]
            outs = {port for port in PORTS if allows(policies, own, stranger, port)}
            if not stranger.namespace:
                outs -= {*OUT, *([80] if gcsfuse else [])}
            yield from (f"{pod.id}: {name} gets in at port {port}" for port in ins[:1])
            yield from (f"{pod.id}: gets out to {name} at port {port}" for port in sorted(outs)[:1])


def closed_releases_reach_what_they_use(manifests: Manifests) -> Iterator[str]:
    """What the pods' own arguments and variables name, and any port between frontend and workers."""
    policies = manifests.all("NetworkPolicy")
    if not policies:
        return
    for source, target, port in _used(manifests):
        if not allows(policies, endpoint(source), endpoint(target), port):
            yield f"{source.id}: cannot reach {target.id} at port {port}"
    dns = Endpoint("kube-system", {"k8s-app": "kube-dns"})
    for pod in manifests.pods():
        if pod.labels[COMPONENT] != "preflight" and not allows(policies, endpoint(pod), dns, 53, "UDP"):
            yield f"{pod.id}: cannot resolve names"
        if pod.spec.get("automountServiceAccountToken"):
            server = Endpoint(address="10.0.0.1")
            if not any(allows(policies, endpoint(pod), server, port) for port in OUT):
                yield f"{pod.id}: has a token, and cannot reach the API server"


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
