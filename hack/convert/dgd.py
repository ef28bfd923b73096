"""DynamoGraphDeployments, v1alpha1 and v1beta1, with the objects that stand beside them."""

from typing import Any

from hack.chart.manifests import WORKERS
from hack.convert.graph import Component, Graph, Mount
from hack.convert.notes import CannotConvertError, Notes
from hack.convert.tree import Tree, a_map, get, maps, texts, whole

KIND = "DynamoGraphDeployment"
PROBES = {"startupProbe": "startup", "livenessProbe": "liveness", "readinessProbe": "readiness"}
# Objects beside a deployment that its workers do not need, or that are read elsewhere.
READ = ("ConfigMap", "PersistentVolumeClaim", "ComputeDomain", "ResourceClaimTemplate", KIND, "Kustomization")


def graph(document: Tree, others: list[Tree], notes: Notes) -> Graph:
    """One DynamoGraphDeployment; `others` are all documents of the input."""
    name = str(get(document, "metadata", "name", default="") or "unnamed")
    version = str(document.get("apiVersion", "")).rpartition("/")[2]
    spec = a_map(document.get("spec"))
    result = Graph(name, f"{KIND} {name} ({version})", framework=str(spec.get("backendFramework") or ""))
    _beside(result, others, notes)
    shared = variables(spec.get("envs") or spec.get("env"))
    if version == "v1beta1" or "components" in spec:
        for number, part in enumerate(maps(spec.get("components"))):
            where = f"spec.components[{part.get('name') or number}]"
            result.components.append(_beta(part, where, shared, notes))
        known = {"backendFramework", "components", "env", "envs"}
    elif version == "v1alpha1" or "services" in spec:
        claims = {str(c["name"]): c for c in maps(spec.get("pvcs")) if c.get("name")}
        for claim in claims.values():
            if claim.get("create"):
                result.claims.setdefault(str(claim["name"]), _claim(claim))
        for key, part in a_map(spec.get("services")).items():
            result.components.append(_alpha(key, a_map(part), f"spec.services.{key}", shared, notes))
        known = {"backendFramework", "services", "envs", "env", "pvcs"}
    else:
        raise CannotConvertError(f"{KIND} {name}: apiVersion {document.get('apiVersion')} is none of v1alpha1, v1beta1")
    for key in sorted(spec.keys() - known):
        notes.loss(f"spec.{key}", "a setting of the operator, which this chart does not use")
    if not any(part.image or part.command or part.args for part in result.components):
        raise CannotConvertError(
            f"{KIND} {name}: none of its components has an image or a command: it is a patch for another file, "
            "or empty; build what it belongs to first (kubectl kustomize FOLDER > built.yaml)"
        )
    return result


def variables(entries: Any) -> Tree:
    """A container's env list as a map."""
    result: Tree = {}
    for entry in maps(entries):
        if name := entry.get("name"):
            value = entry.get("valueFrom") if "valueFrom" in entry else entry.get("value")
            result[str(name)] = value if isinstance(value, dict) else _text(value)
    return result


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _claim(claim: Tree) -> Tree:
    """The claim of a v1alpha1 pvcs entry as the spec of a claim."""
    return {
        "accessModes": [claim["volumeAccessMode"]] if claim.get("volumeAccessMode") else [],
        "storageClassName": claim.get("storageClass") or "",
        "resources": {"requests": {"storage": claim.get("size") or ""}},
    }


