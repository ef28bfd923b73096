"""Values of Tencent's TKE chart (tkestack/tke-ai-playbook, helm-charts/dynamo): Dynamo 0.1 with SDK graphs."""

from typing import Any

from hack.convert.flags import as_words
from hack.convert.graph import Component, Graph, Mount
from hack.convert.notes import CannotConvertError, Notes
from hack.convert.tree import Tree, a_map, get, of_yaml, put, whole

WORKERS = {"prefill": "PrefillWorker", "decode": "VllmWorker"}
# Keys of the SDK's services that are no flags of the engine.
SERVICES = (
    "ServiceArgs",
    "common-configs",
    "router",
    "remote-prefill",
    "conditional-disagg",
    "max-local-prefill-length",
    "max-prefill-queue-size",
    "kv-transfer-config",
    "served_model_name",
)


def is_values(document: Tree) -> bool:
    """Whether these are such values."""
    return isinstance(document.get("configs"), str) and "modelPVC" in document


def graph(values: Tree, notes: Notes) -> Graph:
    """The deployment that the chart would make."""
    configs = _configs(values, "configs")
    is_multi = bool(get(values, "multinode", "enable"))
    if is_multi and get(values, "single", "enable"):
        notes.doubt("single.enable", "multinode.enable is set too: two deployments, of which the second is converted")
    result = Graph("tke", "values of the TKE chart", framework="vllm")
    has_rdma = bool(get(values, "rdma", "enable"))
    put(result.values, "global.hardware", "tke-h20-rdma" if has_rdma else "tke-h20")
    mode = str(get(values, "rdma", "networkMode", default="tke-route-eni"))
    if has_rdma and mode != "tke-route-eni":
        put(
            result.values,
            "global.hardwareSpec.rdma.podAnnotations",
            {"tke.cloud.tencent.com/networks": f"{mode},tke-rdma-ipvlan"},
        )
    if has_rdma and get(values, "rdma", "hostNetwork"):
        notes.loss(
            "rdma.hostNetwork",
            "it overrides the annotation of the RDMA network, and two pods on one node fight for ports",
        )
    pods = a_map(values.get("multinode" if is_multi else "single"))
    count = whole(pods.get("replicas")) or 1
    served = str(get(configs, "Frontend", "served_model_name", default=""))
    frontend = Component("frontend", "configs.Frontend", "frontend", 1)
    decode = _service(configs, "VllmWorker", notes)
    mode = str(decode.get("router") or get(configs, "Processor", "router", default=""))
    frontend.command, frontend.args = ["python3", "-m", "dynamo.frontend"], ["--router-mode", mode] if mode else []
    _conditional(result, decode, notes)
    result.components.append(frontend)
    for role, name in WORKERS.items():
        section = _service(configs, name, notes)
        if not section:
            raise CannotConvertError(f"configs: it has no {name}: the chart serves with a prefill and a decode pool")
        part = _worker(values, pods, role, name, section, served)
        part.replicas = count * (whole(get(section, "ServiceArgs", "workers")) or 1)
        result.components.append(part)
    if not is_multi:
        put(result.values, "global.colocation.topologyKey", "kubernetes.io/hostname")
        for role in WORKERS:
            put(result.values, f"{role}.rollingUpdate", {"maxSurge": 0, "maxUnavailable": 1})
        notes.change("rollingUpdate", "maxSurge 0: one node has no GPUs for a new worker beside the old ones")
    else:
        _more_prefill(values, result.components[1], notes)
    _rest(values, result, notes)
    notes.change("single, multinode", "a pod for each engine instead of one pod for a node")
    return result


def _configs(values: Tree, key: str) -> Tree:
    return a_map(of_yaml(str(values.get(key) or ""), key))


def _service(configs: Tree, name: str, notes: Notes) -> Tree:
    section = a_map(configs.get(name))
    shared = a_map(configs.get("Common"))
    for key in section.get("common-configs") or []:
        if key in shared:
            section.setdefault(key, shared[key])
        else:
            notes.loss(f"configs.{name}.common-configs", f"Common has no {key}")
    return section


