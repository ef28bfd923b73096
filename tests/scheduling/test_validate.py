"""hack/verbs/validate.py asks the real scheduler where a test cluster runs."""

import time
from pathlib import Path

import yaml

from hack.base.paths import ROOT
from hack.cluster.lifecycle import Cluster
from hack.kwok.site import SECONDS
from hack.verbs import validate

A3U = ROOT / "values" / "a3u-multi.yaml"


def test_a_release_that_is_placed(running: Cluster) -> None:
    report = validate.validate([A3U], running.kubeconfig)
    assert report.problems == []
    assert report.done["scheduler"] == "3 pods were placed on 4 KWOK nodes"


def test_a_pod_that_only_the_scheduler_knows_it_cannot_place(running: Cluster, tmp_path: Path) -> None:
    spread = {"maxSkew": 1, "topologyKey": "none/such", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"decode": {"topologySpreadConstraints": [spread]}}))
    began = time.monotonic()
    report = validate.validate([A3U, mine], running.kubeconfig)
    assert time.monotonic() - began < SECONDS, "it does not wait for what will not come"
    ((by, message),) = report.problems
    assert by == "scheduler"
    assert message.startswith("demo-decode-")
    assert "topology spread constraints" in message
    assert report.done["scheduler"] == "1 of 3 pods were not placed"
