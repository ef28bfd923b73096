"""Flags that are values of their own in this chart: what each engine calls them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hack.convert.flags import Flags
from hack.convert.notes import Notes
from hack.convert.tree import Tree, a_map, drop, get, put, whole

# What the chart sets from other values, or for each pod: it needs no word, as nothing is lost.
DERIVED = {
    "vllm": (
        "disaggregation-mode", "kv-events-config", "headless", "nnodes", "node-rank", "master-addr", "master-port",
        "distributed-executor-backend", "namespace", "endpoint", "discovery-backend",
    ),
    "sglang": (
        "disaggregation-mode", "kv-events-config", "disaggregation-bootstrap-port", "port", "enable-metrics", "host",
        "dist-init-addr", "nnodes", "node-rank", "namespace", "endpoint", "discovery-backend",
    ),
    "trtllm": (
        "disaggregation-mode", "publish-kv-events", "publish-events-and-metrics", "gpus-per-node", "namespace",
        "endpoint", "discovery-backend",
    ),
}  # fmt: skip
# How data parallelism is spread over a worker's pods.
SPREAD = (
    "data-parallel-size-local", "data-parallel-rpc-port", "data-parallel-hybrid-lb", "data-parallel-start-rank",
    "data-parallel-address", "data-parallel-rank", "data-parallel-external-lb", "data-parallel-backend",
    "data-parallel-multi-port-external-lb",
)  # fmt: skip
# Flags of every program that are values of the release.
PLANES = {"request-plane": "global.requestPlane", "event-plane": "global.eventPlane"}
ONE_GPU = {"tensor": 1, "pipeline": 1, "data": 1, "expert": 1}
CONNECTORS = {"NixlConnector": "nixl", "MooncakeConnector": "mooncake"}


@dataclass
class Worker:
    """What the flags of a role make of it."""

    role: str
    where: str
    flags: Flags
    # parallelism of the role.
    parallelism: dict[str, int] = field(default_factory=dict)
    # Values of the whole release that this role's flags ask for.
    shared: Tree = field(default_factory=dict)
    model: str = ""
    served: str = ""

    @property
    def gpus(self) -> int:
        """GPUs of one worker by its parallelism."""
        size = self.parallelism["tensor"] * self.parallelism["pipeline"]
        return size * self.parallelism["data"] if self.flags.program == "vllm" else size


# What all workers have where there are encoders, and what an encoder of dynamo.vllm does not read.
BESIDE_ENCODERS = ("enable-multimodal", "enable-mm-embeds", "route-to-encoder")
NOT_OF_ENCODERS = (
    "tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "block-size", "gpu-memory-utilization",
    "kv-cache-memory-bytes", "max-num-seqs", "max-model-len", "max-num-batched-tokens", "kv-transfer-config",
    "connector", "enable-prefix-caching",
)  # fmt: skip


def read(worker: Worker, notes: Notes) -> None:
    """Take out of a worker's flags what other values say here."""
    flags = worker.flags
    if isinstance(served := flags.take("served-model-name"), list):
        notes.loss(
            f"{worker.where} --served-model-name",
            f"the chart serves one name, {served[0]}; not {', '.join(map(str, served[1:]))}",
        )
        served = served[0]
    model = flags.take("model", "model-path")
    worker.model, worker.served = str(model or ""), str(served or "")
    for name, path in PLANES.items():
        if value := flags.take(name):
            worker.shared[path] = value
    if mode := flags.take("router-mode"):
        notes.change(
            f"{worker.where} --router-mode",
            f"left out ({mode}): the frontend routes, and a worker's setting would override it",
        )
    (_encoder if worker.role == "encode" else READERS[flags.program])(worker, notes)
    for name in DERIVED[flags.program]:
        flags.take(name)
    worker.parallelism = ONE_GPU | {k: v for k, v in worker.parallelism.items() if v}


def _number(worker: Worker, notes: Notes, *names: str) -> int:
    value = worker.flags.take(*names)
    if value is None:
        return 0
    if (number := whole(value)) is None:
        notes.doubt(f"{worker.where} --{names[0]}", f"{value} is no number; 1 is assumed")
        return 1
    return number


def beside_encoders(workers: list[Worker]) -> None:
    """Take out what the chart sets where one of the workers is an encoder."""
    if any(worker.role == "encode" for worker in workers):
        for worker in workers:
            worker.flags.take(*BESIDE_ENCODERS)


def _encoder(worker: Worker, notes: Notes) -> None:
    if ignored := [name for name in NOT_OF_ENCODERS if worker.flags.take(name) is not None]:
        notes.change(
            f"{worker.where} --{', --'.join(ignored)}",
            "left out: an encoder is one process on one GPU, and does not read it",
        )