def _beside(result: Graph, others: list[Tree], notes: Notes) -> None:
    for other in others:
        kind = str(other.get("kind") or "")
        name = str(get(other, "metadata", "name", default=""))
        if kind == "ConfigMap":
            result.files |= {f"{name}/{key}": str(text) for key, text in a_map(other.get("data")).items()}
        elif kind == "PersistentVolumeClaim":
            result.claims[name] = a_map(other.get("spec"))
            notes.change(
                f"{kind} {name}", "it stays an object of its own: keep its file and apply it before the release"
            )
        elif kind == "ComputeDomain":
            template = get(other, "spec", "channel", "resourceClaimTemplate", "name", default="")
            result.claim_templates[str(template)] = {"computeDomain": name}
        elif kind == "ResourceClaimTemplate":
            result.claim_templates[name] = a_map(get(other, "spec", "spec", default={}))
        elif kind and kind not in READ:
            notes.loss(
                f"{kind} {name}", "not part of the release: keep its file, and apply it yourself where it is needed"
            )


def _said(part: Any) -> Tree:
    """The fields of a part that say something."""
    return {key: value for key, value in a_map(part).items() if value not in (None, "", [], {})}


def _component(name: str, where: str, kind: str, rest: Tree) -> Component:
    """A component, with what both versions call alike taken out of the rest."""
    replicas = whole(rest.pop("replicas", None))
    return Component(name, where, kind, replicas, whole(get(rest.pop("multinode", None), "nodeCount")) or 1)


def _say_rest(rest: Tree, where: str, derived: tuple[str, ...], why: str, notes: Notes) -> None:
    for key in derived:
        if key in rest:
            notes.change(f"{where}.{key}", f"left out: {why}")
            del rest[key]
    for key in sorted(rest):
        notes.loss(f"{where}.{key}", LOST.get(key, "no setting of this chart"))


def _take_container(result: Component, container: Tree, shared: Tree) -> Tree:
    """Fill a component from its main container; what is left of it."""
    rest = _said(container)
    result.image = str(rest.pop("image", ""))
    result.command = texts(rest.pop("command", None))
    result.args = texts(rest.pop("args", None))
    result.env = {**shared, **result.env, **variables(rest.pop("env", None))}
    for source in maps(rest.pop("envFrom", None)):
        if name := get(source, "secretRef", "name"):
            result.secrets.append(str(name))
        else:
            rest.setdefault("envFrom", []).append(source)
    for key, probe in PROBES.items():
        if found := rest.pop(key, None):
            result.probes[probe] = found
    for key in ("name", "ports", "workingDir", "stdin", "tty", "terminationMessagePath", "terminationMessagePolicy"):
        rest.pop(key, None)
    return rest


def _take_mounts(result: Component, mounts: Any, volumes: Any) -> None:
    sources = {str(v.get("name")): {k: x for k, x in v.items() if k != "name"} for v in maps(volumes)}
    for mount in maps(mounts):
        name = str(mount.get("name") or "")
        path = str(mount.get("mountPath") or mount.get("mountPoint") or "")
        # A v1alpha1 mount without a volume names a claim.
        source = sources.get(name) or {"persistentVolumeClaim": {"claimName": name}}
        made = Mount(path.rstrip("/") or "/", source, name, str(mount.get("subPath") or ""), mount.get("readOnly"))
        made.is_compile_cache = bool(mount.get("useAsCompilationCache"))
        result.mounts.append(made)


def _alpha(name: str, part: Tree, where: str, shared: Tree, notes: Notes) -> Component:
    rest = _said(part)
    kind = str(rest.pop("componentType", "") or "worker")
    role = str(rest.pop("subComponentType", ""))
    if kind in ("worker", "main"):
        # Old inputs have main; the command says what it is.
        kind = role if role in WORKERS else "worker"
    result = _component(name, where, kind, rest)
    result.env = variables(rest.pop("envs", None))
    result.secrets = texts(rest.pop("envFromSecret", None))
    memory = a_map(rest.pop("sharedMemory", None))
    result.shared_memory = str(memory.get("size") or "")
    result.resources = _resources(a_map(rest.pop("resources", None)))
    for key, probe in PROBES.items():
        if found := rest.pop(key, None):
            result.probes[probe] = found
    metadata = a_map(rest.pop("extraPodMetadata", None))
    result.labels = {**a_map(rest.pop("labels", None)), **a_map(metadata.get("labels"))}
    result.annotations = {**a_map(rest.pop("annotations", None)), **a_map(metadata.get("annotations"))}
    pod = _said(rest.pop("extraPodSpec", None))
    container = a_map(pod.pop("mainContainer", None))
    mounts = [*maps(rest.pop("volumeMounts", None)), *maps(container.pop("volumeMounts", None))]
    _take_mounts(result, mounts, pod.pop("volumes", None))
    result.container = _take_container(result, container, shared)
    if found := result.container.pop("resources", None):
        result.resources = _resources(a_map(found)) if not result.resources else result.resources
    result.pod = pod
    derived = ("serviceName", "dynamoNamespace", "globalDynamoNamespace", "modelRef")
    _say_rest(rest, where, derived, "names and Dynamo's namespace follow from the release", notes)
    return result


