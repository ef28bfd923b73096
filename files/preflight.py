"""Does the cluster have what a release asks for? Reads only, prints a table, exits 0 (yes) or 1 (no).

A hook Job runs it on the document that templates/preflight renders; hack/preflight.py runs it before Helm. It needs
Python 3.10 and nothing else.

Pods are placed as the scheduler may place them: the largest first, each on the fullest node that still takes it,
by what is free on the node now. What pods of the release itself hold counts as free, because an upgrade replaces them.
Left out: preferences, priorities and preemption, topologySpreadConstraints.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import sys
import textwrap
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

Object = dict[str, Any]
# A GET request to the API server: path with query -> HTTP status, body.
Fetch = Callable[[str], tuple[int, bytes]]
Amounts = dict[str, Decimal]
# Pods by namespace and name; devices that are there, and those of them that are free.
Owned = set[tuple[str, str]]
Counts = tuple[int, int]

OK, WARN, FAIL = "ok", "warn", "FAIL"
PAGE = 500
TIMEOUT_SECONDS = 30
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
ARCH = "kubernetes.io/arch"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
# The node's conditions say the same in plainer words.
CONDITION_TAINTS = {f"node.kubernetes.io/{name}" for name in ("not-ready", "unreachable", "unschedulable")}
# What an image of the controller of an API is called, wherever it was mirrored to.
CONTROLLERS = {
    "leaderworkerset.x-k8s.io": re.compile(r"(^|/)lws(-controller)?[:@]"),
    "resource.nvidia.com": re.compile(r"dra-driver"),
}


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
    apis: set[str] = field(default_factory=set)
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    forbidden: list[str] = field(default_factory=list)


@dataclass
class Check:
    """One row of the table."""

    status: str
    name: str
    detail: str


@dataclass
class Node:
    """A node and what is free on it."""

    name: str
    labels: dict[str, str]
    taints: list[Object]
    state: str
    capacity: Amounts
    free: Amounts
    # Labels of the pods on it, with their namespaces, for affinity between pods.
    pods: list[tuple[str, dict[str, str]]] = field(default_factory=list)


# --- reading


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
    for kind, name in {(need["kind"], need["name"]) for need in needs["objects"]}:
        found = reader.get(f"/api/v1/namespaces/{needs['namespace']}/{paths[kind]}/{name}")
        if found is not None:
            objects[kind, name] = _without_values(found)
    devices = "/apis/resource.k8s.io/v1"
    claimed = bool(needs["claimTemplates"])
    return Cluster(
        nodes=reader.list("/api/v1/nodes", lambda n: {k: n.get(k, {}) for k in ("metadata", "spec", "status")}) or [],
        pods=reader.list(
            "/api/v1/pods",
            _slim_pod,
            fieldSelector="status.phase!=Succeeded,status.phase!=Failed,spec.nodeName!=",
        )
        or [],
        device_classes=reader.list(f"{devices}/deviceclasses", dict) if claimed else None,
        resource_slices=reader.list(f"{devices}/resourceslices", dict) if claimed else None,
        resource_claims=reader.list(f"{devices}/resourceclaims", dict) if claimed else None,
        storage_classes=reader.list("/apis/storage.k8s.io/v1/storageclasses", dict)
        if needs["storageClasses"]
        else None,
        apis={f"{g} {r['kind']}" for g, answer in resources.items() for r in answer.get("resources", [])},
        objects=objects,
        forbidden=reader.forbidden,
    )


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
    """A Secret with the names of its keys only: what is secret is not kept."""
    return {**item, "data": dict.fromkeys(item["data"] or {}, "")} if "data" in item else item


# --- amounts

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


# --- matching, as the scheduler does it


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


def unfit(node: Node, spec: Object) -> str:
    """The first reason why a node can never take a pod, in words; empty when there is none."""
    for key, value in (spec.get("nodeSelector") or {}).items():
        if node.labels.get(key) != value:
            return f"lack label {key}={value}" if key != ARCH else f"have another CPU architecture than {value}"
    wanted = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED)
    if wanted:
        fields = {"metadata.name": node.name}
        if not any(
            all(expression_matches(e, node.labels) for e in term.get("matchExpressions") or [])
            and all(expression_matches(e, fields) for e in term.get("matchFields") or [])
            for term in wanted["nodeSelectorTerms"]
        ):
            return "do not fit nodeAffinity"
    if node.state:
        return node.state
    for taint in node.taints:
        hard = taint["effect"] in ("NoSchedule", "NoExecute") and taint["key"] not in CONDITION_TAINTS
        if hard and not tolerated(taint, spec.get("tolerations") or []):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"have taint {taint['key']}{value}:{taint['effect']} that is not tolerated"
    return ""


def terms(pod: Object, kind: str) -> list[Object]:
    """A pod's required terms of podAffinity or podAntiAffinity."""
    found: list[Object] = ((pod["spec"].get("affinity") or {}).get(kind) or {}).get(REQUIRED) or []
    return found