def _vllm(worker: Worker, notes: Notes) -> None:
    flags = worker.flags
    tensor = _number(worker, notes, "tensor-parallel-size") or 1
    data = _number(worker, notes, "data-parallel-size") or 1
    worker.parallelism = {"tensor": tensor, "data": data, "pipeline": _number(worker, notes, "pipeline-parallel-size")}
    if flags.take("enable-expert-parallel"):
        worker.parallelism["expert"] = tensor * data
        if tensor * data == 1:
            notes.change(
                f"{worker.where} --enable-expert-parallel",
                "left out: with one GPU there is nothing to spread experts over",
            )
    if spread := [name for name in SPREAD if flags.take(name) is not None]:
        notes.change(
            f"{worker.where} --{spread[0]}",
            "left out: how data parallelism spreads over a worker's pods follows from its parallelism",
        )
    if block := _number(worker, notes, "block-size"):
        worker.shared["global.kvCache.blockSize"] = block
    else:
        notes.change(
            worker.where, "no --block-size: vLLM's default would be 16, the chart's global.kvCache.blockSize is 128"
        )
    _vllm_transfer(worker, notes)
    connector = flags.take("connector")
    if connector not in (None, "none", "nixl"):
        notes.loss(
            f"{worker.where} --connector",
            f"Dynamo 1.6.1 refuses it ({connector}): see global.kvTransfer.offloadConnectors",
        )


def _vllm_transfer(worker: Worker, notes: Notes) -> None:
    config = worker.flags.take("kv-transfer-config")
    at = f"{worker.where} --kv-transfer-config"
    if config is None:
        return
    if not isinstance(config, dict):
        notes.loss(at, f"not readable as JSON: {str(config)[:60]}")
        return
    moves = config
    extra = a_map(config.get("kv_connector_extra_config"))
    others: list[Tree] = []
    if config.get("kv_connector") in ("MultiConnector", "PdConnector"):
        connectors = [c for c in extra.get("connectors") or [] if isinstance(c, dict)]
        moves = next((c for c in connectors if c.get("kv_connector") in CONNECTORS), {})
        others = [c for c in connectors if c is not moves]
    elif config.get("kv_connector") not in CONNECTORS:
        moves, others = {}, [config]
    if worker.role == "agg":
        names = ", ".join(str(c.get("kv_connector")) for c in [*others, *([moves] if moves else [])])
        notes.loss(at, f"with global.serving=aggregated no KV cache is moved, and the chart sets no connector: {names}")
        return
    if not moves:
        notes.doubt(
            at, f"{config.get('kv_connector')} moves no KV cache between roles as the chart knows it; NIXL does instead"
        )
    else:
        worker.shared["global.kvTransfer.connector"] = CONNECTORS[str(moves["kv_connector"])]
    if others:
        worker.shared["global.kvTransfer.offloadConnectors"] = [
            {k: v for k, v in c.items() if k != "kv_role" or v != "kv_both"} for c in others
        ]
    if (policy := config.get("kv_load_failure_policy")) in ("fail", "recompute"):
        worker.shared["global.kvTransfer.onLoadFailure"] = policy
    settings = dict(a_map(moves.get("kv_connector_extra_config")))
    if backends := settings.pop("backends", None):
        worker.shared["global.kvTransfer.backends"] = backends
    if lease := whole(settings.pop("kv_lease_duration", None)):
        worker.shared["global.kvTransfer.leaseSeconds"] = lease
    rest = {k: v for k, v in moves.items() if k.startswith("kv_buffer") or k == "enable_permute_local_kv"}
    if rest.get("kv_buffer_device") == "cuda":
        # vLLM's default.
        del rest["kv_buffer_device"]
    if settings:
        rest["kv_connector_extra_config"] = settings
    if rest:
        worker.shared["global.kvTransfer.extraConfig"] = rest
    if str(moves.get("kv_role", "")) == "kv_both":
        notes.change(
            at, "kv_role is kv_producer in prefill and kv_consumer in decode; vLLM deprecates kv_both for NIXL"
        )


