"""Flags that the chart derives, of every engine: typing one is refused, with what to set in its place."""

import pytest

from hack.chart.helm import HelmError
from hack.chart.manifests import merged, nested
from hack.chart.render import Render

OWNED = {
    "vllm": {
        "model": "use .* and global.model.source",
        "tensor-parallel-size": "use ROLE.parallelism.tensor",
        "block-size": "use global.kvCache.blockSize",
        "kv-transfer-config": "use global.kvTransfer",
        "kv-events-config": "use global.router.mode",
        "disaggregation-mode": "use global.serving",
        "nnodes": "the nodes of a worker are derived",
    },
    "sglang": {
        "tp-size": "use ROLE.parallelism.tensor",
        "ep-size": "use ROLE.parallelism.expert",
        "disaggregation-mode": "use global.serving",
        "disaggregation-transfer-backend": "use global.kvTransfer.connector",
        "page-size": "use global.kvCache.blockSize",
        "model-path": "use global.model.source",
        "kv-events-config": "use global.router.mode",
        "nnodes": "the nodes of a worker are derived",
        "config": "write its flags in engineArgs",
    },
    "trtllm": {
        "model": "use global.model.source",
        "disaggregation-mode": "use global.serving",
        "kv-block-size": "use global.kvCache.blockSize",
        "tensor-parallel-size": "use ROLE.parallelism.tensor",
        "enable-attention-dp": "use ROLE.parallelism.data",
        "publish-kv-events": "use global.router.mode",
        "extra-engine-args": "the chart mounts the file",
        "override-engine-args": "use trtllm.<key> in engineArgs",
        "trtllm.tensor_parallel_size": "use ROLE.parallelism.tensor",
        "trtllm.kv_cache_config.tokens_per_block": "use global.kvCache.blockSize",
        "trtllm.cache_transceiver_config.backend": "use global.kvTransfer.connector",
    },
}


@pytest.mark.parametrize(("engine", "flag"), [(engine, flag) for engine, flags in OWNED.items() for flag in flags])
def test_derived_flags_are_refused(render: Render, role: str, engine: str, flag: str) -> None:
    base = {"global": {"engine": {"name": engine}, "model": {"name": "org/model"}}}
    instead = OWNED[engine][flag].replace("ROLE", role)
    with pytest.raises(HelmError, match=f"{role}.engineArgs.{flag}: the chart sets --{flag}: .*{instead}"):
        # Types are another check's; this one holds for versions that are not known too.
        render(merged(base, {**nested("global.engine.version", "unchecked"), role: {"engineArgs": {flag: "1"}}}))
    with pytest.raises(HelmError, match=f"{role}.extraArgs: --{flag}: the chart sets --{flag}: .*{instead}"):
        render(merged(base, {role: {"extraArgs": [f"--{flag}=1"]}}))
