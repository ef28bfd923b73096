"""Values of this chart as a DynamoGraphDeployment v1beta1, for those who run Dynamo's operator.

The pods are those that the chart renders, without what the operator adds itself: names, discovery, ranks, probes.
"""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hack.base.log import UserError
from hack.chart import kubeschema
from hack.chart.helm import HelmError
from hack.chart.installation import plan
from hack.chart.manifests import WORKERS, Manifests, PodTemplate, is_hook, nested
from hack.chart.scenarios import Scenario
from hack.convert.notes import Notes
from hack.convert.tree import Tree, a_map, get, maps

API = "nvidia.com/v1beta1"
# Flags of a worker of several nodes, and whether they have a value: the operator adds its own.
RANKS = dict.fromkeys(
    ("--nnodes", "--node-rank", "--master-addr", "--master-port", "--dist-init-addr", "--distributed-executor-backend"),
    True,
) | {"--headless": False}
# Variables that the operator sets, and those of what stays behind.
OPERATORS = re.compile(
    r"^(DYN_NAMESPACE.*|DYN_DISCOVERY_BACKEND|DYN_SYSTEM_.*|DYN_GRACEFUL_.*|DYN_RUNTIME_GRACEFUL_.*|DYN_HTTP_GRACEFUL_.*"
    r"|POD_(NAME|NAMESPACE|UID)|DYNAMO_.*|MPI_.*|OMPI_.*|ETCD_.*|NATS_SERVER)$"
)
# Labels and annotations of this chart.
OWN = re.compile(r"^(app\.kubernetes\.io|helm\.sh|dynamo-disagg|checksum|nvidia\.com/(dynamo|metrics))")
# Mounts of this chart's own scripts.
SCRIPTS = ("/opt/dynamo-disagg", "/opt/ranks", "/etc/mpi-ssh")
KEPT = ("ComputeDomain", "ResourceClaimTemplate", "PersistentVolumeClaim")
LEFT = {
    "Ingress": "the frontend's Service is the operator's, <name>-frontend: lead your Ingress to it",
    "HTTPRoute": "the frontend's Service is the operator's, <name>-frontend: lead your route to it",
    "NetworkPolicy": "it selects pods by this chart's labels",
    "ScaledObject": "it scales this chart's workloads: the operator has scalingAdapter and a planner",
    "HorizontalPodAutoscaler": "it scales this chart's workloads: the operator has scalingAdapter and a planner",
    "PodMonitor": "the operator's platform has its own",
    "PrometheusRule": "its queries name this chart's labels",
    "CronJob": "the canary",
    "Job": "the download: fill the claim yourself",
    "StatefulSet": "a server of the release: the operator's platform has its own etcd and NATS",
    "PodDisruptionBudget": "the operator makes none",
}


def deployment(source: Path, name: str) -> tuple[list[Tree], Notes, list[str]]:
    """The objects for a values file, what there is to say of them, and what does not fit their schemas."""
    notes = Notes()
    scenario = Scenario("given", (str(source.resolve()),))
    if scenario.effective["global"]["multiNode"]["controller"] == "disaggregatedset":
        scenario = Scenario("given", scenario.files, nested("global.multiNode.controller", "lws"))
        notes.change("global.multiNode.controller", "left to the operator: it has an object for both roles already")
    try:
        manifests = plan(scenario, release=name).manifests
    except HelmError as error:
        raise UserError(f"{source}: the chart refuses it: {' '.join(error.stderr.split())}") from error
    documents = [_plain(item) for item in manifests if item["kind"] in KEPT]
    components = [_component(pods, name, documents, manifests, notes) for pods in _pools(manifests)]
    spec: Tree = {"backendFramework": str(scenario.effective["global"]["engine"]["name"]), "components": components}
    documents.append({"apiVersion": API, "kind": "DynamoGraphDeployment", "metadata": {"name": name}, "spec": spec})
    for kind in sorted({item["kind"] for item in manifests if not is_hook(item)}):
        if kind in LEFT:
            notes.loss(kind, LEFT[kind])
    notes.change("discovery, names, ranks, probes", "left to the operator")
    notes.loss("preStop", "answers in flight have what the operator gives: its pods have no drain of this chart")
    return documents, notes, kubeschema.problems(*documents)


def _pools(manifests: Manifests) -> Iterator[PodTemplate]:
    for component in ("frontend", *WORKERS):
        found = [pods for pods in manifests.pods(component) if pods.leads and not is_hook(pods.owner)]
        yield from found[:1]


