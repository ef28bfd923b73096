"""The API server itself accepts every object of every values file."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

import pytest
import yaml
from pytest_helm_charts.k8s.fixtures import NamespaceFactoryFunc

from hack.paths import ROOT, TOOLS_BIN
from tests.harness import chart
from tests.harness.kube import Kube

SIMULATE = ROOT / "values" / "overlays" / "simulate.yaml"
# Kinds of APIs that this cluster does not have; tests/policy checks them against their CRDs.
ELSEWHERE = {"ComputeDomain", "HTTPRoute", "LeaderWorkerSet"}


@pytest.mark.parametrize("simulated", [False, True], ids=["real", "simulated"])
@pytest.mark.parametrize("file", sorted((ROOT / "values").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_api_server_accepts_every_object(
    file: Path, simulated: bool, kube: Kube, namespace_factory: NamespaceFactoryFunc
) -> None:
    namespace = f"dry-{secrets.token_hex(3)}"
    namespace_factory(namespace)
    objects = chart.render(files=[file, SIMULATE] if simulated else [file], namespace=namespace)
    known = [item for item in objects if item["kind"] not in ELSEWHERE]
    command = [str(TOOLS_BIN / "kubectl"), "--kubeconfig", str(kube.kubeconfig)]
    done = subprocess.run(
        [*command, "apply", "--dry-run=server", "--server-side", "--filename=-"],
        input=yaml.safe_dump_all(known),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(known), done.stdout
