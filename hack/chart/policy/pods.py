"""Policies about pods and their containers."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from hack.chart import machines, podsecurity
from hack.chart.manifests import COMPONENT, WORKERS, Container, Manifests, PodTemplate, is_hook, merged

DYNAMO = ("frontend", *WORKERS)
# What runs on the machine type's nodes, with what it needs there.
ON_MACHINES = (*WORKERS, "probe", "preflight-probe")
# What TensorRT-LLM's sshd needs where the machine makes it root (docs/multi-node.md).
SSHD_NEEDS = {f"capability {name}" for name in ("AUDIT_WRITE", "SETGID", "SETUID", "SYS_CHROOT")}
# What a security context of the values asks for beyond the "restricted" standard, by its field.
FIELDS = {
    "runAsUser 0": "runAsUser",
    "capabilities not dropped": "capabilities",
    **{
        name: name
        for name in ("runAsNonRoot", "privileged", "allowPrivilegeEscalation", "seccompProfile", "procMount", "sysctls")
    },
}
# An encoder has one GPU.
ENCODER = {"tensor": 1, "pipeline": 1, "data": 1}
# In the value of a variable: $(NAME), and not $$(NAME), which is text.
USE = re.compile(r"(?<!\$)\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


def pods_are_restricted_unless_the_values_ask_for_more(manifests: Manifests, values: dict[str, Any]) -> Iterator[str]:
    for pod, violation, asked in _unrestricted(manifests, values):
        if asked is None:
            yield f"{pod.id}: {violation}"


def unexplained(manifests: Manifests, values: dict[str, Any]) -> dict[str, list[str]]:
    """What values ask for beyond the "restricted" standard without a word why, by component."""
    reasons = machines.preset(values["global"]["hardware"]).get("reasons", {})
    reasons |= values["global"]["hardwareSpec"].get("reasons", {})
    found: dict[str, list[str]] = {}
    for pod, violation, asked in _unrestricted(manifests, values):
        if asked and not reasons.get(asked):
            found.setdefault(pod.labels[COMPONENT], []).append(violation)
    return {component: sorted(set(violations)) for component, violations in found.items()}


def _unrestricted(manifests: Manifests, values: dict[str, Any]) -> Iterator[tuple[PodTemplate, str, str | None]]:
    """Pods, what the standard forbids in them, and who asks for it.

    That is a key of the machine type's reasons, "values", or "" where no reason is needed; None where nothing does.
    """
    shared = values["global"]
    machine = merged(machines.preset(shared["hardware"]), shared["hardwareSpec"])
    rdma = machine.get("rdma") or {}
    of_machine = dict.fromkeys((f"capability {name}" for name in rdma.get("capabilities") or []), "capabilities")
    if rdma.get("runAsRoot"):
        of_machine |= dict.fromkeys(("runAsNonRoot", "runAsUser 0"), "capabilities")
    if machine.get("hostPaths"):
        of_machine["volume type hostPath"] = "hostPaths"
    # Whoever chooses this source is told what it takes (schemas/model.yaml).
    of_model = {"volume type hostPath"} if shared["model"]["source"]["type"] == "hostPath" else set()
    for pod in manifests.pods():
        component = pod.labels[COMPONENT]
        given = values.get(component, {})
        if component == "model":
            given = shared["model"]["source"]["huggingface"]["download"]
        layers = (shared, given, *_added(values, component))
        context = {
            k: v for of in layers for n in ("podSecurityContext", "securityContext") for k, v in of.get(n, {}).items()
        }
        own = {text for text, field in FIELDS.items() if field in context}
        own |= {f"capability {name}" for name in (context.get("capabilities") or {}).get("add") or []}
        own |= {
            f"volume type {kind}"
            for volume in (given.get("volumes") or {}).values()
            for kind in (volume or {}).get("source") or {}
        }
        own |= {"hostPID"} if shared["colocation"]["hostPID"] else set()
        own |= {name for name in ("hostIPC", "hostNetwork") if values.get(component, {}).get(name)}
        by_ssh = SSHD_NEEDS if shared["engine"]["name"] == "trtllm" and not pod.leads else set()
        for violation in podsecurity.violations(pod):
            if violation in of_model | by_ssh:
                yield pod, violation, ""
            elif component in ON_MACHINES and violation in of_machine:
                yield pod, violation, of_machine[violation]
            else:
                yield pod, violation, "values" if violation in own else None


def a_simulation_is_restricted(manifests: Manifests, values: dict[str, Any]) -> Iterator[str]:
    if values["global"]["simulation"]["enabled"]:
        yield from (f"{pod.id}: {text}" for pod in manifests.pods() for text in podsecurity.violations(pod))


def containers_have_resources(manifests: Manifests, values: dict[str, Any]) -> Iterator[str]:
    for container in _of_the_chart(manifests.pods(), values):
        requests, limits = (container.spec.get("resources", {}).get(key, {}) for key in ("requests", "limits"))
        missing = [f"requests.{name}" for name in ("cpu", "memory") if name not in requests]
        missing += [] if "memory" in limits else ["limits.memory"]
        yield from (f"{container.id}: no resources.{name}" for name in missing)
        for name, amount in limits.items():
            if "/" in name and requests.get(name) != amount:
                yield f"{container.id}: {name}: Kubernetes refuses extended resources whose request and limit differ"


def images_are_pinned(manifests: Manifests, values: dict[str, Any]) -> Iterator[str]:
    for container in _of_the_chart(manifests.pods(), values):
        image: str = container.spec["image"]
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and tag in ("", "latest"):
            yield f"{container.id}: {image}: give it a version or a digest"
        if container.spec.get("imagePullPolicy") not in ("IfNotPresent", "Always", "Never"):
            yield f"{container.id}: no imagePullPolicy"


def long_running_containers_have_probes(manifests: Manifests) -> Iterator[str]:
    for pod in _long_running(manifests):
        for container in pod.containers():
            if container.init or container.name == "rendezvous":
                continue
            yield from (
                f"{container.id}: {text}" for text in (_probes(container) if pod.leads else _rank_probes(container))
            )


def pods_say_how_long_they_may_take_to_stop(manifests: Manifests) -> Iterator[str]:
    for pod in _long_running(manifests):
        grace = pod.spec.get("terminationGracePeriodSeconds")
        if grace is None:
            yield f"{pod.id}: no terminationGracePeriodSeconds"
            continue
        for container in pod.containers():
            hook = container.spec.get("lifecycle", {}).get("preStop", {})
            # Of drain.py the longest wait; NATS has a command without one.
            numbers = [int(word) for word in hook.get("exec", {}).get("command", []) if word.isdigit()]
            waits = max([hook.get("sleep", {}).get("seconds", 0), *numbers])
            if waits >= grace:
                yield f"{container.id}: its preStop hook takes {waits} s of the {grace} s it may take to stop"


def pods_obey_the_releases_security_values(manifests: Manifests, values: dict[str, Any]) -> Iterator[str]:
    """A pod that no value reaches is refused where a cluster chooses its users, as OpenShift does."""
    shared = {key: values["global"][key] for key in ("podSecurityContext", "securityContext")}
    for pod in manifests.pods():
        own = values.get(pod.labels[COMPONENT], {})
        # A worker of a machine that makes it root stays root; the probe is as a decode worker.
        lowered = pod.labels[COMPONENT] in ON_MACHINES
        for at, name, context in [
            (pod.id, "podSecurityContext", pod.spec["securityContext"]),
            *((c.id, "securityContext", c.spec["securityContext"]) for c in _of_the_chart([pod], values)),
        ]:
            for key, value in shared[name].items():
                kept = key in own.get(name, {}) or (lowered and context.get("runAsUser") == 0)
                if context.get(key) != value and not kept:
                    yield f"{at}: {name}.{key} is {context.get(key)}, global.{name} says {value}"


def root_file_systems_are_read_only(manifests: Manifests, values: dict[str, Any]) -> Iterator[str]:
    """All but the engines', which write what they compile to many folders of their image; the probe loads the same."""
    for container in _of_the_chart(manifests.pods(), values):
        writes = container.name in ("engine", "probe")
        if not writes and container.spec.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"{container.id}: readOnlyRootFilesystem is not true"


