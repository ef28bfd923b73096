"""The ways to serve on the same GPUs that one values file is compared in."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.yamlfile import parse_all, read_yaml
from hack.chart.helm import Helm, Values, values_arguments
from hack.chart.manifests import merged
from hack.tools import pinned

DISAGGREGATED, AGGREGATED, SMALL_CHUNKS = "disaggregated", "aggregated", "aggregated-small-chunks"
ARMS = (DISAGGREGATED, AGGREGATED, SMALL_CHUNKS)
TEMPLATE = "templates/benchmark.yaml"
# So that a prompt stops the answers of its worker for a shorter time: docs/sizing.md.
CHUNK: dict[str, dict[str, Any]] = {
    "vllm": {"max-num-batched-tokens": 2048},
    "sglang": {"chunked-prefill-size": 2048},
    "trtllm": {"max-num-tokens": 2048, "trtllm.enable_chunked_prefill": True},
}
# For a run beside the cluster, which takes no image.
NO_IMAGE = {"benchmark": {"image": {"repository": "none", "tag": "none"}}}


def objects(files: Sequence[Path], values: Values, release: str, namespace: str) -> list[dict[str, Any]]:
    """The benchmark's objects for a release with these values. Raises UserError with what Helm says against them."""
    pinned.ensure(["helm"])
    enabled = merged(values, {"benchmark": {"enabled": True}})
    with values_arguments(enabled, files) as arguments:
        options = ("--namespace", namespace, "--show-only", TEMPLATE)
        done = Helm().attempt("template", release, str(ROOT), *options, *arguments)
    if done.code:
        raise UserError(done.stderr.strip().removesuffix("Use --debug flag to render out invalid YAML").strip())
    return parse_all(done.stdout)


def plan(made: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is to be measured."""
    found: dict[str, Any] = json.loads(next(o for o in made if o["kind"] == "ConfigMap")["data"]["plan.json"])
    return found


def arm_values(files: Sequence[Path], name: str, values: Values) -> Values:
    """What an arm changes of the values. Raises UserError where the same GPUs do not make whole workers."""
    defaults = read_yaml(ROOT / "values.yaml")
    effective = merged(defaults, *map(read_yaml, files), values)
    if effective["global"]["serving"] != DISAGGREGATED:
        raise UserError("global.serving: the arms are made of disaggregated values: give a values file of these")
    if name == DISAGGREGATED:
        return values
    pools = plan(objects(files, merged(NO_IMAGE, values), "demo", "default"))["pools"]
    total = sum(pool["replicas"] * pool["gpus"] for pool in pools.values())
    each = pools["decode"]["gpus"]
    if total % each:
        raise UserError(
            f"{total} GPUs do not make whole aggregated workers of decode's {each}: change prefill.replicas or "
            "decode.replicas"
        )
    # What is about a KV cache that moves is refused where none does.
    moving = {k: v for k, v in defaults["global"]["kvTransfer"].items() if k != "connector"}
    moving["extraConfig"] = dict.fromkeys(effective["global"]["kvTransfer"]["extraConfig"] or {})
    change: dict[str, Any] = {
        "global": {"serving": AGGREGATED, "kvTransfer": moving},
        "test": {"transport": {"minGBps": "auto"}},
        "decode": {"replicas": total // each},
    }
    if name == SMALL_CHUNKS:
        change["decode"]["engineArgs"] = CHUNK[effective["global"]["engine"]["name"]]
    return merged(values, change)
