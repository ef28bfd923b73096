"""global.kvTransfer: what each engine is told about the way of the KV cache."""

import json
from typing import Any

import pytest
import yaml

from hack.chart.manifests import Object, nested
from hack.chart.render import Render


def transfer(**settings: Any) -> Object:
    return {"global": {"kvTransfer": settings}}


def vllm(render: Render, role: str, **settings: Any) -> dict[str, Any]:
    """The KVTransferConfig that a role's vLLM gets."""
    flag = render(transfer(**settings)).pod(role).container("engine").flag("kv-transfer-config")
    config: dict[str, Any] = json.loads(flag or "")
    return config


def test_vllm_takes_several_backends(render: Render, role: str) -> None:
    config = vllm(render, role, backends=["LIBFABRIC", "UCX"])
    assert config["kv_connector_extra_config"]["backends"] == ["LIBFABRIC", "UCX"]


def test_vllm_recomputes_what_did_not_arrive_if_told(render: Render, role: str) -> None:
    assert vllm(render, role, onLoadFailure="recompute")["kv_load_failure_policy"] == "recompute"


def test_a_lease_is_a_whole_number(render: Render, role: str) -> None:
    flag = render(transfer(leaseSeconds=120)).pod(role).container("engine").flag("kv-transfer-config")
    assert flag
    assert '"kv_lease_duration":120,' in flag.replace("}", ",")


def test_extra_settings_are_merged_over_the_charts(render: Render, role: str) -> None:
    extra = {"kv_buffer_device": "cpu", "kv_connector_extra_config": {"num_threads": 8}}
    config = vllm(render, role, extraConfig=extra)
    assert config["kv_buffer_device"] == "cpu"
    assert config["kv_connector_extra_config"] == {"backends": ["UCX"], "kv_lease_duration": 30, "num_threads": 8}


def test_mooncake_has_neither_backends_nor_leases(render: Render, role: str) -> None:
    config = vllm(render, role, connector="mooncake")
    assert config["kv_connector"] == "MooncakeConnector"
    assert "kv_connector_extra_config" not in config


@pytest.mark.parametrize("ranks", [1, 2])
def test_vllms_prefill_tells_where_mooncake_asks_for_its_pod(ranks: int, render: Render) -> None:
    """By itself it tells decode 127.0.0.1 (mooncake_connector.py:2349)."""
    parallelism = {"tensor": 1, "data": ranks, "expert": ranks}
    values = {"global": {"kvTransfer": {"connector": "mooncake"}}, "prefill": {"parallelism": parallelism}}
    manifests = render(values | {"decode": {"parallelism": parallelism}})
    prefill, decode = (manifests.pod(role).container("engine") for role in ("prefill", "decode"))
    assert prefill.env()["VLLM_DP_MASTER_IP"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert prefill.flag("data-parallel-address") == (None if ranks == 1 else "$(POD_IP)")
    assert (decode.flag("data-parallel-address"), "VLLM_DP_MASTER_IP" in decode.env()) == (None, False)
    assert "VLLM_DP_MASTER_IP" not in render().pod("prefill").container("engine").env()


def test_offload_stands_beside_the_transfer(render: Render, role: str) -> None:
    host = {"kv_connector": "OffloadingConnector", "kv_connector_extra_config": {"cpu_bytes_to_use": 17179869184}}
    config = vllm(render, role, offloadConnectors=[host])
    assert (config["kv_connector"], config["kv_role"]) == ("MultiConnector", "kv_both")
    moves, keeps = config["kv_connector_extra_config"]["connectors"]
    assert moves["kv_connector"] == "NixlConnector"
    assert moves["kv_role"] == {"prefill": "kv_producer", "decode": "kv_consumer"}[role]
    assert keeps == {**host, "kv_role": "kv_both"}


def test_dynamos_own_offload_has_its_own_wrapper(render: Render, role: str) -> None:
    """ai-dynamo 1.6.1 looks for NixlConnector and DynamoConnector inside a PdConnector only (dynamo/vllm/args.py)."""
    kvbm = {"kv_connector": "DynamoConnector", "kv_connector_module_path": "kvbm.vllm_integration.connector"}
    config = vllm(render, role, offloadConnectors=[kvbm])
    assert config["kv_connector"] == "PdConnector"
    assert config["kv_connector_module_path"] == "kvbm.vllm_integration.connector"


@pytest.mark.parametrize("number", [1, 2])
def test_aggregated_workers_offload_without_a_transfer(number: int, render: Render) -> None:
    keeps = [{"kv_connector": f"Connector{index}"} for index in range(number)]
    values = {"global": {"serving": "aggregated", "kvTransfer": {"offloadConnectors": keeps}}}
    config = json.loads(render(values).pod("decode").container("engine").flag("kv-transfer-config") or "")
    both = [{**connector, "kv_role": "kv_both"} for connector in keeps]
    several = {"kv_connector": "MultiConnector", "kv_role": "kv_both"}
    assert config == (both[0] if number == 1 else {**several, "kv_connector_extra_config": {"connectors": both}})
    plain = render({"global": {"serving": "aggregated"}}).pod("decode").container("engine")
    assert plain.flag("kv-transfer-config") is None


def test_sglang_reads_the_backend_from_its_environment(render: Render, role: str) -> None:
    values = {
        "global": {
            "engine": {"name": "sglang"},
            "kvTransfer": {"backends": ["LIBFABRIC"], "extraConfig": {"num_threads": "8"}},
        }
    }
    variables = render(values).pod(role).container("engine").env()
    assert variables["SGLANG_DISAGGREGATION_NIXL_BACKEND"] == "LIBFABRIC"
    assert json.loads(str(variables["SGLANG_DISAGGREGATION_NIXL_BACKEND_PARAMS"])) == {"num_threads": "8"}


def test_trtllm_moves_it_with_nixl_or_ucx(render: Render, role: str) -> None:
    for connector in ("nixl", "ucx", "default"):
        manifests = render({"global": {"engine": {"name": "trtllm"}, "kvTransfer": {"connector": connector}}})
        content = yaml.safe_load(manifests.one("ConfigMap", component=role)["data"]["engine.yaml"])
        assert content["cache_transceiver_config"]["backend"] == connector.upper()
        variables = manifests.pod(role).container("engine").env()
        assert variables.get("TRTLLM_NIXL_KVCACHE_BACKEND") == ("UCX" if connector == "nixl" else None)


def test_aggregated_workers_transfer_nothing(render: Render) -> None:
    for engine in ("vllm", "sglang", "trtllm"):
        values = {"global": {"engine": {"name": engine}, "serving": "aggregated"}}
        variables = render(values).pod("decode").container("engine").env()
        assert not [name for name in variables if "NIXL_BACKEND" in name or "KVCACHE_BACKEND" in name]
    assert (
        render(nested("global.serving", "aggregated")).pod("decode").container("engine").flag("kv-transfer-config")
        is None
    )
