"""Values of Google's Dynamo recipes (AI-Hypercomputer/gpu-recipes): A4X and A4X Max, and A3 Ultra."""

from hack.convert.dgd import PROBES, variables
from hack.convert.flags import as_words
from hack.convert.graph import Component, Graph, Mount
from hack.convert.notes import CannotConvertError, Notes
from hack.convert.tree import Tree, a_map, get, of_yaml, put, whole

CONFIG = "serving_config"
GPUS_A4X, GPUS_A3U = 4, 8


def is_values(document: Tree) -> bool:
    """Whether these are such values."""
    return isinstance(get(document, "workload", "framework"), str) and isinstance(document.get("dynamo"), dict)


def graph(values: Tree, files: dict[str, str], notes: Notes) -> Graph:
    """The deployment that the recipe's chart would make."""
    is_a4x = "decodeWorker" in values["dynamo"]
    is_max = "rdma" in values["dynamo"]
    machine = ("gke-a4xmax" if is_max else "gke-a4x") if is_a4x else "gke-a3ultra"
    name = str(get(values, "dynamo", "deploymentName", default="") or "recipe")
    result = Graph(name, f"values of the {machine} recipe")
    put(result.values, "global.hardware", machine)
    result.framework = str(values["workload"]["framework"])
    mounts = _mounts(values, notes)
    model = get(values, "workload", "model")
    model = str(get(model, "name", default="") if isinstance(model, dict) else model or "")
    result.model = f"{mounts[0].path}/{model}" if is_a4x and mounts else model
    frontend = a_map(values["dynamo"].get("frontend"))
    replicas = whole(frontend.get("replicas")) or 1
    result.components.append(Component("frontend", "dynamo.frontend", "frontend", replicas))
    for role in ("prefill", "decode"):
        result.components.append(_worker(values, role, files, mounts, is_a4x, notes))
    image = str(get(values, "workload", "image", default="") or frontend.get("image") or "")
    for part in result.components:
        part.image = image
    port = whole(get(values, "service", "ports", "frontend"))
    put(result.values, "frontend.service.type", str(get(values, "service", "type", default="ClusterIP")))
    put(result.values, "frontend.service.port", port or 8000)
    if secret := get(values, "secrets", "ngc", "secretName"):
        put(result.values, "global.imagePullSecrets", [str(secret)])
    _left_out(values, notes)
    return result


def _mounts(values: Tree, notes: Notes) -> list[Mount]:
    volumes = a_map(values.get("volumes"))
    result: list[Mount] = []
    if volumes.get("useGcs"):
        path = str(get(volumes, "gcsMounts", "mountPath", default="/data/model")).rstrip("/")
        attributes = {"bucketName": get(volumes, "gcsfuse", "bucketName", default="")}
        source = {"csi": {"driver": "gcsfuse.csi.storage.gke.io", "volumeAttributes": attributes}}
        result.append(Mount(path, source, "gcs-model"))
    if volumes.get("ssdMountPath"):
        notes.change(
            "volumes.ssdMountPath", "left out: the chart's own cache and scratch folders are where the engine writes"
        )
    return result


def _worker(
    values: Tree, role: str, files: dict[str, str], mounts: list[Mount], is_a4x: bool, notes: Notes
) -> Component:
    key = f"{role}_{CONFIG}"
    text = (
        files.get(key)
        or files.get(CONFIG)
        or files.get(f"workload_{CONFIG}")
        or _text(values.get(key))
        or _text(values.get(CONFIG))
    )
    if not text:
        raise CannotConvertError(
            f"{key}: the recipe's flags of this role are a file: give it with --set-file {key}=FILE"
        )
    content = of_yaml(text, key)
    own = a_map(values["dynamo"].get(f"{role}Worker")) if is_a4x else a_map(values["workload"])
    part = Component(role, f"dynamo.{role}Worker" if is_a4x else "workload", role, whole(own.get("replicas")) or 1)
    part.nodes = max(1, whole(own.get("nodeCount")) or 1)
    part.mounts = list(mounts)
    gpus = GPUS_A4X
    if not is_a4x:
        # The recipe halves the GPUs between the roles.
        half = (whole(get(values, "workload", "gpus")) or 2 * GPUS_A3U) // 2
        gpus = min(half, GPUS_A3U)
    part.resources = {"limits": {"nvidia.com/gpu": gpus}}
    part.shared_memory = "80Gi"
    part.env = {
        k: v
        for k, v in variables(own.get("envs")).items()
        if k not in ("SERVER_ARGS_FILE", "LAUNCHER_SCRIPT", "MODEL_PATH")
    }
    for probe, kind in PROBES.items():
        if isinstance(own.get(probe), dict):
            part.probes[kind] = {**own[probe], "httpGet": {}}
    if secret := get(values, "secrets", "huggingface", "secretName"):
        part.secrets = [str(secret)]
    program = f"dynamo.{values['workload']['framework']}"
    part.command = ["python3", "-m", program]
    for flag, value in a_map(content).items():
        part.args += as_words(flag, value)
        if value is False:
            notes.doubt(f"{key} {flag}", "false: the recipe's launcher gives it as a word behind the flag")
    return part


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _left_out(values: Tree, notes: Notes) -> None:
    for path, why in (
        ("dynamo.namespace", "the release's namespace is helm's -n"),
        ("dynamo.releaseVersion", "the chart's version decides: Dynamo 1.6.1"),
        ("dynamo.computeDomain", "the machine type has it"),
        ("dynamo.rdma", "the machine type has it"),
        ("dynamo.serviceAccountName", "the release makes its own; see global.serviceAccount"),
        ("network.gibVersion", "the machine type has GKE's libraries from the node"),
        ("network.ncclSettings", "NCCL's variables are the machine type's; others go to global.env"),
        (
            "network.subnetworks",
            "the machine type has the networks; others go to global.hardwareSpec.rdma.podAnnotations",
        ),
    ):
        if get(values, *path.split(".")):
            notes.change(path, f"left out: {why}")
