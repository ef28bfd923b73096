"""What a component's pods need besides the engine: variables, volumes, resources, nodes, probes."""

import json
import re

from hack.convert.graph import Component, Mount
from hack.convert.notes import Notes
from hack.convert.tree import Tree, a_map, get, put, texts, whole

GPU = re.compile(r"(^|\.)(nvidia|amd|intel)\.com/(gpu|xe|i915|gpu_.*)$")
# Fields of a pod that are values of a component under the same name.
SAME = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "topologySpreadConstraints",
    "priorityClassName",
    "schedulerName",
    "runtimeClassName",
    "initContainers",
    "hostIPC",
    "hostNetwork",
    "hostPID",
)
CAPABILITIES = ("IPC_LOCK", "SYS_PTRACE", "SYS_RESOURCE", "NET_ADMIN")
# What a security context may say without a word here, and what the chart itself says.
SECURITY: Tree = {
    "runAsUser": None,
    "runAsGroup": None,
    "runAsNonRoot": None,
    "allowPrivilegeEscalation": None,
    "fsGroup": 1000,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
    "readOnlyRootFilesystem": None,
}
# Labels that the operator gives to its pods, and this chart does not.
OPERATORS = re.compile(r"nvidia\.com/(dynamo|selector)")


def component(part: Component, moved: dict[str, str], notes: Notes, *, is_worker: bool) -> Tree:
    """The values of a component, without its flags."""
    values: Tree = {}
    if part.replicas is not None:
        values["replicas"] = part.replicas
    if env := _env(part, moved, notes):
        values["env"] = env
    if resources := _resources(part, notes, is_worker):
        values["resources"] = resources
    _shared_memory(part, values, notes, is_worker)
    if volumes := _volumes(part, moved, notes):
        values["volumes"] = volumes
    if probes := _probes(part, notes, is_worker):
        values["probes"] = probes
    if labels := {k: str(v) for k, v in part.labels.items() if not OPERATORS.search(k)}:
        values["podLabels"] = labels
    if annotations := {k: str(v) for k, v in part.annotations.items()}:
        values["podAnnotations"] = annotations
    _pod(part, values, notes, is_worker)
    return values


def gpus(part: Component) -> int:
    """GPUs of one pod."""
    for kind in ("limits", "requests"):
        for name, amount in a_map(part.resources.get(kind)).items():
            if GPU.search(str(name)):
                return whole(amount) or 0
    return 0


def _env(part: Component, moved: dict[str, str], notes: Notes) -> Tree:
    result: Tree = {}
    for name, value in part.env.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            notes.loss(f"{part.where} {name}", "no name of a variable")
            continue
        result[name] = value
        for old, new in moved.items():
            if isinstance(value, str) and (value == old or value.startswith(old + "/")):
                result[name] = new + value.removeprefix(old)
                notes.change(
                    f"{part.where} {name}",
                    f"{old} is mounted at {new} here" + (", read-only" if new.startswith("/models") else ""),
                )
    return result


def _resources(part: Component, notes: Notes, is_worker: bool) -> Tree:
    result: Tree = {}
    for kind in ("requests", "limits"):
        for name, amount in a_map(part.resources.get(kind)).items():
            if name in ("cpu", "memory", "ephemeral-storage") or str(name).startswith("hugepages-"):
                put(result, f"{kind}.{name}", amount if name != "cpu" else str(amount))
            elif "/" not in str(name):
                notes.loss(f"{part.where}.resources.{kind}.{name}", "no resource of Kubernetes")
            elif not is_worker:
                notes.loss(f"{part.where}.resources.{kind}.{name}", "a frontend gets no devices")
    if not is_worker:
        return result
    limit = get(result, "limits", "memory")
    request = get(result, "requests", "memory")
    if limit is None:
        gib = _gib(part.shared_memory) + 32 * max(1, gpus(part))
        least = _gib(str(request or ""))
        result.setdefault("limits", {})["memory"] = f"{max(gib, least):g}Gi"
        notes.doubt(
            f"{part.where}.resources",
            f"no memory limit; {max(gib, least):g}Gi is /dev/shm and 32Gi for each GPU: write what the engine takes",
        )
    return result


