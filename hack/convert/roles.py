"""Which components of a deployment are which pool, and what they run."""

import re

from hack.chart.manifests import WORKERS
from hack.convert import engines, flags, pods, shell
from hack.convert.engines import Worker
from hack.convert.flags import Flags
from hack.convert.graph import Component, Graph
from hack.convert.notes import CannotConvertError, Notes
from hack.convert.tree import Tree, a_map, get, maps, of_yaml

ENGINES = {"dynamo.vllm": "vllm", "dynamo.sglang": "sglang", "dynamo.trtllm": "trtllm", "dynamo.mocker": "mocker"}
# Other parts of a multimodal deployment than a pool of encoders, from Dynamo before 1.4 and from SGLang.
MULTIMODAL = ("multimodal-processor", "multimodal-encode-prefill-worker", "encoder-only")
# What other components are by the module that they run.
KINDS = {"dynamo.frontend": "frontend"} | dict.fromkeys(
    ("dynamo.planner", "dynamo.global_planner", "planner_sla"), "planner"
)
LOST = {
    "planner": "the planner needs the operator: prefill.autoscaling and decode.autoscaling scale the pools "
    "(docs/autoscaling.md)",
    "epp": "the endpoint picker of a Gateway: this chart's frontend routes, behind an Ingress or an HTTPRoute",
}
# Variables that programs read, whatever else a script does with them.
LIBRARIES = re.compile(
    r"^(DYN|VLLM|SGL|SGLANG|TRTLLM|TLLM|NCCL|UCX|NIXL|HF|HUGGING|CUDA|NVIDIA|TORCH|PYTORCH|LD|PATH|HOME|GLOO|FLASHINFER"
    r"|OMP|TRITON)_?"
)
# The engine's flags that name a file of further flags.
CONFIGS = {"vllm": ("config",), "sglang": ("config", "disagg-config"), "trtllm": ("extra-engine-args",)}


def pools(graph: Graph, notes: Notes) -> tuple[list[Component], list[Component]]:
    frontends: list[Component] = []
    workers: list[Component] = []
    for part in graph.components:
        kind = part.kind
        if kind in ("worker", "main", *WORKERS):
            kind = KINDS.get(shell.call(part.command, part.args, {}).module, "worker")
        if kind == "frontend":
            frontends.append(part)
        elif kind == "worker":
            workers.append(part)
        elif kind in LOST:
            notes.loss(part.where, LOST[kind])
        else:
            raise CannotConvertError(f"{part.where}: this chart has no component of type {part.kind}")
    if not workers:
        raise CannotConvertError(
            f"{graph.source}: it has no worker of an engine, so there is nothing that this chart could serve"
        )
    if len(frontends) > 1:
        raise CannotConvertError(
            f"{graph.source}: it has {len(frontends)} frontends ({', '.join(f.name for f in frontends)}); a "
            "release has one pool of them: make a release of each"
        )
    return frontends, workers


def started(graph: Graph, part: Component, notes: Notes) -> shell.Call:
    for name, value in part.env.items():
        source = a_map(get(value, "configMapKeyRef"))
        if (text := graph.files.get(f"{source.get('name')}/{source.get('key')}")) is not None:
            part.env[name] = text.strip()
    env = {name: value for name, value in part.env.items() if isinstance(value, str)}
    call = shell.call(part.command, part.args, env)
    for mount in part.mounts:
        if name := get(mount.source, "configMap", "name"):
            items = {str(i.get("key")): str(i.get("path")) for i in maps(get(mount.source, "configMap", "items"))}
            for key, text in list(graph.files.items()):
                owner, _, entry = key.partition("/")
                if owner == name:
                    path = f"{mount.path}/{items.get(entry, entry)}"
                    call.files.setdefault(mount.path if mount.sub_path == entry else path, text)
    if call.skipped:
        lines = "; ".join(call.skipped[:6]) + (f" and {len(call.skipped) - 6} more" if len(call.skipped) > 6 else "")
        notes.loss(f"{part.where} command", f"lines of its script are left out: {lines}")
    for name, value in call.env.items():
        if shell.COMPUTED in value:
            notes.loss(
                f"{part.where} {name}",
                "its script computes it at the start of each pod; here it is a fixed value of env, if it is needed",
            )
        elif value:
            part.env[name] = value
        elif part.env.pop(name, None) is None:
            continue
        else:
            notes.change(f"{part.where} {name}", "its script unsets it")
    inlined = [name for name in sorted(call.used & part.env.keys()) if not LIBRARIES.match(name)]
    if inlined:
        notes.change(part.where, f"left out, as its flags have their values: {', '.join(inlined)}")
        part.env = {name: value for name, value in part.env.items() if name not in inlined}
    return call