# --- devices (Dynamic Resource Allocation)

# Devices of a class are counted like any other resource, under this prefix.
DEVICES = "devices of class "
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
        attributes = device.get("attributes") or device.get("basic", {}).get("attributes") or {}
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


# --- placing


def own_pods(cluster: Cluster, needs: Object) -> list[Object]:
    """Pods that the release has now."""
    wanted = {"app.kubernetes.io/name": "dynamo-disagg", "app.kubernetes.io/instance": needs["instance"]}
    return [
        pod
        for pod in cluster.pods
        if pod["metadata"]["namespace"] == needs["namespace"]
        and wanted.items() <= (pod["metadata"].get("labels") or {}).items()
    ]


def free_nodes(cluster: Cluster, held: Iterable[Object]) -> list[Node]:
    """The nodes with what the given pods leave free."""
    nodes = {}
    for item in cluster.nodes:
        capacity = {k: amount(v) for k, v in (item["status"].get("allocatable") or {}).items()}
        conditions = {c["type"]: c["status"] for c in item["status"].get("conditions") or []}
        state = "are NotReady" if conditions.get("Ready") != "True" else ""
        state = state or ("are cordoned" if item["spec"].get("unschedulable") else "")
        metadata = item["metadata"]
        labels, taints = metadata.get("labels") or {}, item["spec"].get("taints") or []
        nodes[metadata["name"]] = Node(metadata["name"], labels, taints, state, capacity, dict(capacity))
    for pod in held:
        node = nodes.get(pod["spec"]["nodeName"])
        if node is not None:
            take(node, requests(pod["spec"]))
            node.pods.append((pod["metadata"]["namespace"], pod["metadata"].get("labels") or {}))
    return list(nodes.values())


def take(node: Node, amounts: Amounts) -> None:
    """Reserve on a node."""
    for name, value in amounts.items():
        node.free[name] = node.free.get(name, Decimal(0)) - value


def shortage(node: Node, amounts: Amounts) -> str:
    """The first thing a node has too little of, in words; empty when the amounts fit."""
    for name, value in amounts.items():
        if node.free.get(name, Decimal(0)) < value:
            what = name.removeprefix(DEVICES)
            if not node.capacity.get(name):
                return f"have no {what}"
            if node.capacity[name] < value:
                return f"have only {shown(name, node.capacity[name])} in all"
            return f"have less than {shown(name, value)} free"
    return ""


@dataclass
class Plan:
    """Pods of the release put on nodes, one after the other; nothing is really made."""

    needs: Object
    nodes: list[Node]
    amounts: Callable[[Object], Amounts]

    def company_fits(self, node: Node, pod: Object) -> bool:
        """Required affinity and anti-affinity of a pod towards the pods that are there."""
        labels = pod["metadata"]["labels"]

        def there(term: Object, nodes: Iterable[Node]) -> bool:
            spaces = term.get("namespaces") or [self.needs["namespace"]]
            everywhere = term.get("namespaceSelector") is not None
            return any(
                (everywhere or space in spaces) and selector_matches(term.get("labelSelector"), found)
                for n in nodes
                for space, found in n.pods
            )

        def domain(term: Object) -> Iterator[Node]:
            key = term["topologyKey"]
            return (n for n in self.nodes if key in n.labels and n.labels[key] == node.labels.get(key))

        for term in terms(pod, "podAffinity"):
            if term["topologyKey"] not in node.labels:
                return False
            # The first of its kind may go anywhere.
            alone = selector_matches(term.get("labelSelector"), labels) and not there(term, self.nodes)
            if not alone and not there(term, domain(term)):
                return False
        return not any(there(term, domain(term)) for term in terms(pod, "podAntiAffinity"))

    def place(self, pod: Object, eligible: list[Node]) -> Node | None:
        """Put one pod on the node that it leaves the least of; None when no node takes it."""
        amounts = self.amounts(pod)
        gpu = self.needs["gpuResource"]
        fitting = [n for n in eligible if not shortage(n, amounts) and self.company_fits(n, pod)]
        if not fitting:
            return None
        # Pods without GPUs keep away from nodes that have some.
        best = min(fitting, key=lambda n: (n.free.get(gpu, 0), n.free.get("memory", 0), n.name))
        take(best, amounts)
        best.pods.append((self.needs["namespace"], pod["metadata"]["labels"]))
        return best

    def place_group(self, pods: list[Object], eligible: list[Node]) -> bool:
        """Place all pods of one worker, or none."""
        chosen: list[tuple[Node, Object]] = []
        for pod in pods:
            node = self.place(pod, eligible)
            if node is None:
                for taken, other in chosen:
                    take(taken, {k: -v for k, v in self.amounts(other).items()})
                    taken.pods.pop()
                return False
            chosen.append((node, pod))
        return True

    def place_pool(self, pool: Object, bound: Callable[[Node], bool]) -> int:
        """Place a whole pool on nodes that `bound` allows; returns how many of its groups have a place."""
        pods = pods_of(pool)
        # The pods of a group differ in their command only, so one of them says which nodes are theirs.
        eligible = [n for n in self.nodes if bound(n) and not unfit(n, pods[0]["spec"])]
        key = pool["exclusiveTopologyKey"]
        used: set[str] = set()
        for placed in range(pool["groups"]):
            if key:
                options = sorted({n.labels[key] for n in eligible if key in n.labels} - used)
                found = next((d for d in options if self.place_group(pods, within(eligible, key, d))), None)
                if found is None:
                    return placed
                used.add(found)
            elif not self.place_group(pods, eligible):
                return placed
        return int(pool["groups"])


