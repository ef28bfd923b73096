"""SGLang: the flags of its command line, derived and typed."""

import json
from typing import Any

import pytest

from hack.chart.manifests import Container, merged, nested
from hack.chart.render import Render

# Unchecked, because some flags here are made up; tests/schema/test_engine_flags.py checks the real ones.
SGLANG = {"global": {"engine": {"name": "sglang", "version": "unchecked"}, "model": {"name": "org/model"}}}


def flags(container: Container) -> dict[str, str]:
    """The flags of a command line; those without a value have none ("")."""
    return {name: container.flag(name) or "" for name in (a[2:] for a in container.args() if a.startswith("--"))}


def engine(render: Render, role: str, values: Any = None) -> Container:
    return render(merged(SGLANG, values or {})).pod(role).container("engine")


def test_all_flags_are_on_the_command_line(render: Render, role: str) -> None:
    """In a file Dynamo's own, and those that argparse does not simply store, end the worker."""
    mixed = {"dyn-tool-call-parser": "hermes", "disable-cuda-graph": True, "lora-paths": ["a=/a", "b=/b"]}
    manifests = render(merged(SGLANG, {"global": {"engine": {"version": "", "args": mixed}}}))
    assert manifests.all("ConfigMap", component=role) == []
    container = manifests.pod(role).container("engine")
    assert container.args()[:3] == ["python3", "-m", "dynamo.sglang"]
    assert container.flag("dyn-tool-call-parser") == "hermes"
    assert container.flag("disable-cuda-graph") == ""
    at = container.args().index("--lora-paths")
    assert container.args()[at : at + 3] == ["--lora-paths", "a=/a", "b=/b"]
    assert container.spec["image"] == "nvcr.io/nvidia/ai-dynamo/sglang-runtime:1.6.1"


def test_vllm_has_no_file(render: Render, role: str) -> None:
    manifests = render()
    assert manifests.all("ConfigMap", component=role) == []


def test_derived_flags_of_a_role(render: Render, role: str) -> None:
    parallelism = {"tensor": 4, "pipeline": 2, "data": 2, "expert": 4}
    pool = {"parallelism": parallelism, "engineArgs": {"enable-dp-attention": True}}
    values = {"prefill": pool, "decode": pool, "global": {"kvCache": {"blockSize": 64}}}
    found = flags(engine(render, role, values))
    assert (
        found.items()
        >= {
            "model-path": "org/model",
            "served-model-name": "org/model",
            "page-size": "64",
            "host": "0.0.0.0",
            "port": "30000",
            "enable-metrics": "",
            "tp-size": "4",
            "pp-size": "2",
            "dp-size": "2",
            "ep-size": "4",
            "disaggregation-mode": role,
            "disaggregation-transfer-backend": "nixl",
            "disaggregation-bootstrap-port": "30001",
        }.items()
    )


def test_degrees_of_one_are_left_to_sglang(render: Render, role: str) -> None:
    found = flags(engine(render, role))
    assert found["tp-size"] == "1"
    assert not {"pp-size", "dp-size", "ep-size"} & found.keys()


@pytest.mark.parametrize("connector", ["nixl", "mooncake"])
def test_both_roles_use_one_connector(render: Render, role: str, connector: str) -> None:
    values = nested("global.kvTransfer.connector", connector)
    assert flags(engine(render, role, values))["disaggregation-transfer-backend"] == connector


def test_aggregated_workers_transfer_nothing(render: Render) -> None:
    found = flags(engine(render, "decode", nested("global.serving", "aggregated")))
    assert [flag for flag in found if flag.startswith("disaggregation")] == []


@pytest.mark.parametrize(("mode", "publishers"), [("kv", {"prefill"}), ("round-robin", set())])
def test_workers_that_the_router_indexes_publish_events(
    render: Render, role: str, mode: str, publishers: set[str]
) -> None:
    found = flags(engine(render, role, nested("global.router.mode", mode)))
    assert ("kv-events-config" in found) == (role in publishers)
    if role in publishers:
        assert json.loads(found["kv-events-config"])["publisher"] == "zmq"


def test_aggregated_workers_publish_events(render: Render) -> None:
    assert "kv-events-config" in flags(engine(render, "decode", nested("global.serving", "aggregated")))


def test_the_side_channel_is_the_pod_ip(render: Render, role: str) -> None:
    variables = engine(render, role).env()
    assert variables["SGLANG_HOST_IP"] == {"fieldRef": {"fieldPath": "status.podIP"}}


def test_deepseek_on_a4x(render: Render) -> None:
    manifests = render(None, ["values/a4x-10p8d.yaml"])
    prefill, decode = (flags(manifests.leaders(role)[0].container("engine")) for role in ("prefill", "decode"))
    assert [prefill[f"{kind}-size"] for kind in ("tp", "dp", "ep")] == ["8", "8", "8"]
    assert [decode[f"{kind}-size"] for kind in ("tp", "dp", "ep")] == ["32", "32", "32"]
    assert (prefill["deepep-mode"], decode["deepep-mode"]) == ("normal", "low_latency")
    assert json.loads(prefill["deepep-config"])["normal_dispatch"]["num_sms"] == 128
    assert prefill["model-path"] == "/models/deepseek-ai/DeepSeek-R1"
    assert prefill["max-total-tokens"] == "524288"
    assert prefill["disaggregation-transfer-backend"] == "mooncake"
