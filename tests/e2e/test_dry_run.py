"""The API server itself accepts every object of every values file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hack.base.paths import ROOT
from hack.base.wait import wait_for
from hack.chart import crds
from hack.chart import render as chart
from hack.chart.manifests import Object
from hack.chart.scenarios import ALL, SIMULATE
from hack.cluster.kube import Kube
from tests.clusterfixtures import new_namespace

# Kinds that this cluster does not have. LeaderWorkerSets have a test of their own; tests/policy checks the others.
ELSEWHERE = {"ComputeDomain", "DisaggregatedSet", "HTTPRoute", "LeaderWorkerSet"}


@pytest.mark.parametrize("simulated", [False, True], ids=["real", "simulated"])
@pytest.mark.parametrize("file", sorted((ROOT / "values").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_api_server_accepts_every_object(file: Path, simulated: bool, kube: Kube, place: str) -> None:
    objects = chart.render(files=[file, SIMULATE] if simulated else [file], namespace=place)
    accepted(kube, [item for item in objects if item["kind"] not in ELSEWHERE])


@pytest.fixture(scope="module")
def place(kube: Kube) -> Iterator[str]:
    """A namespace in which nothing is stored."""
    with new_namespace(kube) as name:
        yield name


def test_the_api_server_accepts_leader_worker_sets(kube: Kube, leader_worker_sets: None) -> None:
    found = {s.name: s.render().all("LeaderWorkerSet") for s in ALL}
    with_groups = {name for name, items in found.items() if items}
    assert {name.removesuffix("+simulate") for name in with_groups} == {
        "a4x-10p8d",
        "a4xmax-10p8d",
        "trtllm-lws",
        "vllm-wide-ep",
    }
    accepted(kube, [item for items in found.values() for item in items])
    sets = [item for s in ALL for item in s.render().all("DisaggregatedSet")]
    assert len(sets) == 2, "of the feature, and simulated"
    accepted(kube, sets)


@pytest.fixture(scope="module")
def leader_worker_sets(kube: Kube) -> Iterator[None]:
    """The definitions of its kinds in the cluster."""
    with defined(kube, "leaderworkersets"), defined(kube, "disaggregatedsets"):
        yield


@contextmanager
def defined(kube: Kube, plural: str) -> Iterator[None]:
    """A definition, unless somebody installed it; the controller with its webhooks is not there."""
    file = crds.leader_worker_set(plural)
    if kube.kubectl("get", "crd", f"{plural}.{file.name.split('_')[0]}", "--ignore-not-found", "--output=name"):
        yield
        return
    kube.kubectl("apply", "--server-side", f"--filename={file}")
    try:
        # Not `kubectl wait`: it fails on a definition that has no conditions yet.
        established = "jsonpath={.status.conditions[?(@.type=='Established')].status}"
        look = ("get", f"--filename={file}", f"--output={established}")
        wait_for(f"{plural} are defined", lambda: kube.kubectl(*look), lambda status: status == "True", 90)
        yield
    finally:
        kube.kubectl("delete", f"--filename={file}")


def accepted(kube: Kube, objects: list[Object]) -> None:
    """The API server would store every one of these objects."""
    # JSON: PyYAML writes the text y without quotes, and the client reads true.
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    lines = kube.kubectl("apply", "--dry-run=server", "--server-side", "--filename=-", stdin=text).splitlines()
    assert len(lines) == len(objects), lines