def pods_of(pool: Object) -> list[Object]:
    """The pods of one group, the leader first."""
    return [pod for pod in pool["pods"] for _ in range(pod["count"])]


def within(nodes: list[Node], key: str, value: str) -> list[Node]:
    """The nodes of one topology domain."""
    return [node for node in nodes if node.labels.get(key) == value]


def company_key(pools: list[Object]) -> str:
    """The topology key by which the workers of the release want to be together, if they do (global.colocation)."""
    for pod in (pod for pool in pools for pod in pool["pods"]):
        for term in terms(pod, "podAffinity"):
            if selector_matches(term.get("labelSelector"), pod["metadata"]["labels"]):
                return str(term["topologyKey"])
    return ""


# --- the checks


def check_nodes(cluster: Cluster, needs: Object) -> list[Check]:
    """One row for each pool: do all of its pods have a place, next to those of the other pools."""
    own = own_pods(cluster, needs)
    own_names = {(pod["metadata"]["namespace"], pod["metadata"]["name"]) for pod in own}
    others = [pod for pod in cluster.pods if (pod["metadata"]["namespace"], pod["metadata"]["name"]) not in own_names]
    counted: dict[str, dict[str, Counts]] = {}
    for wanted in {template["deviceClassName"] for template in needs["claimTemplates"].values()}:
        found = next((c for c in cluster.device_classes or [] if c["metadata"]["name"] == wanted), None)
        takes = selects(found) if found is not None else None
        if takes is not None:
            counted[wanted] = devices(cluster, takes, own_names)

    def amounts(pod: Object) -> Amounts:
        result = requests(pod["spec"])
        for claim in pod["spec"].get("resourceClaims") or []:
            template = needs["claimTemplates"].get(claim.get("resourceClaimTemplateName"))
            if template and template["deviceClassName"] in counted:
                result[DEVICES + template["deviceClassName"]] = Decimal(int(template["count"]))
        # What is scarce first, so that it is the reason given.
        return dict(sorted(result.items(), key=lambda entry: (entry[0] != needs["gpuResource"], "/" not in entry[0])))

    def nodes_without(pods: Iterable[Object], free: int) -> list[Node]:
        nodes = free_nodes(cluster, pods)
        for name, by_node in counted.items():
            for node in nodes:
                there = by_node.get(node.name, (0, 0))
                node.capacity[DEVICES + name], node.free[DEVICES + name] = Decimal(there[0]), Decimal(there[free])
        return nodes

    def size(pool: Object) -> tuple[Decimal, Decimal]:
        largest = [amounts(pod) for pod in pool["pods"]]
        return max((a.get(needs["gpuResource"], Decimal(0)), a.get("memory", Decimal(0))) for a in largest)

    pools = sorted(needs["pools"], key=size, reverse=True)
    key = company_key(pools)
    start = nodes_without(others, free=1)
    best: tuple[int, list[Check]] | None = None
    # Workers that want to be together: the domain in which most of them have a place.
    for domain in (sorted({n.labels[key] for n in start if key in n.labels}) if key else []) or [""]:
        plan = Plan(needs, [replace(n, free=dict(n.free), pods=list(n.pods)) for n in start], amounts)
        rows, score = [], 0
        for pool in pools:
            together = key if any(terms(pod, "podAffinity") for pod in pool["pods"]) else ""
            before = {n.name: dict(n.free) for n in plan.nodes}
            placed = plan.place_pool(pool, _everywhere if not together else _domain(key, domain))
            left = [replace(n, free=before[n.name]) for n in plan.nodes]
            rows.append(check_pool(pool, placed, left, amounts, needs, together))
            score += placed * len(pods_of(pool))
        if best is None or score > best[0]:
            best = (score, rows)
        if all(row.status == OK for row in rows):
            break
    assert best is not None
    rows = best[1]
    if own and all(row.status == OK for row in rows):
        rows += check_surge(pools, Plan(needs, nodes_without(cluster.pods, free=1), amounts))
    return rows


