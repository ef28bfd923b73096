"""The API server itself accepts every object of every values file."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pytest_helm_charts.k8s.fixtures import NamespaceFactoryFunc

from hack.paths import ROOT, TOOLS_BIN
from tests.harness import chart, crds
from tests.harness.kube import Kube
from tests.harness.manifests import Object
from tests.harness.scenarios import ALL, SIMULATE
from tests.harness.wait import wait_for

# Kinds that this cluster does not have. LeaderWorkerSets have a test of their own; tests/policy checks the others.
ELSEWHERE = {"ComputeDomain", "HTTPRoute", "LeaderWorkerSet"}


@pytest.mark.parametrize("simulated", [False, True], ids=["real", "simulated"])
@pytest.mark.parametrize("file", sorted((ROOT / "values").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_api_server_accepts_every_object(
    file: Path, simulated: bool, kube: Kube, namespace_factory: NamespaceFactoryFunc
) -> None:
    namespace = f"dry-{secrets.token_hex(3)}"
    namespace_factory(namespace)
    objects = chart.render(files=[file, SIMULATE] if simulated else [file], namespace=namespace)
    accepted(kube, [item for item in objects if item["kind"] not in ELSEWHERE])


def test_the_api_server_accepts_leader_worker_sets(kube: Kube, leader_worker_sets: None) -> None:
    found = {s.name: s.render().all("LeaderWorkerSet") for s in ALL}
    with_groups = {name for name, items in found.items() if items}
    assert {name.removesuffix("+simulate") for name in with_groups} == {"a4x-10p8d", "a4xmax-10p8d", "trtllm-lws"}
    accepted(kube, [item for items in found.values() for item in items])


@pytest.fixture(scope="module")
def leader_worker_sets(kube: Kube) -> Iterator[None]:
    """Its definition in the cluster, unless somebody installed it; the controller with its webhooks is not there."""
    file = str(crds.leader_worker_set())
    if kubectl(kube, "get", "crd", "leaderworkersets.leaderworkerset.x-k8s.io", "--ignore-not-found", "--output=name"):
        yield
        return
    kubectl(kube, "apply", "--server-side", f"--filename={file}")
    try:
        # Not `kubectl wait`: it fails on a definition that has no conditions yet.
        established = "jsonpath={.status.conditions[?(@.type=='Established')].status}"
        look = ("get", f"--filename={file}", f"--output={established}")
        wait_for("LeaderWorkerSet is defined", lambda: kubectl(kube, *look), lambda status: status == "True", 30)
        yield
    finally:
        kubectl(kube, "delete", f"--filename={file}")


def accepted(kube: Kube, objects: list[Object]) -> None:
    """The API server would store every one of these objects."""
    lines = kubectl(
        kube, "apply", "--dry-run=server", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(objects)
    ).splitlines()
    assert len(lines) == len(objects), lines


def kubectl(kube: Kube, *arguments: str, stdin: str = "") -> str:
    """Run kubectl and return its output; it must succeed."""
    command = [str(TOOLS_BIN / "kubectl"), "--kubeconfig", str(kube.kubeconfig), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