def _component(pods: PodTemplate, name: str, documents: list[Tree], manifests: Manifests, notes: Notes) -> Tree:
    role = pods.labels["app.kubernetes.io/component"]
    is_frontend = role == "frontend"
    has_prefill = any(manifests.pods("prefill"))
    spec = copy.deepcopy(pods.spec)
    container = spec.pop("containers")[0]
    configs = _configs(spec, container, f"{name}-{role}", manifests)
    documents += configs
    memory = ""
    for mount in maps(container.get("volumeMounts")):
        if mount["mountPath"] == "/dev/shm":
            volume = next(v for v in spec["volumes"] if v["name"] == mount["name"])
            memory = str(a_map(volume.get("emptyDir")).get("sizeLimit", ""))
            _forget(spec, container, mount["name"])
    if spec.pop("initContainers", None):
        notes.loss(f"{role} initContainers", "the pods do not wait for the model: fill the claim first")
    _trim(spec, role, notes)
    labels = {k: v for k, v in pods.labels.items() if not OWN.match(k)}
    annotations = {k: v for k, v in a_map(pods.metadata.get("annotations")).items() if not OWN.match(k)}
    metadata = {k: v for k, v in (("labels", labels), ("annotations", annotations)) if v}
    spec["containers"] = [_main(container, is_frontend)]
    component: Tree = {
        "name": role,
        "type": "frontend" if is_frontend else role if has_prefill and role != "encode" else "worker",
        "replicas": int(a_map(pods.owner["spec"]).get("replicas", 1)),
    }
    size = int(get(pods.owner, "spec", "leaderWorkerTemplate", "size", default=1))
    if pods.owner["kind"] == "StatefulSet":
        raise UserError(
            "global.multiNode.controller=statefulset: convert with lws, whose groups are the operator's "
            "multinode workers"
        )
    if size > 1:
        component["multinode"] = {"nodeCount": size}
    if memory:
        component["sharedMemorySize"] = memory
    component["podTemplate"] = ({"metadata": metadata} if metadata else {}) | {"spec": spec}
    return component


def _main(container: Tree, is_frontend: bool) -> Tree:
    """The operator's main container: it merges its own ports, probes and variables in."""
    command = [part for part in container.get("command", []) if part not in ("bash", "/opt/ranks/lead.sh")]
    if is_frontend:
        command = ["python3", "-m", "dynamo.frontend"]  # without files/frontend.py, which a preStop of the chart needs
    args: list[str] = []
    skip = False
    for argument in container.get("args", []):
        flag = str(argument).partition("=")[0]
        if skip:
            skip = False
        elif flag in RANKS:
            skip = RANKS[flag] and "=" not in str(argument)
        else:
            args.append(argument)
    main: Tree = {"name": "main", "image": container["image"], "command": command}
    if args:
        main["args"] = args
    if env := [entry for entry in container.get("env", []) if not OPERATORS.match(entry["name"])]:
        main["env"] = env
    for key in ("imagePullPolicy", "resources", "securityContext", "volumeMounts"):
        if container.get(key):
            main[key] = container[key]
    probe = a_map(container.get("startupProbe"))
    if probe and not is_frontend:
        seconds = int(probe.get("periodSeconds", 10)) * int(probe.get("failureThreshold", 3))
        main["startupProbe"] = {
            "httpGet": {"path": "/live", "port": 9090},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": max(1, seconds // 10),
        }
    return main


def _configs(spec: Tree, container: Tree, name: str, manifests: Manifests) -> list[Tree]:
    """The engine's file under a name of its own; the chart's scripts are left out."""
    found: list[Tree] = []
    for mount in list(maps(container.get("volumeMounts"))):
        volume = next((v for v in maps(spec.get("volumes")) if v["name"] == mount["name"]), {})
        if mount["mountPath"].startswith(SCRIPTS):
            _forget(spec, container, mount["name"])
        elif mount["mountPath"] == "/etc/dynamo" and "configMap" in volume:
            config = manifests.one("ConfigMap", name=volume["configMap"]["name"])
            volume["configMap"] = {"name": f"{name}-engine"}
            found.append(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": f"{name}-engine"},
                    "data": config["data"],
                }
            )
    return found


def _forget(spec: Tree, container: Tree, name: str) -> None:
    """A volume and its mounts."""
    spec["volumes"] = [v for v in maps(spec.get("volumes")) if v["name"] != name]
    container["volumeMounts"] = [m for m in maps(container.get("volumeMounts")) if m["name"] != name]


def _trim(spec: Tree, role: str, notes: Notes) -> None:
    for key in ("serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "hostname", "subdomain"):
        spec.pop(key, None)
    if not spec.get("volumes"):
        spec.pop("volumes", None)
    for key in ("affinity", "topologySpreadConstraints"):
        if "app.kubernetes.io/" in str(spec.get(key)):
            del spec[key]
            notes.loss(f"{role}.{key}", "it selects pods by this chart's labels, which the operator's have not")


def _plain(item: Any) -> Tree:
    """An object without the labels of a release."""
    metadata = {"name": item["metadata"]["name"]}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata, "spec": item["spec"]}