def _everywhere(_node: Node) -> bool:
    return True


def _domain(key: str, value: str) -> Callable[[Node], bool]:
    return lambda node: node.labels.get(key) == value


def check_pool(
    pool: Object, placed: int, nodes: list[Node], amounts: Callable[[Object], Amounts], needs: Object, company: str
) -> Check:
    """The row of one pool; `nodes` are as the larger pools left them."""
    name = pool["component"]
    per_group = len(pods_of(pool))
    wanted = pool["groups"] * per_group
    pod = max(pool["pods"], key=lambda p: amounts(p).get(needs["gpuResource"], Decimal(0)))
    asked = amounts(pod)
    scarce = [shown(k, v) for k, v in asked.items() if "/" in k or k.startswith(DEVICES)]
    asks = ", ".join(_folded(scarce) or [shown(k, asked[k]) for k in ("cpu", "memory") if k in asked])
    matching = [node for node in nodes if not unfit(node, pod["spec"])]
    reasons = Counter(filter(None, (unfit(node, pod["spec"]) for node in nodes)))
    why = "; ".join(_reason(count, text) for text, count in reasons.most_common())
    detail = f"{wanted} {'pod' if wanted == 1 else 'pods'} x {asks}, nodes that match: {len(matching)} of {len(nodes)}"
    detail += f" ({why})" if why else ""
    if placed == pool["groups"]:
        return Check(OK, name, f"{detail}, room for all")
    homeless = wanted - placed * per_group
    detail += f", room for {placed * per_group}: {homeless} {'pod has' if homeless == 1 else 'pods have'} no place"
    short = Counter(filter(None, (shortage(node, asked) for node in matching)))
    for text, count in short.most_common():
        detail += f"; {_reason(count, text)}"
    for who, key in (("the pods of a worker", pool["exclusiveTopologyKey"]), ("all workers", company)):
        detail += f"; {who} must be in one {key}" if key else ""
    nearest = "" if matching else _nearest(nodes, pod["spec"])
    return Check(FAIL, name, f"{detail}: {_fix(pool, nodes, nearest, short, needs)}")


def _nearest(nodes: list[Node], spec: Object) -> str:
    """Why those nodes do not fit that have most of what a pod wants: the reason worth changing."""

    def nearness(node: Node) -> tuple[int, int]:
        reason = unfit(node, spec)
        past_labels = not reason.startswith(("lack label ", "have another CPU"))
        fitting = (spec.get("nodeSelector") or {}).items() & node.labels.items()
        return past_labels + reason.startswith("have taint "), len(fitting)

    best = max(map(nearness, nodes), default=None)
    reasons = Counter(unfit(node, spec) for node in nodes if nearness(node) == best)
    return reasons.most_common(1)[0][0] if reasons else ""


def _reason(count: int, text: str) -> str:
    """How many nodes, and why not: "1 has ...", "2 have ..."."""
    if count > 1:
        return f"{count} {text}"
    verb, _, rest = text.partition(" ")
    return f"1 { ({'have': 'has', 'are': 'is', 'lack': 'lacks', 'do': 'does'}[verb]) } {rest}"