def by_role(graph: Graph, workers: list[Component], calls: dict[str, shell.Call]) -> dict[str, Component]:
    """Workers by their role: prefill and decode, or agg; and encode, the last."""
    roles: dict[str, Component] = {}
    encoders: dict[str, Component] = {}
    for part in workers:
        words = calls[part.name].words
        module = calls[part.name].module
        text = " ".join(words)
        if (module and module not in ENGINES) or (not module and (part.command or part.args)):
            raise CannotConvertError(
                f"{part.where}: it runs {module or calls[part.name].text or 'nothing'}, and this chart runs "
                "dynamo.vllm, dynamo.sglang and dynamo.trtllm"
            )
        mode = "encode" if "--multimodal-encode-worker" in words or part.kind == "encode" else _mode(text)
        if any(f"--{flag}" in words for flag in MULTIMODAL) or (mode == "encode" and module != "dynamo.vllm"):
            raise CannotConvertError(
                f"{part.where}: a multimodal part that this chart does not have: it has encoders for dynamo.vllm, and "
                "without them (global.serving=aggregated) each worker encodes for itself"
            )
        role = next((word for word in (mode, part.kind) if word in WORKERS), "worker")
        if "--is-prefill-worker" in words:
            role = "prefill"
        held = encoders if role == "encode" else roles
        if role in held:
            raise CannotConvertError(
                f"{graph.source}: {held[role].name} and {part.name} are two pools of the same role ({role}); a "
                "release has one of each: "
                "make a release of each, or keep one"
            )
        held[role] = part
    if set(roles) in ({"worker"}, {"decode"}):
        found = {"agg": next(iter(roles.values()))}
    elif set(roles) in ({"prefill", "worker"}, {"prefill", "decode"}):
        found = {"prefill": roles["prefill"], "decode": roles.get("worker") or roles["decode"]}
    else:
        named = ", ".join(f"{part.name} ({role})" for role, part in [*roles.items(), *encoders.items()])
        raise CannotConvertError(
            f"{graph.source}: its workers are {named}; this chart "
            "serves with a prefill and a decode pool, or with one pool for both"
        )
    return {**found, **encoders}


def _mode(text: str) -> str:
    match = re.search(r"--disaggregation[-_]mode[= ](\w+)", text)
    return match[1] if match else ""


def engine(graph: Graph, workers: list[Component], calls: dict[str, shell.Call], notes: Notes) -> str:
    found = {ENGINES[call.module] for call in calls.values() if call.module}
    if len(found) > 1:
        raise CannotConvertError(
            f"{graph.source}: its workers run {' and '.join(sorted(found))}; the pools of a release run one engine"
        )
    if found:
        return found.pop()
    if graph.framework not in ("vllm", "sglang", "trtllm"):
        raise CannotConvertError(
            f"{workers[0].where}: it has no command and no backendFramework, so its engine is not known"
        )
    notes.doubt(workers[0].where, "it has no command: what its image starts is not known")
    return graph.framework


def worker(
    graph: Graph, role: str, part: Component, call: shell.Call, program: str, simulated: bool, notes: Notes
) -> Worker:
    if simulated:
        return _mocker(role, part, call, program, notes)
    found = flags.parsed(program, call.words, part.where, notes)
    for name in CONFIGS[program]:
        path = found.take(name)
        if path is None:
            continue
        content = _file(str(path), call.files, graph.files, part, name)
        for mount in [m for m in part.mounts if str(path).startswith(m.path) and "configMap" in m.source]:
            part.mounts.remove(mount)
            notes.change(
                f"{part.where} {path}",
                f"the settings of ConfigMap {get(mount.source, 'configMap', 'name')} are values here",
            )
        if program == "trtllm":
            found.values |= {f"trtllm.{key}": value for key, value in content.items()}
        else:
            if key := found.take("disagg-config-key", "config-key"):
                content = a_map(content.get(str(key)))
            # What is typed wins over the file.
            found.values = {**flags.of_file(program, content, part.where, notes).values, **found.values}
    if isinstance(override := found.take("override-engine-args"), dict):
        found.values |= {f"trtllm.{key}": value for key, value in override.items()}
    if graph.model and not found.values.keys() & {"model", "model-path"}:
        found.values["model"] = graph.model
    found.take("is-prefill-worker", "is-decode-worker")
    worker = Worker(role, part.where, found)
    engines.read(worker, notes)
    expected = part.nodes * pods.gpus(part)
    if expected and expected != worker.gpus:
        notes.doubt(
            part.where,
            f"its pods ask for {expected} GPUs and its flags use {worker.gpus}: the chart asks for what the flags use",
        )
    return worker


def _mocker(role: str, part: Component, call: shell.Call, program: str, notes: Notes) -> Worker:
    words = call.words
    given = {words[i]: words[i + 1] for i in range(len(words) - 1) if words[i].startswith("--")}
    for name in sorted(given.keys() - {"--model-path", "--model-name", "--disaggregation-mode"}):
        notes.loss(f"{part.where} {name}", "a setting of the mocker: see global.simulation")
    model, served = given.get("--model-path", ""), given.get("--model-name", "")
    none = Flags(program, part.where, {})
    return Worker(role, part.where, none, dict(engines.ONE_GPU), model=model, served=served)


def _file(path: str, own: dict[str, str], given: dict[str, str], part: Component, flag: str) -> Tree:
    text = own.get(path, given.get(path))
    if text is None:
        text = next((t for p, t in given.items() if p.rpartition("/")[2] == path.rpartition("/")[2]), None)
    if text is None:
        raise CannotConvertError(
            f"{part.where}: --{flag} {path} is not in the input (no ConfigMap has it, perhaps the image): give "
            f"it with --set-file {path}=FILE"
        )
    content = of_yaml(text, path)
    if not isinstance(content, dict):
        raise CannotConvertError(f"{path}: expected a map of settings, found {type(content).__name__}")
    return content