def _sglang(worker: Worker, notes: Notes) -> None:
    flags = worker.flags
    worker.parallelism = {
        "tensor": _number(worker, notes, "tp-size"),
        "pipeline": _number(worker, notes, "pp-size"),
        "data": _number(worker, notes, "dp-size"),
        "expert": _number(worker, notes, "ep-size"),
    }
    if block := _number(worker, notes, "page-size"):
        worker.shared["global.kvCache.blockSize"] = block
    else:
        notes.change(
            worker.where, "no --page-size: SGLang would choose one, the chart's global.kvCache.blockSize is 128"
        )
    backend = flags.take("disaggregation-transfer-backend")
    if worker.role != "agg":
        if backend is None:
            notes.change(worker.where, "no --disaggregation-transfer-backend: SGLang's default is mooncake")
        worker.shared["global.kvTransfer.connector"] = backend or "mooncake"


def _trtllm(worker: Worker, notes: Notes) -> None:
    flags = worker.flags
    settings: Tree = {}
    for name in [n for n in flags.values if n.startswith("trtllm.")]:
        put(settings, name.removeprefix("trtllm."), flags.values.pop(name))
    tensor = _number(worker, notes, "tensor-parallel-size")
    tensor = whole(drop(settings, ["tensor_parallel_size"])) or tensor or 1
    pipeline = whole(drop(settings, ["pipeline_parallel_size"])) or _number(worker, notes, "pipeline-parallel-size")
    flags.take("pipeline-parallel-size")
    expert = whole(drop(settings, ["moe_expert_parallel_size"])) or _number(worker, notes, "expert-parallel-size")
    flags.take("expert-parallel-size")
    attention = drop(settings, ["enable_attention_dp"])
    attention = flags.take("enable-attention-dp") or attention
    worker.parallelism = {"tensor": tensor, "pipeline": pipeline, "expert": expert, "data": tensor if attention else 1}
    for name in ("gpus_per_node", "model", "backend"):
        if name in settings and (name != "backend" or settings[name] == "pytorch"):
            # pytorch is the only backend that Dynamo starts.
            del settings[name]
    block = whole(drop(settings, ["kv_cache_config", "tokens_per_block"])) or _number(worker, notes, "kv-block-size")
    flags.take("kv-block-size")
    if block:
        worker.shared["global.kvCache.blockSize"] = block
    else:
        notes.change(
            worker.where,
            "no block size: TensorRT-LLM's default would be 32, the chart's global.kvCache.blockSize is 128",
        )
    backend = str(drop(settings, ["cache_transceiver_config", "backend"]) or "").upper()
    if worker.role == "agg":
        if drop(settings, ["cache_transceiver_config"]) or backend:
            notes.change(
                worker.where, "cache_transceiver_config left out: with global.serving=aggregated no KV cache is moved"
            )
    elif backend in ("UCX", "NIXL"):
        worker.shared["global.kvTransfer.connector"] = backend.lower()
    elif backend in ("", "DEFAULT"):
        notes.change(
            worker.where,
            "cache_transceiver_config.backend DEFAULT: TensorRT-LLM takes NIXL, as "
            "global.kvTransfer.connector=nixl says here",
        )
    else:
        notes.loss(
            worker.where, f"cache_transceiver_config.backend {backend}: the chart moves the KV cache with nixl or ucx"
        )
    old = a_map(drop(settings, ["build_config"]))
    for name, value in old.items():
        if name in ("max_batch_size", "max_num_tokens", "max_seq_len", "max_beam_width"):
            settings.setdefault(name, value)
            notes.change(worker.where, f"build_config.{name} stands at the top of the file for the PyTorch backend")
        else:
            notes.loss(worker.where, f"build_config.{name}: the PyTorch backend has no engine build")
    for name in ("max_batch_size", "max_num_tokens", "max_seq_len", "max_beam_width"):
        # Dynamo has flags for them, and what stands in the file wins.
        if (value := settings.pop(name, None)) is not None:
            flags.values[name.replace("_", "-")] = value
    if (share := get(settings, "kv_cache_config", "free_gpu_memory_fraction")) is not None:
        drop(settings, ["kv_cache_config", "free_gpu_memory_fraction"])
        flags.values["free-gpu-memory-fraction"] = share
    flags.values |= {f"trtllm.{name}": value for name, value in settings.items()}


READERS: dict[str, Callable[[Worker, Notes], None]] = {"vllm": _vllm, "sglang": _sglang, "trtllm": _trtllm}


def settled(workers: list[Worker], notes: Notes) -> Tree:
    """The values of the release that the roles' flags ask for; where they differ, the first role's, and a doubt."""
    result: Tree = {}
    for worker in workers:
        for path, value in worker.shared.items():
            if path not in result:
                result[path] = value
            elif result[path] != value:
                notes.doubt(
                    worker.where,
                    f"{path} is one value for both roles here: {_short(result[path])} as in {workers[0].role}, "
                    f"not {_short(value)}",
                )
    return result


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)[:80]