def _folded(names: list[str]) -> list[str]:
    """rdma-0 to rdma-7 as one entry."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(re.sub(r"\d+$", "*", name), []).append(name)
    return [found[0] if len(found) == 1 else f"{kind} ({len(found)})" for kind, found in kinds.items()]


def _fix(pool: Object, nodes: list[Node], nearest: str, short: Counter[str], needs: Object) -> str:
    """What to do: about why the nearest node does not match, else about what is short on those that do."""
    name = pool["component"]
    if not nodes:
        return "the cluster has no nodes, or they may not be read"
    more = f"add nodes, or lower {name}.replicas"
    if nearest:
        if nearest.startswith("lack label "):
            key = nearest.removeprefix("lack label ").partition("=")[0]
            there = Counter(node.labels[key] for node in nodes if key in node.labels)
            values = ", ".join(f"{value} on {count}" for value, count in there.most_common(4))
            seen = f" (the label is {values})" if values else " (no node has the label)"
            return f"set global.hardware to the machine type of the nodes, or {name}.nodeSelector{seen}"
        if nearest.startswith("have another CPU"):
            return "set global.hardwareSpec.arch to that of the nodes, and an image for it"
        if nearest.startswith("have taint "):
            return f"add the taint to {name}.tolerations"
        if nearest == "do not fit nodeAffinity":
            return f"change {name}.affinity, or {more}"
        return "wait for the nodes, or uncordon them"
    hopeless = [text for text in short if text.startswith("have no ")]
    if hopeless and len(short) == len(hopeless):
        what = hopeless[0].removeprefix("have no ")
        if what == needs["gpuResource"]:
            return "install the GPU device plugin, or set global.hardwareSpec.gpuResource"
        return f"install the device plugin or driver of {what}, or set global.rdma.enabled=false (slow KV transfer)"
    if any(text.startswith("have only ") for text in short) and len(short) == 1:
        return f"lower {name}.resources, or use larger nodes"
    return more + ", or free what other pods hold"


def check_surge(pools: list[Object], plan: Plan) -> list[Check]:
    """Rows for the pools of which an upgrade starts a new pod before it ends an old one, with no room for that."""
    rows = []
    for pool in pools:
        if str(pool["maxSurge"]) not in ("0", "0%") and not plan.place_pool({**pool, "groups": 1}, _everywhere):
            name = pool["component"]
            text = (
                "no room for one more next to those that run, so an upgrade that changes its pods waits for room: set "
                f"{name}.rollingUpdate.maxSurge=0 and maxUnavailable=1"
            )
            rows.append(Check(WARN, f"{name}, rolling update", text))
    return rows


def check_devices(cluster: Cluster, needs: Object) -> list[Check]:
    """One row for each device class that pods claim from."""
    rows = []
    there = {c["metadata"]["name"]: c for c in cluster.device_classes or []}
    for wanted in sorted({template["deviceClassName"] for template in needs["claimTemplates"].values()}):
        takes = selects(there[wanted]) if wanted in there else None
        if wanted not in there:
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
            rows.append(Check(FAIL, f"API {kind}", f"{version} is not served: {fix}"))
            continue
        pattern = CONTROLLERS.get(group)
        row = (OK, version)
        if pattern and not any(pattern.search(image) for image in images):
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
        elif need.get("key") and need["key"] not in keys:
            row = (FAIL, f"has no key {need['key']} (it has: {', '.join(keys)}): add it ({need['value']})")
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
    return [
        *denied,
        *check_nodes(cluster, needs),
        *(Check(WARN, name, "topologySpreadConstraints were not looked at") for name in spread),
        *check_devices(cluster, needs),
        *check_apis(cluster, needs),
        *check_objects(cluster, needs),
        *check_storage(cluster, needs),
    ]


# --- showing


def table(rows: list[Check], needs: Object) -> str:
    """The rows as text for people, and the verdict."""
    width = max(len("CHECK"), *(len(row.name) for row in rows))
    lines = [f"{'':6}{'CHECK':{width}}  FOUND"]
    for row in rows:
        first, *more = textwrap.wrap(row.detail, 110, break_long_words=False, break_on_hyphens=False) or [""]
        lines += [f"{row.status:6}{row.name:{width}}  {first}", *(f"{'':6}{'':{width}}  {line}" for line in more)]
    failed = sum(row.status == FAIL for row in rows)
    where = f"release {needs['release']} in namespace {needs['namespace']}, machine type {needs['hardware']}"
    verdict = f"FAIL: {failed} of {len(rows)} checks failed" if failed else f"OK: {len(rows)} checks"
    return "\n".join([f"Preflight of {where}", "", *lines, "", verdict])


def passed(rows: list[Check]) -> bool:
    """Whether nothing failed; warnings do not count."""
    return all(row.status != FAIL for row in rows)


def main() -> int:
    """The hook Job."""
    needs = json.loads(Path(sys.argv[1]).read_text())
    try:
        rows = checks(read(in_cluster, needs), needs)
    except NoAnswerError as error:
        print(f"FAIL: the API server gives no answer: {error}", file=sys.stderr)
        return 1
    print(table(rows, needs))
    return 0 if passed(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