def only_kubernetes_discovery_gets_a_token(manifests: Manifests, values: dict[str, Any]) -> Iterator[str]:
    by_discovery = values["global"]["discovery"]["backend"] == "kubernetes"
    for pod in manifests.pods():
        # The preflight asks the API server; that is all it does.
        wanted = (by_discovery and pod.labels[COMPONENT] in DYNAMO) or pod.labels[COMPONENT] == "preflight"
        if pod.spec.get("automountServiceAccountToken") is not wanted:
            yield f"{pod.id}: automountServiceAccountToken is not {str(wanted).lower()}"


def volumes_and_mounts_fit(manifests: Manifests) -> Iterator[str]:
    for pod in manifests.pods():
        claims = pod.owner["spec"].get("volumeClaimTemplates", [])
        volumes = {*pod.volumes(), *(c["metadata"]["name"] for c in claims)}
        mounted = {m["name"] for c in pod.containers() for m in c.spec.get("volumeMounts", [])}
        yield from (f"{pod.id}: volume {name} is not mounted" for name in sorted(volumes - mounted))
        yield from (f"{pod.id}: volume {name} is mounted and not there" for name in sorted(mounted - volumes))


def variables_are_defined_before_they_are_used(manifests: Manifests) -> Iterator[str]:
    for container in manifests.containers():
        # The controller of LeaderWorkerSets puts it in front of the others.
        is_group = container.id.startswith(("LeaderWorkerSet/", "DisaggregatedSet/"))
        defined = {"LWS_LEADER_ADDRESS"} if is_group else set()
        for variable in container.spec.get("env", []):
            for name in sorted(set(USE.findall(variable.get("value", ""))) - defined):
                yield f"{container.id}: {variable['name']} uses {name}"
            defined.add(variable["name"])
        for name in sorted({*re.findall(r"\$\(([A-Z_]+)\)", " ".join(container.args()))} - container.env().keys()):
            yield f"{container.id}: an argument uses {name}"


