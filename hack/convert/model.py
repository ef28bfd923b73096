"""Where the weights come from: the hub, a claim, a bucket or the nodes."""

import re
from dataclasses import dataclass, field

from hack.convert.graph import Component, Graph, Mount
from hack.convert.notes import CannotConvertError, Notes
from hack.convert.tree import Tree, a_map, get

# An input with one of these is a template that somebody fills in first.
PLACEHOLDER = re.compile(r"\$\{?\w+\}?|<[^>]*>|\{\{|\$\(")
# Bits of a parameter with its share of the scales, and the formats; nvfp4 and mxfp4 are kinds of fp4.
BITS = {4.5: ("fp4", "awq", "gptq", "int4"), 8.5: ("fp8", "int8", "w8a8")}
# What vLLM's, SGLang's and the hub's caches are set by.
HOMES = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE")


@dataclass
class Weights:
    """A model source, and which mounts it takes the place of."""

    values: Tree
    # Path of a mount in the input -> where the chart has the same volume.
    moved: dict[str, str] = field(default_factory=dict)
    size: float = 0


def weights(graph: Graph, model: str, served: str, workers: list[Component], env: Tree, notes: Notes) -> Weights:
    """The model of a release, from the workers' --model and their mounts."""
    name = served or model
    if not model and not name:
        raise CannotConvertError(
            f"{workers[0].where}: no --model and no --served-model-name: the chart needs the model's name"
        )
    for text in (model, name):
        if PLACEHOLDER.search(text):
            raise CannotConvertError(
                f'{workers[0].where}: the model is "{text}", which somebody fills in before: do that first '
                "(envsubst < FILE, or helm template), then convert"
            )
    if name.startswith("/"):
        name = re.sub(r"^.*models--([^/]+)--([^/]+)/snapshots/.*$", r"\1/\2", name)
        name = name.rstrip("/").rpartition("/")[2] if name.startswith("/") else name
        notes.doubt("global.model.name", f"no --served-model-name: clients asked for {model}, they now ask for {name}")
    result = (
        _on_disk(graph, model, workers, notes)
        if model.startswith(("/", "./"))
        else _on_hub(graph, model, name, workers, env, notes)
    )
    size = _size(model + " " + name)
    result.values["name"] = name
    if size:
        result.size = size
        result.values["sizeGiB"] = int(size)
        notes.doubt("global.model.sizeGiB", f"{size:g} is reckoned from the model's name: write the size of its files")
    else:
        notes.doubt(
            "global.model.sizeGiB",
            "the input does not say it, and 2 is the default: write the size of the model's files in GiB",
        )
    return result


def _size(names: str) -> float:
    """GiB, by the parameters and the format in a model's name; 0 where it says none."""
    counts = re.findall(r"(?:^|[-_:/ .])([0-9]+(?:\.[0-9]+)?)([bt])(?=[-_. ]|$)", names.lower())
    if not counts:
        return 0
    billions = max(float(n) * (1000 if unit == "t" else 1) for n, unit in counts)
    bits = next((bits for bits, words in BITS.items() if any(word in names.lower() for word in words)), 16.0)
    # Two tenths of the parameters at most stay in 16 bits where the rest has fewer.
    return float(max(1, round(billions * 1e9 * bits / 8 / 2**30 * 1.05)))


def _on_hub(graph: Graph, model: str, name: str, workers: list[Component], env: Tree, notes: Notes) -> Weights:
    source: Tree = {}
    if model != name:
        source["repository"] = model
    moved: dict[str, str] = {}
    home = next((str(c.env[h]) for c in workers for h in HOMES if isinstance(c.env.get(h), str)), "")
    candidates = [
        m for c in workers for m in c.mounts if "persistentVolumeClaim" in m.source and not m.is_compile_cache
    ]
    cache = next((m for m in candidates if home and (home == m.path or home.startswith(m.path + "/"))), None)
    if cache is None:
        cache = next((m for m in candidates if m.path.endswith("/.cache/huggingface")), None)
    if cache is not None:
        claim = str(get(cache.source, "persistentVolumeClaim", "claimName", default=""))
        source["cache"] = {"claimName": claim}
        inner = (home or cache.path).removeprefix(cache.path).strip("/")
        if inner or cache.sub_path:
            folder = "/".join(part for part in (cache.sub_path, inner) if part)
            notes.doubt(
                "global.model.source.huggingface.cache.claimName",
                f"the cache was in the folder {folder} of the claim; the chart's is at its top, so the model is "
                "downloaded again",
            )
        moved[cache.path] = "/model-cache"
        _created(graph, claim, notes)
        notes.doubt(
            "global.model.source.huggingface.cache.claimName",
            f"each worker reads the hub and caches in claim {claim}, which must be ReadWriteMany; "
            "download.enabled=true downloads once for all",
        )
    secret = _token(workers, env, notes)
    if secret:
        source["tokenSecret"] = secret
    return Weights({"source": {"type": "huggingface"} | ({"huggingface": source} if source else {})}, moved)