def _beta(part: Tree, where: str, shared: Tree, notes: Notes) -> Component:
    rest = _said(part)
    name = str(rest.pop("name", "") or "unnamed")
    result = _component(name, where, str(rest.pop("type", "") or "worker"), rest)
    result.shared_memory = str(rest.pop("sharedMemorySize", ""))
    template = a_map(rest.pop("podTemplate", None))
    result.labels = a_map(get(template, "metadata", "labels"))
    result.annotations = a_map(get(template, "metadata", "annotations"))
    pod = _said(template.get("spec"))
    containers = maps(pod.pop("containers", None))
    main = next((c for c in containers if c.get("name") == "main"), containers[0] if containers else {})
    for other in containers:
        if other is not main:
            pod.setdefault("initContainers", []).append(other | {"restartPolicy": "Always"})
            notes.change(
                f"{where}.{other.get('name', 'container')}", "an init container that stays, as the chart has them"
            )
    main = dict(main)
    _take_mounts(result, main.pop("volumeMounts", None), pod.pop("volumes", None))
    if cache := a_map(rest.pop("compilationCache", None)):
        path = str(cache.get("mountPath") or "/home/dynamo/.cache/vllm")
        source = {"persistentVolumeClaim": {"claimName": str(cache.get("pvcName") or "")}}
        result.mounts.append(Mount(path, source, "compile-cache", is_compile_cache=True))
    result.resources = _resources(a_map(main.pop("resources", None)))
    result.container = _take_container(result, main, shared)
    result.pod = pod
    derived = ("globalDynamoNamespace", "modelRef", "runtimeVersionOverride")
    _say_rest(rest, where, derived, "names and versions follow from the release", notes)
    return result


LOST = {
    **dict.fromkeys(
        ("scalingAdapter", "autoscaling"),
        "the operator's scaling; this chart's is prefill.autoscaling and decode.autoscaling",
    ),
    **dict.fromkeys(
        ("experimental", "checkpoint", "gpuMemoryService", "failover"),
        "a preview of the operator's",
    ),
    "eppConfig": "the endpoint picker of a Gateway; this chart's frontend routes itself",
    "frontendSidecar": "a frontend beside each worker; this chart's frontends are pods of their own",
    "ingress": "set frontend.ingress or frontend.httpRoute",
    "minAvailable": "a setting of Grove; frontends and workers have podDisruptionBudget",
    "topologyConstraint": "a setting of Grove; see global.colocation and exclusiveTopologyKey",
}


def _resources(resources: Tree) -> Tree:
    """Requests and limits as of a container: v1alpha1 has a `gpu` and a map of `custom` ones."""
    result: Tree = {}
    for kind in ("requests", "limits"):
        amounts: Tree = {}
        for name, amount in a_map(resources.get(kind)).items():
            if name == "custom":
                amounts |= a_map(amount)
            elif name == "gpu":
                amounts[str(get(resources, kind, "gpuType", default="nvidia.com/gpu"))] = amount
            elif name != "gpuType":
                amounts[name] = amount
        result[kind] = amounts
    return result
