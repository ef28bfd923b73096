"""A deployment made values of this chart."""

import re
from typing import Any

from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml
from hack.chart.manifests import merged
from hack.convert import engines, flags, machine, model, pods, roles
from hack.convert.engines import Worker
from hack.convert.flags import Flags
from hack.convert.graph import Component, Graph
from hack.convert.notes import CannotConvertError, Notes
from hack.convert.tree import Tree, a_map, get, maps, put

# Seconds that the operator gives a worker to start.
OPERATOR_STARTUP = 7200
SSH_SECRET = "mpi-run-ssh-secret"
NVIDIA_IMAGE = re.compile(
    r"^nvcr\.io/nvidia/ai-dynamo/[a-z]+-runtime:v?[0-9]+(\.[0-9]+)*(\.?post[0-9]+)?(-cuda[0-9]+)?$"
)


def values(graph: Graph, notes: Notes, hardware: str = "", files: dict[str, str] | None = None) -> Tree:
    """The values of a deployment. `files` are contents of engine files by their path in a container."""
    graph.files |= files or {}
    frontends, workers = roles.pools(graph, notes)
    calls = {part.name: roles.started(graph, part, notes) for part in workers}
    found = roles.by_role(graph, workers, calls)
    program = roles.engine(graph, workers, calls, notes)
    result: Tree = {}
    simulated = program == "mocker"
    if simulated:
        put(result, "global.simulation.enabled", True)
        notes.change("dynamo.mocker", "global.simulation: the same mocker, with the topology and probes of an engine")
        program = graph.framework or "vllm"
    put(result, "global.engine.name", program)
    read = {
        role: roles.worker(graph, role, part, calls[part.name], program, simulated, notes)
        for role, part in found.items()
    }
    engines.beside_encoders(list(read.values()))
    serving = "aggregated" if "agg" in read else "disaggregated"
    if serving == "aggregated":
        put(result, "global.serving", serving)
    for path, value in engines.settled(list(read.values()), notes).items():
        put(result, path, value)
    moved: dict[str, str] = {}
    _model(graph, result, found, read, notes, moved)
    _planes(result, notes)
    _frontend(graph, result, frontends, moved, notes)
    for role, part in found.items():
        _pool(result, "decode" if role == "agg" else role, part, read[role], moved, notes)
    _shared_flags(result, read)
    _shared_variables(result)
    _mpi(result, program, found, notes)
    machine.apply(graph, result, found, hardware, notes)
    _image(graph, result, found, notes)
    result = merged(result, graph.values)
    if not result.get("frontend"):
        result.pop("frontend", None)
    return _in_order(result, read_yaml(ROOT / "values.yaml"))


def _in_order(values: Tree, like: Any) -> Tree:
    """The same values, in the order in which the chart's own stand."""
    if not isinstance(like, dict):
        return values
    known = [key for key in like if key in values]
    ordered = {key: values[key] for key in [*known, *(k for k in values if k not in like)]}
    return {k: _in_order(v, like.get(k)) if isinstance(v, dict) else v for k, v in ordered.items()}