def _token(workers: list[Component], env: Tree, notes: Notes) -> Tree:
    """The Secret with the token: of a variable, or one whose keys are all variables."""
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        reference = a_map(get(env, variable, "secretKeyRef"))
        if reference:
            env.pop(variable)
            return {"name": str(reference.get("name") or ""), "key": str(reference.get("key") or "HF_TOKEN")}
    names = list(dict.fromkeys(name for c in workers for name in c.secrets))
    if not names:
        return {}
    first = next((n for n in names if "hf" in n or "hugging" in n or "token" in n), names[0])
    notes.doubt(
        "global.model.source.huggingface.tokenSecret",
        f"all keys of Secret {first} were variables; here its key HF_TOKEN is, and no other",
    )
    return {"name": first}


def _on_disk(graph: Graph, model: str, workers: list[Component], notes: Notes) -> Weights:
    mounts = [m for c in workers for m in c.mounts if model == m.path or model.startswith(m.path.rstrip("/") + "/")]
    if not mounts:
        raise CannotConvertError(
            f"{workers[0].where}: the model is in {model}, and no volume is mounted there: it is in the image, "
            "or comes there "
            "in a way that this chart does not have; put it into a claim (global.model.source.type=pvc) or "
            "name a repository of the hub"
        )
    mount = max(mounts, key=lambda m: len(m.path))
    inner = model.removeprefix(mount.path).strip("/")
    folder = "/".join(part for part in (mount.sub_path.strip("/"), inner) if part)
    moved = {mount.path: "/models/" + mount.sub_path.strip("/") if mount.sub_path else "/models"}
    if any(c.secrets for c in workers):
        notes.change(
            "global.model.source", "nothing is downloaded from the hub, so the Secret with its token is left out"
        )
    return Weights({"source": _source(graph, mount, folder, notes)}, moved)


def _source(graph: Graph, mount: Mount, folder: str, notes: Notes) -> Tree:
    path = {"path": folder} if folder else {}
    if claim := a_map(mount.source.get("persistentVolumeClaim")):
        name = str(claim.get("claimName") or "")
        _created(graph, name, notes)
        return {"type": "pvc", "pvc": {"claimName": name} | path}
    if host := a_map(mount.source.get("hostPath")):
        return {
            "type": "hostPath",
            "hostPath": {"path": "/".join(p for p in (str(host.get("path")).rstrip("/"), folder) if p)},
        }
    csi = a_map(mount.source.get("csi"))
    if csi.get("driver") == "gcsfuse.csi.storage.gke.io":
        attributes = a_map(csi.get("volumeAttributes"))
        bucket: Tree = {"bucket": str(attributes.get("bucketName") or "")}
        if options := attributes.get("mountOptions"):
            bucket["mountOptions"] = str(options)
        if not bucket["bucket"]:
            notes.doubt("global.model.source.gcsfuse.bucket", "the input names no bucket: write yours")
        return {"type": "gcsfuse", "gcsfuse": bucket | path}
    if csi:
        keys = ("driver", "readOnly", "volumeAttributes", "nodePublishSecretRef")
        return {"type": "csi", "csi": {k: csi[k] for k in keys if k in csi} | path}
    if image := a_map(mount.source.get("image")):
        return {"type": "ociImage", "ociImage": {"image": _image(str(image.get("reference") or ""))} | path}
    kind = next(iter(mount.source), "nothing")
    raise CannotConvertError(
        f"the model is in {mount.path}, a volume of kind {kind}: the chart reads weights from a claim, a "
        "bucket, an image, a CSI volume or the nodes"
    )


def _image(reference: str) -> Tree:
    name, _, digest = reference.partition("@")
    path, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "")
    registry, _, repository = path.partition("/")
    return {"registry": registry, "repository": repository, "tag": tag, "digest": digest}


def _created(graph: Graph, claim: str, notes: Notes) -> None:
    """A claim that the input creates stays an object of its own, unless v1alpha1 had the operator create it."""
    spec = graph.claims.get(claim)
    if spec is not None and get(spec, "resources", "requests", "storage"):
        notes.doubt(
            f"claim {claim}",
            "the release uses it and does not create it: apply its manifest first, or set create.enabled "
            "beside its name",
        )