def _gib(amount: str) -> float:
    match = re.fullmatch(r"([0-9.]+)\s*([KMGT]?)(i?)[bB]?", amount)
    if not match or not amount:
        return 0
    factor = {"": 2**-30, "K": 2**-20, "M": 2**-10, "G": 1, "T": 1024}[match[2]]
    return float(match[1]) * factor


def _shared_memory(part: Component, values: Tree, notes: Notes, is_worker: bool) -> None:
    size = part.shared_memory
    for mount in list(part.mounts):
        if mount.path == "/dev/shm":
            part.mounts.remove(mount)
            size = size or str(get(mount.source, "emptyDir", "sizeLimit", default=""))
    if not is_worker:
        return
    limit = _gib(str(get(values, "resources", "limits", "memory", default="")))
    if size and _gib(size):
        values["sharedMemory"] = size
        if limit and _gib(size) > limit:
            values["sharedMemory"] = f"{limit / 2:g}Gi"
            notes.change(
                f"{part.where} /dev/shm",
                f"{size} is above the memory limit, against which it counts: {values['sharedMemory']}",
            )
    elif limit and limit < 8:
        values["sharedMemory"] = f"{limit / 2:g}Gi"


def _volumes(part: Component, moved: dict[str, str], notes: Notes) -> Tree:
    result: Tree = {}
    for mount in part.mounts:
        if mount.path in moved or mount.path in ("/", "/dev/shm"):
            continue
        if not mount.source:
            notes.loss(f"{part.where} {mount.path}", f"volume {mount.name} is not in the input")
            continue
        if "configMap" in mount.source:
            name = get(mount.source, "configMap", "name", default="")
            notes.change(
                f"{part.where} {mount.path}",
                f"ConfigMap {name} stays an object of its own: apply it first, unless the values have all that "
                "is in it",
            )
        name = re.sub(r"[^a-z0-9-]+", "-", (mount.name or mount.path).lower()).strip("-")[:60] or "volume"
        while name in result:
            name += "-2"
        result[name] = _volume(mount)
    return result


def _volume(mount: Mount) -> Tree:
    volume: Tree = {"mountPath": mount.path, "source": mount.source}
    if mount.sub_path:
        volume["subPath"] = mount.sub_path.strip("/")
    if mount.read_only is not None:
        volume["readOnly"] = mount.read_only
    return volume


def _probes(part: Component, notes: Notes, is_worker: bool) -> Tree:
    result: Tree = {}
    for kind, given in part.probes.items():
        probe = a_map(given)
        at = f"{part.where} {kind} probe"
        if kind == "startup":
            budget = (whole(probe.get("initialDelaySeconds")) or 0) + (whole(probe.get("periodSeconds")) or 10) * (
                whole(probe.get("failureThreshold")) or 3
            )
            if budget > 14400:
                notes.change(at, f"{budget} seconds; the chart's most are 14400, four hours")
            if is_worker:
                result["startup"] = {"budgetSeconds": max(60, min(budget, 14400))}
            continue
        times = {k: v for k in ("periodSeconds", "timeoutSeconds", "failureThreshold") if (v := whole(probe.get(k)))}
        if kind == "liveness" and is_worker and times.get("failureThreshold", 3) < 3:
            times["failureThreshold"] = 3
            notes.change(at, "failureThreshold 3: fewer would kill a busy engine")
        if times.get("timeoutSeconds", 0) > times.get("periodSeconds", 10):
            times["timeoutSeconds"] = times.get("periodSeconds", 10)
            notes.change(
                at,
                f"timeoutSeconds {times['timeoutSeconds']}: an answer that takes longer than the period is late anyway",
            )
        if probe.get("initialDelaySeconds"):
            notes.change(at, "initialDelaySeconds left out: the startup probe has its time, and is asked first")
        if "httpGet" not in probe:
            notes.change(at, "the chart asks Dynamo's own health endpoint")
        if times:
            result[kind] = times
    return result