def _model(
    graph: Graph,
    result: Tree,
    pools: dict[str, Component],
    read: dict[str, Worker],
    notes: Notes,
    moved: dict[str, str],
) -> None:
    first, *others = read.values()
    for other in others:
        if (other.served or other.model) != (first.served or first.model):
            notes.doubt(
                other.where,
                f"it serves {other.served or other.model}, and {first.role} {first.served or first.model}: a "
                "release serves one model",
            )
    parts = list(pools.values())
    env = {name: value for part in parts for name, value in part.env.items()}
    made = model.weights(graph, first.model or first.served, first.served, parts, env, notes)
    for name, value in made.values.items():
        put(result, f"global.model.{name}", value)
    moved |= made.moved
    for part in graph.components:
        for name in (*model.HOMES, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            # The chart sets the first to its cache, and the token from the Secret.
            part.env.pop(name, None)
    for part in parts:
        if not made.size and "startup" not in part.probes:
            part.probes["startup"] = {"periodSeconds": 10, "failureThreshold": OPERATOR_STARTUP // 10}
            notes.change(part.where, "two hours to start, as the operator gives: the model's size is not known")


def _planes(result: Tree, notes: Notes) -> None:
    known = {"requestPlane": ("tcp", "nats"), "eventPlane": ("zmq", "nats")}
    for name, choices in known.items():
        value = get(result, "global", name)
        if value is not None and value not in choices:
            del result["global"][name]
            notes.loss(f"global.{name}", f"{value} is none of Dynamo 1.6.1's: {' or '.join(choices)}")
    if "nats" in (get(result, "global", "requestPlane"), get(result, "global", "eventPlane")):
        put(result, "nats.enabled", True)
        notes.change("nats.enabled", "the release has a NATS of its own; global.natsUrl names one that is there")


def _frontend(graph: Graph, result: Tree, frontends: list[Component], moved: dict[str, str], notes: Notes) -> None:
    mode = ""
    if frontends:
        part = frontends[0]
        call = roles.started(graph, part, notes)
        if call.module not in ("", "dynamo.frontend"):
            raise CannotConvertError(
                f"{part.where}: it runs {call.module}, and this chart's frontend is dynamo.frontend"
            )
        if not call.module and (part.command or part.args):
            notes.loss(f"{part.where} command", f"the chart runs dynamo.frontend, not: {call.text}")
        found = flags.parsed("frontend", call.words if call.module else [], part.where, notes)
        mode = str(found.take("router-mode") or part.env.pop("DYN_ROUTER_MODE", ""))
        taken = _frontend_flags(result, found, part, notes)
        made = pods.component(part, moved, notes, is_worker=False)
        for mount in list(get(made, "volumes", default={}).items()):
            # The frontend has the model where it needs it.
            if "persistentVolumeClaim" in mount[1]["source"]:
                del made["volumes"][mount[0]]
                notes.change(
                    f"{part.where} {mount[1]['mountPath']}",
                    "left out: the chart gives the frontend what it reads of the model",
                )
        if not made.get("volumes"):
            made.pop("volumes", None)
        result.setdefault("frontend", {}).update(made)
        if taken:
            result["frontend"]["args"] = taken
    else:
        notes.change("frontend", "the input has none; the release has one, with the chart's defaults")
    choices = _router_modes()
    if mode and mode not in choices:
        notes.loss("global.router.mode", f"{mode}: the chart has {', '.join(choices)}; round-robin instead")
        mode = ""
    if not mode:
        notes.change("global.router.mode", "round-robin, Dynamo's default: the input names no router mode")
    put(result, "global.router.mode", mode or "round-robin")


def _router_modes() -> list[str]:
    schema = read_yaml(ROOT / "schemas" / "global.yaml")["values"]["properties"]["router"]["properties"]["mode"]
    return [str(mode) for mode in schema["enum"]]


def _frontend_flags(result: Tree, found: Flags, part: Component, notes: Notes) -> Tree:
    for name in (
        "http-port",
        "http-host",
        "namespace",
        "namespace-prefix",
        "kv-cache-block-size",
        "router-replica-sync",
        "discovery-backend",
        "interactive",
    ):
        if (value := found.take(name)) is not None and name in ("namespace", "namespace-prefix"):
            notes.change(f"{part.where} --{name}", f"left out ({value}): it is derived from the release")
    for name, path in engines.PLANES.items():
        if value := found.take(name):
            put(result, path, value)
    _planes(result, notes)
    if (limit := found.take("migration-limit")) is not None:
        put(result, "frontend.migrationLimit", limit)
    for name in [n for n in found.values if n.startswith("=")]:
        put(result, name[1:], found.values.pop(name))
    if isinstance(share := found.take("active-decode-blocks-threshold"), int | float):
        put(result, "frontend.rejection.kvUsagePercent", round(100 * share))
    if (tokens := found.take("active-prefill-tokens-threshold")) is not None:
        put(result, "frontend.rejection.promptTokens", tokens)
    for name in ("model-name", "model-path"):
        if found.take(name) is not None:
            notes.change(f"{part.where} --{name}", "left out: the workers say which model they serve")
    return found.values


def _pool(result: Tree, role: str, part: Component, worker: Worker, moved: dict[str, str], notes: Notes) -> None:
    made = pods.component(part, moved, notes, is_worker=True)
    size = {name: degree for name, degree in worker.parallelism.items() if degree > 1}
    if size:
        made["parallelism"] = size
    for name in [n for n in worker.flags.values if n.startswith("=")]:
        put(result, name[1:], worker.flags.values.pop(name))
    if worker.flags.values:
        made["engineArgs"] = {
            name: _elsewhere(value, moved, f"{part.where} --{name}", notes)
            for name, value in worker.flags.values.items()
        }
    result[role] = {k: made[k] for k in ("replicas", "parallelism", "engineArgs", "env") if k in made} | made


def _elsewhere(value: Any, moved: dict[str, str], where: str, notes: Notes) -> Any:
    """A setting with the paths of this chart's mounts."""
    if isinstance(value, dict):
        return {key: _elsewhere(inner, moved, where, notes) for key, inner in value.items()}
    for old, new in moved.items():
        if isinstance(value, str) and value.startswith(old + "/"):
            notes.change(where, f"{old} is mounted at {new} here")
            return new + value.removeprefix(old)
    return value


def _shared_flags(result: Tree, read: dict[str, Worker]) -> None:
    """Flags that both roles have alike stand once, for the engine."""
    if not {"prefill", "decode"} <= set(read):
        return
    one, other = (a_map(result[role].get("engineArgs")) for role in ("prefill", "decode"))
    alike = {name: value for name, value in one.items() if name in other and other[name] == value}
    if not alike:
        return
    put(result, "global.engine.args", alike)
    for role in ("prefill", "decode"):
        rest = {name: value for name, value in result[role]["engineArgs"].items() if name not in alike}
        if rest:
            result[role]["engineArgs"] = rest
        else:
            del result[role]["engineArgs"]


def _shared_variables(result: Tree) -> None:
    """Variables that all components have alike stand once."""
    if not {"frontend", "prefill", "decode"} <= result.keys():
        return
    parts = [result[name] for name in ("frontend", "prefill", "decode")]
    one, *others = (a_map(part.get("env")) for part in parts)
    alike = {
        n: v for n, v in one.items() if not n.startswith("DYN_ROUTER") and all(n in o and o[n] == v for o in others)
    }
    if not alike:
        return
    put(result, "global.env", alike)
    for part in parts:
        part["env"] = {n: v for n, v in part["env"].items() if n not in alike}
        if not part["env"]:
            del part["env"]


def _mpi(result: Tree, program: str, parts: dict[str, Component], notes: Notes) -> None:
    if program == "trtllm" and any(part.nodes > 1 for part in parts.values()):
        put(result, "global.multiNode.sshSecret", SSH_SECRET)
        notes.doubt(
            "global.multiNode.sshSecret",
            f"{SSH_SECRET}, as the operator calls it: it must exist, with the key under private.key "
            "(docs/multi-node.md)",
        )


def _image(graph: Graph, result: Tree, parts: dict[str, Component], notes: Notes) -> None:
    secrets = [str(s.get("name")) for p in graph.components for s in maps(p.pod.get("imagePullSecrets"))]
    if secrets:
        put(result, "global.imagePullSecrets", list(dict.fromkeys(secrets)))
    images = list(dict.fromkeys(part.image for part in parts.values() if part.image))
    for image in images:
        if NVIDIA_IMAGE.match(image):
            notes.change(
                "global.engine.image",
                f"the chart's own image of Dynamo 1.6.1, not {image}: its flags are those that are checked",
            )
        else:
            notes.doubt(
                "global.engine.image",
                f"the chart's own image of Dynamo 1.6.1, not {image}: if that is a special build, set it with "
                "global.engine.version=unchecked",
            )