def _worker(values: Tree, pods: Tree, role: str, name: str, section: Tree, served: str) -> Component:
    part = Component(role, f"configs.{name}", role, command=["python3", "-m", "dynamo.vllm"])
    claim = a_map(values.get("modelPVC"))
    if claim.get("enable"):
        source = {"persistentVolumeClaim": {"claimName": str(claim.get("name") or "")}}
        part.mounts = [Mount(str(claim.get("mountPath") or "/data").rstrip("/"), source, "model")]
    gpus = whole(get(section, "ServiceArgs", "resources", "gpu")) or whole(section.get("tensor-parallel-size")) or 1
    part.resources = {"limits": {"nvidia.com/gpu": gpus}}
    part.labels = {**a_map(values.get("podLabels")), **a_map(pods.get("labels"))}
    part.annotations = {**a_map(values.get("podAnnotations")), **a_map(pods.get("annotations"))}
    part.args = ["--served-model-name", served] if served else []
    for key, value in section.items():
        if key not in SERVICES:
            part.args += as_words(key, value)
    if "kv-transfer-config" in section:
        part.args += ["--kv-transfer-config", '{"kv_connector": "NixlConnector"}']
    return part


def _conditional(result: Graph, decode: Tree, notes: Notes) -> None:
    """What decode did itself with short prompts is the router's now."""
    if not decode.get("conditional-disagg"):
        return
    policy: dict[str, Any] = {"policy": "isl_bounding"}
    if (length := whole(decode.get("max-local-prefill-length"))) is not None:
        policy["eff_isl_threshold"] = length
    put(result.values, "frontend.args.router-conditional-disagg", True)
    put(result.values, "frontend.args.router-conditional-disagg-config", policy)
    notes.change("configs.VllmWorker.conditional-disagg", "the router decides it now (experimental in Dynamo 1.6.1)")
    if "max-prefill-queue-size" in decode:
        notes.loss("configs.VllmWorker.max-prefill-queue-size", "Dynamo has it no more: see frontend.rejection")


def _more_prefill(values: Tree, prefill: Component, notes: Notes) -> None:
    section = _service(_configs(values, "prefillConfigs"), "PrefillWorker", notes)
    pods = whole(get(values, "multinode", "prefill", "replicas")) or 0
    workers = whole(get(section, "ServiceArgs", "workers")) or 0
    prefill.replicas = (prefill.replicas or 0) + pods * workers
    own = a_map(_configs(values, "configs").get("PrefillWorker"))
    differs = sorted(
        k
        for k in section.keys() | own.keys()
        if k not in ("ServiceArgs", "common-configs") and section.get(k) != own.get(k)
    )
    if workers and differs:
        notes.doubt(
            "prefillConfigs",
            f"{', '.join(differs)} differ from configs.PrefillWorker, whose flags all prefill workers get: one "
            "pool has one set",
        )
    if get(values, "multinode", "prefill", "resources"):
        notes.change(
            "multinode.prefill.resources", "left out: no template of that chart reads it; GPUs follow from parallelism"
        )


def _rest(values: Tree, result: Graph, notes: Notes) -> None:
    put(result.values, "frontend.service.type", str(get(values, "service", "type", default="ClusterIP")))
    put(result.values, "frontend.service.port", whole(get(values, "service", "port")) or 80)
    secrets = [str(s.get("name") if isinstance(s, dict) else s) for s in values.get("imagePullSecrets") or []]
    if secrets:
        put(result.values, "global.imagePullSecrets", secrets)
    image = a_map(values.get("image"))
    for part in result.components:
        part.image = f"{image.get('repository')}:{image.get('tag')}"
    for path, value in (
        ("natsServerOverride", "global.natsUrl"),
        ("etcdEndpointsOverride", "global.discovery.etcdEndpoints"),
    ):
        if given := values.get(path):
            notes.change(
                path, f"left out ({given}): neither etcd nor NATS is needed; {value} names yours if you want it"
            )
    for name in ("nats", "etcd"):
        if get(values, name, "enable", default=get(values, name, "enabled")):
            notes.change(name, "left out: discovery is Kubernetes' own, requests go over TCP")
    if get(values, "graphs"):
        notes.change("graphs", "left out: Dynamo has no SDK graphs any more")
    for mode in ("single", "multinode"):
        if get(values, mode, "metrics", "enable"):
            notes.change(f"{mode}.metrics", "Dynamo serves /metrics itself; metrics.podMonitor.enabled has it scraped")
    for name in ("nameOverride", "fullnameOverride"):
        if values.get(name):
            notes.loss(name, "names come from the release: see global.nameOverride")