def _pod(part: Component, values: Tree, notes: Notes, is_worker: bool) -> None:
    pod = dict(part.pod)
    for name in SAME:
        if (value := pod.pop(name, None)) not in (None, {}, [], False):
            values[name] = value
    if "affinity" in values:
        _affinity(part, values, notes)
    if (seconds := whole(pod.pop("terminationGracePeriodSeconds", None))) is not None:
        least = 90 if is_worker else 20
        values["terminationGracePeriodSeconds"] = max(seconds, least)
        if seconds < least:
            notes.change(f"{part.where} terminationGracePeriodSeconds", f"{least}: its parts do not fit into {seconds}")
    if name := pod.pop("serviceAccountName", None):
        notes.doubt(
            f"{part.where} serviceAccountName",
            f"{name}: the release makes its own; set global.serviceAccount if the pods need this one's rights",
        )
    for name in ("imagePullSecrets", "resourceClaims", "restartPolicy", "volumes", "containers"):
        # Read elsewhere, or the only thing that a pod of a workload can have.
        pod.pop(name, None)
    container = dict(part.container)
    for name in ("imagePullPolicy", "resources", "volumeMounts"):
        container.pop(name, None)
    for name, context in (
        ("podSecurityContext", pod.pop("securityContext", None)),
        ("securityContext", container.pop("securityContext", None)),
    ):
        _security(part, a_map(context), name, notes)
    for name in sorted({**pod, **container}):
        notes.loss(f"{part.where} {name}", "no setting of this chart")


def _affinity(part: Component, values: Tree, notes: Notes) -> None:
    """Terms that name the operator's labels would find no pod of this release."""
    kept: Tree = {}
    for kind, terms in a_map(values.pop("affinity")).items():
        if not OPERATORS.search(json.dumps(terms)):
            kept[kind] = terms
        else:
            notes.loss(
                f"{part.where} affinity.{kind}",
                "it names the operator's labels, which this chart's pods do not have: global.colocation, "
                "topologySpreadConstraints",
            )
    if kept:
        values["affinity"] = kept


def _security(part: Component, context: Tree, name: str, notes: Notes) -> None:
    added = texts(get(context, "capabilities", "add"))
    if context.get("privileged"):
        notes.loss(
            f"{part.where} securityContext.privileged",
            "the chart's pods are never privileged: a machine type says what it needs (global.hardware, "
            "global.hardwareSpec)",
        )
    if str(context.get("runAsUser", "")) == "0" and not (capabilities(part) and devices(part)):
        notes.loss(
            f"{part.where} {name}.runAsUser 0",
            "the pods run as user 1000, but for a machine type with runAsRoot: what they read must be readable for it",
        )
    others = sorted(key for key in context.keys() - SECURITY.keys() if key not in ("privileged", "capabilities"))
    others += sorted(key for key in context.keys() & SECURITY.keys() if SECURITY[key] not in (None, context[key]))
    if others:
        notes.doubt(
            f"{part.where} {name}", f"not taken over: {', '.join(others)}; set {name} of the component if it is needed"
        )
    for capability in added:
        if capability not in CAPABILITIES:
            notes.loss(f"{part.where} capability {capability}", "the chart adds it to no pod")


def devices(part: Component) -> Tree:
    """Devices of one pod besides GPUs."""
    found = {**a_map(part.resources.get("requests")), **a_map(part.resources.get("limits"))}
    return {str(n): whole(c) or 1 for n, c in found.items() if "/" in str(n) and not GPU.search(str(n))}


def capabilities(part: Component) -> list[str]:
    """Those that a machine type of this chart can have."""
    added = texts(get(part.container, "securityContext", "capabilities", "add"))
    return [name for name in added if name in CAPABILITIES]
