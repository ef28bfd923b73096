"""Policies about objects: names, labels, and what refers to what."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hack.chart.manifests import COMPONENT, INSTANCE, Manifests, object_id

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
# A StatefulSet's controller adds to its name in a label.
LONGEST = {"StatefulSet": 52}
SELECTOR = {"app.kubernetes.io/name", INSTANCE, COMPONENT}
# What a selector of a part of a pool has beside: the ranks of one worker of several nodes, or all of its leaders.
PARTS = {"dynamo-disagg/rank", "dynamo-disagg/rank-number"}
# What a template prints where it should have printed a value, and large numbers as YAML reads them back. {{pod}} is
# Grafana's, {{ $labels.pod }} and {{ $value }} are Prometheus' own.
SLIPS = re.compile(r"<no value>|%!|map\[|\{\{(?! \$labels\.| \$value |\w+\}\})|^[0-9.]+e[+-][0-9]+$")


def names_fit(manifests: Manifests) -> Iterator[str]:
    for item in manifests:
        name, longest = item["metadata"]["name"], LONGEST.get(item["kind"], 63)
        # Kubernetes takes a colon in the names of roles.
        if not NAME.fullmatch(name.replace(":", "-", 1) if item["kind"].startswith("ClusterRole") else name):
            yield f"{object_id(item)}: not lower-case letters, digits and dashes that begin with a letter"
        if len(name) > longest:
            yield f"{object_id(item)}: {len(name)} characters, {longest} fit"


def no_two_objects_have_one_name(manifests: Manifests) -> Iterator[str]:
    yield from (f"{name}: {count} times" for name, count in Counter(manifests.ids()).items() if count > 1)


def selectors_select_the_components_own_pods(manifests: Manifests) -> Iterator[str]:
    pods = manifests.pods()
    for item in manifests:
        selector = item.get("spec", {}).get("selector")
        if not selector:
            continue
        labels = selector.get("matchLabels", selector)
        if labels.keys() - PARTS != SELECTOR:
            yield f"{object_id(item)}: selects by {', '.join(sorted(labels))}"
        selected = {p.labels[COMPONENT] for p in pods if labels.items() <= p.labels.items()}
        if selected != {labels.get(COMPONENT)}:
            yield f"{object_id(item)}: selects pods of {', '.join(sorted(selected)) or 'no component'}"


def services_lead_to_ports_that_exist(manifests: Manifests) -> Iterator[str]:
    for service in manifests.all("Service"):
        spec = service["spec"]
        if service["metadata"]["name"].endswith("-ranks"):
            # It only gives the ranks their names: they meet before anything is ready, at an engine's own port.
            if spec.get("clusterIP") != "None" or spec.get("publishNotReadyAddresses") is not True:
                yield f"{object_id(service)}: the ranks cannot find each other before they are ready"
            continue
        for pod in manifests.pods():
            if not spec["selector"].items() <= pod.labels.items():
                continue
            names = {p["name"] for c in pod.containers() for p in c.spec.get("ports", [])}
            for port in spec["ports"]:
                if port["targetPort"] not in names:
                    yield f"{object_id(service)}: {pod.id} has no port {port['targetPort']}"


def pods_of_other_components_find_no_unready_worker(manifests: Manifests) -> Iterator[str]:
    """
    A discovery Service that publishes unready pods would have the router send requests to them. Not so of encoders,
    which only workers ask, and whose readiness waits for such a worker.
    """
    for service in manifests.all("Service"):
        labels = service["metadata"]["labels"]
        if "nvidia.com/dynamo-discovery-enabled" not in labels or labels[COMPONENT] == "encode":
            continue
        if service["spec"].get("publishNotReadyAddresses"):
            yield f"{object_id(service)}: publishes addresses that are not ready"
        if labels.get("nvidia.com/dynamo-discovery-backend") != "kubernetes":
            yield f"{object_id(service)}: is for discovery, and no label says that its backend is kubernetes"


def what_objects_refer_to_is_rendered_too(manifests: Manifests) -> Iterator[str]:
    names = {
        kind: {item["metadata"]["name"] for item in manifests.all(kind)}
        for kind in ("ServiceAccount", "ConfigMap", "Service", "ResourceClaimTemplate")
    }
    # The controller of a ComputeDomain makes the template that it names.
    domains = {o["spec"]["channel"]["resourceClaimTemplate"]["name"] for o in manifests.all("ComputeDomain")}
    claims = names["ResourceClaimTemplate"] | domains
    used = {c["resourceClaimTemplateName"] for p in manifests.pods() for c in p.spec.get("resourceClaims", [])}
    yield from (f"ResourceClaimTemplate/{name}: used, and not rendered" for name in sorted(used - claims))
    yield from (f"ResourceClaimTemplate/{name}: rendered, and not used" for name in sorted(claims - used))
    for pod in manifests.pods():
        refers = {("ServiceAccount", pod.spec.get("serviceAccountName", "default"))}
        refers |= {("ConfigMap", v["configMap"]["name"]) for v in pod.volumes().values() if "configMap" in v}
        for kind, name in sorted(refers):
            # Others are the user's own.
            if name.startswith(pod.labels[INSTANCE]) and name not in names[kind]:
                yield f"{pod.id}: {kind}/{name} is not rendered"
    for item in manifests.all("StatefulSet"):
        if item["spec"]["serviceName"] not in names["Service"]:
            yield f"{object_id(item)}: Service/{item['spec']['serviceName']} is not rendered"


def templates_left_no_slips(manifests: Manifests) -> Iterator[str]:
    for item in manifests:
        for at, value in _leaves(item, object_id(item)):
            if value is None or isinstance(value, float) or (isinstance(value, str) and SLIPS.search(value)):
                yield f"{at}: {value}"


def labels_are_valid(manifests: Manifests) -> Iterator[str]:
    metadata = [(object_id(item), item["metadata"]) for item in manifests]
    metadata += [(pod.id, pod.metadata) for pod in manifests.pods()]
    for name, about in metadata:
        for key, value in about.get("labels", {}).items():
            if not LABEL.fullmatch(value):
                yield f"{name}: label {key}: {value}"


def _leaves(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _leaves(child, f"{at}.{key}")
    elif isinstance(value, list):
        for position, child in enumerate(value):
            yield from _leaves(child, f"{at}[{position}]")
    else:
        yield at, value