def port_names_are_unique(manifests: Manifests) -> Iterator[str]:
    for pod in manifests.pods():
        names = Counter(p["name"] for c in pod.containers() for p in c.spec.get("ports", []))
        yield from (f"{pod.id}: {count} ports are named {name}" for name, count in names.items() if count > 1)


def connections_are_set_for_what_is_used(manifests: Manifests, values: dict[str, Any]) -> Iterator[str]:
    settings = values["global"]
    used = {
        "etcd": settings["discovery"]["backend"] == "etcd",
        "nats": "nats" in (settings["requestPlane"], settings["eventPlane"]),
    }
    for component, variable in (("etcd", "ETCD_ENDPOINTS"), ("nats", "NATS_SERVER")):
        for pod in (pod for name in DYNAMO for pod in manifests.pods(name)):
            if (variable in _main(pod).env()) != used[component]:
                yield f"{pod.id}: {variable} is {'not set' if used[component] else 'set, and nothing uses it'}"
        if bool(manifests.all(component=component)) != values[component]["enabled"]:
            yield f"{component}: {component}.enabled is {str(values[component]['enabled']).lower()}, the objects differ"


def gpus_are_what_the_parallelism_needs(manifests: Manifests, values: dict[str, Any]) -> Iterator[str]:
    """A second computation, in another language, of what the templates derive."""
    settings = values["global"]
    machine = machines.of_values(values)
    resource, per_node = machine.gpu_resource, machine.gpus_per_node
    for role in ("prefill", "decode", "encode") if settings["serving"] == "disaggregated" else ("decode", "encode"):
        parallelism, replicas = values[role].get("parallelism", ENCODER), values[role]["replicas"]
        scaler = values[role].get("autoscaling", {})
        if scaler.get("enabled"):
            replicas = scaler["minReplicas"]
        worker = parallelism["tensor"] * parallelism["pipeline"]
        if settings["engine"]["name"] == "vllm":
            worker *= parallelism["data"]
        pods, gpus = 0, 0
        for pod in manifests.pods(role):
            of_pod = _main(pod).spec["resources"]["limits"].get(resource, 0) + sum(
                manifests.claimed(pod, name) for name in machine.gpu_classes
            )
            if of_pod != min(worker, per_node):
                yield f"{pod.id}: {of_pod} {resource}, a worker of {worker} needs {min(worker, per_node)} on a node"
            pods, gpus = pods + pod.count, gpus + pod.count * of_pod
        nodes = -(-worker // per_node)
        # vLLM's data-parallel ranks serve wherever they are.
        of_worker = parallelism["tensor"] * parallelism["pipeline"]
        all_serve = (
            settings["engine"]["name"] == "vllm" and of_worker <= per_node and not settings["simulation"]["enabled"]
        )
        leaders = sum(p.count for p in manifests.leaders(role)) // (nodes if all_serve else 1)
        if (leaders, pods, gpus) != (replicas, replicas * nodes, replicas * worker):
            yield f"{role}: {pods} pods, {leaders} leaders, {gpus} {resource} for {replicas} workers of {worker} GPUs"


def _added(values: dict[str, Any], component: str) -> list[dict[str, Any]]:
    """The containers that a component's values add."""
    return list(values.get(component, {}).get("initContainers", []))


def _of_the_chart(pods: Iterable[PodTemplate], values: dict[str, Any]) -> Iterator[Container]:
    for pod in pods:
        added = {container["name"] for container in _added(values, pod.labels[COMPONENT])}
        yield from (c for c in pod.containers() if not (c.init and c.name in added))


def _long_running(manifests: Manifests) -> list[PodTemplate]:
    return [p for p in manifests.pods() if not is_hook(p.owner) and p.owner["kind"] not in ("Job", "CronJob")]


def _main(pod: PodTemplate) -> Container:
    """The container that serves; in simulation a worker's leader has another beside it."""
    return pod.container("engine" if pod.labels[COMPONENT] in WORKERS else None)


def _probes(container: Container) -> Iterator[str]:
    ports = {p["name"] for p in container.spec.get("ports", [])}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container.spec.get(name, {})
        # A worker's first probe asks for one of the other role too.
        paired = name == "startupProbe" and "/opt/dynamo-disagg/pair.py" in probe.get("exec", {}).get("command", [])
        if not paired and probe.get("httpGet", {}).get("port") not in ports:
            yield f"no {name} asks one of its ports"
    liveness = container.spec.get("livenessProbe", {})
    if liveness.get("failureThreshold", 3) < 3:
        yield "a moment's load would restart it"
    if liveness.get("timeoutSeconds", 1) > liveness.get("periodSeconds", 10):
        yield "its livenessProbe may take longer than its period"


def _rank_probes(container: Container) -> Iterator[str]:
    """Ranks >= 1 answer no HTTP: the engine's own collectives notice a lost one."""
    for name in sorted(container.spec.keys() & {"ports", "livenessProbe", "startupProbe"}):
        yield f"a rank that serves nothing has {name}"
    if "exec" not in container.spec.get("readinessProbe", {}):
        yield "no readinessProbe of a rank that serves nothing asks its leader"
