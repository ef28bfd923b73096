"""The values files as a set: short, each machine type used, the same with and without a fabric."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hack import machines
from hack.paths import ROOT
from tests.conftest import Render
from tests.harness.manifests import Manifests, Object, nested
from tests.harness.scenarios import NAMED, VALUES_FILES

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


# TKE: RDMA by choice of the machine type


def without_fabric(manifests: Manifests) -> list[Object]:
    """The objects without what the preset tke-h20-rdma says under rdma; each part must be there."""
    definition = machines.DEFINITION.match((machines.HARDWARE_FOLDER / "_tke-h20-rdma.tpl").read_text().strip())
    assert definition
    fabric = yaml.safe_load(definition["body"])["rdma"]
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
    return manifests.objects


@pytest.mark.parametrize("file", TKE)
def test_tke_without_rdma_differs_in_the_fabric_only(render: Render, file: str) -> None:
    with_rdma = render(None, [file])
    without: Any = render(nested("global.hardware", "tke-h20"), [file])
    assert with_rdma.objects != without.objects
    assert without_fabric(with_rdma) == without.objects


def test_there_are_two_tke_scenarios() -> None:
    assert len(TKE) == 2
