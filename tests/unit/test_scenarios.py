"""The values files as a set: short, each machine type used, the same with and without a fabric."""

import copy
from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.chart import machines
from hack.chart.manifests import Manifests, Object, nested
from hack.chart.render import Render
from hack.chart.renderer import Renderer
from hack.chart.scenarios import NAMED, VALUES_FILES, content

LONGEST = 80
# Machine types that no values file names, with the test that uses them.
TESTED_ONLY = {
    "nvidia": "tests/unit/test_hardware.py",  # the default, and the base of a machine of one's own
    "tke-h20": "tests/unit/test_scenarios.py",  # what the tke-h20 scenarios are switched to where there is no RDMA
}
TKE = [file for file in VALUES_FILES if file.startswith("values/tke-h20-")]


@pytest.mark.parametrize("file", VALUES_FILES)
def test_a_values_file_is_short(file: str) -> None:
    """What repeats belongs into the machine type or the defaults."""
    lines = (ROOT / file).read_text().splitlines()
    assert len(lines) <= LONGEST, f"{file} has {len(lines)} lines"


def test_every_machine_type_is_used() -> None:
    named = {s.effective["global"]["hardware"] for s in NAMED if s.files}
    assert named | set(TESTED_ONLY) == set(machines.names())
    assert not named & set(TESTED_ONLY), "a values file uses it now: remove it from TESTED_ONLY"
    for machine, file in TESTED_ONLY.items():
        assert f'"{machine}"' in (ROOT / file).read_text(), f"{file} does not use {machine}"


# Of the models whose scenarios leave the context to them.
CONTEXTS = {
    "meta-llama/Llama-3.3-70B-Instruct": 131072,
    "meta-llama/Meta-Llama-3.1-70B-Instruct": 131072,
    "Qwen/Qwen3-0.6B": 40960,
}


@pytest.mark.parametrize("file", VALUES_FILES)
def test_the_longest_prompt_ends_before_its_answer_is_moved(file: str, render_fast: Renderer) -> None:
    """As the notes warn where the context is typed (templates/validate/_outages.tpl)."""
    values = content(file)
    model = values["global"]["model"]["name"]
    if model in CONTEXTS:
        engine = values["global"]["engine"]
        typed = {"max-model-len": CONTEXTS[model]} | engine.get("args", {})
        values["global"]["engine"] = engine | {"args": typed}
    assert "would be moved and computed again" not in render_fast(values).notes


# TKE: RDMA by choice of the machine type


def without_fabric(manifests: Manifests) -> list[Object]:
    """The objects without what the preset tke-h20-rdma says under rdma; each part must be there."""
    fabric = machines.preset("tke-h20-rdma")["rdma"]
    for role in ("prefill", "decode"):
        pod = manifests.pod(role)
        for name in fabric["podAnnotations"]:
            del pod.metadata["annotations"][name]
        if not pod.metadata["annotations"]:
            del pod.metadata["annotations"]
        container = pod.container().spec
        for name in fabric["extendedResources"]:
            del container["resources"]["requests"][name]
            del container["resources"]["limits"][name]
        present = {e["name"] for e in container["env"]}
        assert fabric["env"].keys() <= present
        container["env"] = [e for e in container["env"] if e["name"] not in fabric["env"]]
        assert container["securityContext"]["capabilities"].pop("add") == fabric["capabilities"]
        pod.spec["securityContext"] |= {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000}
    return list(manifests)


def plan(item: Object) -> bool:
    """Whether an object says what `helm test` is to prove."""
    return item["kind"] == "ConfigMap" and bool(item["metadata"]["name"].endswith("-verify"))


@pytest.mark.parametrize("file", TKE)
def test_tke_without_rdma_differs_in_the_fabric_only(render: Render, file: str) -> None:
    with_rdma = render(None, [file])
    without: Any = render(nested("global.hardware", "tke-h20"), [file])
    assert with_rdma != without
    # What `helm test` accepts as the KV cache's speed follows the fabric too.
    assert [item for item in without_fabric(with_rdma) if not plan(item)] == [
        item for item in without if not plan(item)
    ]


def test_there_are_two_tke_scenarios() -> None:
    assert len(TKE) == 2


# A4X and A4X Max: the same job, and another way for the KV cache

# Settings of Mooncake over NVLink, which A4X Max's NIXL does not read.
MOONCAKE = ("SGLANG_MOONCAKE_CUSTOM_MEM_POOL", "MC_FORCE_MNNVL", "MC_TE_METRIC")


@pytest.mark.parametrize("topology", ["1p1d", "10p8d"])
def test_a4xmax_differs_from_a4x_in_the_transport_only(topology: str) -> None:
    """Helm lays whole files over each other, and a scenario is one file: so the two repeat each other."""
    expected = copy.deepcopy(content(f"values/a4x-{topology}.yaml"))
    expected["global"] |= {"hardware": "gke-a4xmax", "kvTransfer": {"connector": "nixl"}}
    for role in ("prefill", "decode"):
        for name in MOONCAKE:
            # Below a YAML anchor both roles have one and the same map.
            expected[role]["env"].pop(name, None)
    if topology == "1p1d":
        del expected["decode"]["engineArgs"]["enable-symm-mem"]
    assert content(f"values/a4xmax-{topology}.yaml") == expected
