"""SGLang: the flags of its configuration file, derived and typed."""

import json
from typing import Any

import pytest
import yaml

from hack.chart.manifests import Container, merged, nested
from hack.chart.render import Render

# Unchecked, because some flags here are made up; tests/schema/test_engine_flags.py checks the real ones.
SGLANG = {"global": {"engine": {"name": "sglang", "version": "unchecked"}, "model": {"name": "org/model"}}}


def flags(render: Render, role: str, values: Any = None, files: Any = ()) -> dict[str, Any]:
    """The configuration file of a role, as SGLang reads it."""
    manifests = render(merged(SGLANG, values or {}), files)
    content: dict[str, Any] = yaml.safe_load(manifests.one("ConfigMap", component=role)["data"]["engine.yaml"])
    return content


def engine(render: Render, role: str, values: Any = None) -> Container:
    return render(merged(SGLANG, values or {})).pod(role).container("engine")


def test_the_command_line_names_the_file(render: Render, role: str) -> None:
    container = engine(render, role)
    assert container.args() == ["python3", "-m", "dynamo.sglang", "--config", "/etc/dynamo/engine.yaml"]
    assert container.spec["image"] == "nvcr.io/nvidia/ai-dynamo/sglang-runtime:1.6.1"


def test_vllm_has_no_file(render: Render, role: str) -> None:
    manifests = render()
    assert manifests.all("ConfigMap", component=role) == []


def test_derived_flags_of_a_role(render: Render, role: str) -> None:
    parallelism = {"tensor": 4, "pipeline": 2, "data": 2, "expert": 4}
    pool = {"parallelism": parallelism, "engineArgs": {"enable-dp-attention": True}}
    found = flags(render, role, {"prefill": pool, "decode": pool, "global": {"kvCache": {"blockSize": 64}}})
    assert (
        found.items()
        >= {
            "model-path": "org/model",
            "served-model-name": "org/model",
            "page-size": 64,
            "host": "0.0.0.0",
            "port": 30000,
            "enable-metrics": True,
            "tp-size": 4,
            "pp-size": 2,
            "dp-size": 2,
            "ep-size": 4,
            "disaggregation-mode": role,
            "disaggregation-transfer-backend": "nixl",
            "disaggregation-bootstrap-port": 30001,
        }.items()
    )


def test_degrees_of_one_are_left_to_sglang(render: Render, role: str) -> None:
    found = flags(render, role)
    assert found["tp-size"] == 1
    assert not {"pp-size", "dp-size", "ep-size"} & found.keys()


@pytest.mark.parametrize("connector", ["nixl", "mooncake"])
def test_both_roles_use_one_connector(render: Render, role: str, connector: str) -> None:
    values = nested("global.kvTransfer.connector", connector)
    assert flags(render, role, values)["disaggregation-transfer-backend"] == connector


def test_aggregated_workers_transfer_nothing(render: Render) -> None:
    found = flags(render, "decode", nested("global.serving", "aggregated"))
    assert [flag for flag in found if flag.startswith("disaggregation")] == []


@pytest.mark.parametrize(("mode", "publishers"), [("kv", {"prefill"}), ("round-robin", set())])
def test_workers_that_the_router_indexes_publish_events(
    render: Render, role: str, mode: str, publishers: set[str]
) -> None:
    found = flags(render, role, nested("global.router.mode", mode))
    assert ("kv-events-config" in found) == (role in publishers)
    if role in publishers:
        # SGLang's flag takes JSON text, not a YAML map.
        assert isinstance(found["kv-events-config"], str)
        assert json.loads(found["kv-events-config"])["publisher"] == "zmq"


def test_aggregated_workers_publish_events(render: Render) -> None:
    assert "kv-events-config" in flags(render, "decode", nested("global.serving", "aggregated"))


DEEPEP = {"normal_dispatch": {"num_sms": 128, "chunks": [1, 2.5]}, "normal_combine": {"num_sms": 128}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        (1000000, 1000000),
        (0.95, 0.95),
        (0, 0),
        ("fp8", "fp8"),
        ("1e6", "1e6"),
        ("0123", "0123"),
        ("yes", "yes"),
        ("", ""),
        ("it's: {odd}\n# text", "it's: {odd}\n# text"),
        (["a", 1], ["a", 1]),
    ],
    ids=repr,
)
def test_values_arrive_as_they_were_typed(render: Render, role: str, value: Any, expected: Any) -> None:
    found = flags(render, role, {role: {"engineArgs": {"x": value}}})["x"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("value", [DEEPEP, {"text": "it's"}, {}], ids=["deepep", "quote", "empty"])
def test_a_map_arrives_as_json_text(render: Render, role: str, value: Any) -> None:
    found = flags(render, role, {"global": {"engine": {"args": {"deepep-config": value}}}})["deepep-config"]
    assert isinstance(found, str)
    assert json.loads(found) == value


def test_a_roles_flag_wins_over_the_shared_one(render: Render, role: str) -> None:
    shared = {"global": {"engine": {"args": {"disable-cuda-graph": True, "a": 1}}}}
    found = flags(render, role, merged(shared, {role: {"engineArgs": {"disable-cuda-graph": False}}}))
    assert found["disable-cuda-graph"] is False
    assert found["a"] == 1


def test_raw_arguments_stay_on_the_command_line(render: Render, role: str) -> None:
    assert engine(render, role, {role: {"extraArgs": ["--last", "a b"]}}).args()[-2:] == ["--last", "a b"]


def test_the_side_channel_is_the_pod_ip(render: Render, role: str) -> None:
    variables = engine(render, role).env()
    assert variables["SGLANG_HOST_IP"] == {"fieldRef": {"fieldPath": "status.podIP"}}


def test_deepseek_on_a4x(render: Render) -> None:
    manifests = render(None, ["values/a4x-10p8d.yaml"])
    prefill, decode = (
        yaml.safe_load(manifests.one("ConfigMap", component=role)["data"]["engine.yaml"])
        for role in ("prefill", "decode")
    )
    assert (prefill["tp-size"], prefill["dp-size"], prefill["ep-size"]) == (8, 8, 8)
    assert (decode["tp-size"], decode["dp-size"], decode["ep-size"]) == (32, 32, 32)
    assert (prefill["deepep-mode"], decode["deepep-mode"]) == ("normal", "low_latency")
    assert json.loads(prefill["deepep-config"])["normal_dispatch"]["num_sms"] == 128
    assert prefill["model-path"] == "/models/deepseek-ai/DeepSeek-R1"
    assert prefill["max-total-tokens"] == 524288
    assert prefill["disaggregation-transfer-backend"] == "mooncake"
