"""Prefill and decode are twins: what differs between them is listed here, and nothing else differs."""

import json
import re
from typing import Any

import pytest

from hack.chart.manifests import Object, merged
from hack.chart.render import Render

# Engine flags that only one of the roles has, and why.
LAUNCHER = ("/opt/dynamo-disagg/launch.py", "16384")
KV_TRANSFER = "--kv-transfer-config"
ONLY = {"kv-events-config": "the router indexes the caches of prefill workers, decode workers' it does not"}

CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "defaults": ({}, []),
    "a3u-multi": ({}, ["values/a3u-multi.yaml"]),
    "simulated": ({}, ["values/a3u-multi.yaml", "values/overlays/simulate.yaml"]),
    "etcd and nats": (
        {
            "etcd": {"enabled": True},
            "nats": {"enabled": True},
            "global": {"discovery": {"backend": "etcd"}, "requestPlane": "nats", "eventPlane": "nats"},
        },
        [],
    ),
    "many": (
        {
            role: {
                "replicas": 3,
                "parallelism": {"tensor": 4, "data": 2},
                "engineArgs": {"max-model-len": 4096},
                "extraArgs": ["--enforce-eager"],
                "env": {"A": "b"},
                "podLabels": {"a": "b"},
                "podAnnotations": {"a": "b"},
                "volumes": {"data": {"mountPath": "/data", "source": {"emptyDir": {}}}},
                "nodeSelector": {"a": "b"},
            }
            for role in ("prefill", "decode")
        },
        [],
    ),
}


def normalised(objects: list[Object], role: str) -> list[Object]:
    """A role's objects with the role's name, and the flags that only one role has, taken out."""
    result = []
    for item in objects:
        other = {"prefill": "decode", "decode": "prefill"}[role]
        text = json.dumps(item).replace(role, "ROLE").replace(f"{other}-peers", "OTHER-peers")
        neutral = json.loads(text)
        # Old decode workers stay for the prompts of old prefill workers: test_generations.py.
        neutral.get("spec", {}).pop("minReadySeconds", None)
        pod = neutral.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            # The launcher that gives decode engines other process numbers: test_same_node.py.
            if container["command"][1] == LAUNCHER[0]:
                container["command"] = container["command"][3:]
            arguments: list[str] = container["args"]
            if KV_TRANSFER in arguments:
                at = arguments.index(KV_TRANSFER) + 1
                arguments[at] = re.sub(r"kv_(producer|consumer)", "kv_role", arguments[at])
            for flag in ONLY:
                if f"--{flag}" in arguments:
                    at = arguments.index(f"--{flag}")
                    del arguments[at : at + 2]
        result.append(neutral)
    return result


@pytest.mark.parametrize("case", CASES)
def test_the_roles_render_the_same(render: Render, case: str) -> None:
    values, files = CASES[case]
    manifests = render(values, files)
    prefill, decode = manifests.all(component="prefill"), manifests.all(component="decode")
    assert prefill
    assert normalised(prefill, "prefill") == normalised(decode, "decode")


def test_the_declared_differences_exist(render: Render) -> None:
    manifests = render(merged({}, {"global": {"router": {"mode": "kv"}}}))
    prefill, decode = (manifests.pod(r).container("engine") for r in ("prefill", "decode"))
    for flag in ONLY:
        assert (prefill.flag(flag) is None) != (decode.flag(flag) is None), f"{flag} no longer differs"
