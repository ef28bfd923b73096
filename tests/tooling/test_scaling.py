"""What is said of a release whose scalers follow the load, and which scalers they are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.chart import render as chart
from hack.chart.manifests import merged
from hack.containers import build_images
from hack.reliability import scaling_report
from hack.reliability.scaling import SCALED, SIMULATED, Sample, Scaling
from hack.reliability.subject import COMPONENTS
from hack.tools import keda


def phase(rate: float, seconds: float, sent: int, **more: Any) -> dict[str, Any]:
    right = sent - sum(more.get("failed", {}).values())
    counts = {"sent": sent, "right": right, "wrong": 0, "shed": 0, "failed": {}}
    times = {"longest_stall": 0.9, "first_token_p50": 0.2, "first_token_p99": 0.8}
    return {"rate": rate, "seconds": seconds, **counts, **times, **more}


def pods(seconds: float, *counts: int) -> Sample:
    ready = dict(zip(COMPONENTS, counts, strict=True))
    return Sample(seconds, ready, ready, int(seconds), int(seconds))


GOOD = Scaling(
    [phase(1, 10, 10), phase(6, 40, 240), phase(1, 50, 50)],
    [pods(2, 1, 1, 1), pods(9, 1, 1, 1), pods(20, 2, 1, 1), pods(30, 2, 3, 2), pods(48, 2, 3, 3), pods(99, 1, 1, 1)],
    (2, 2),
    (3, 3),
)


def test_a_release_that_followed_its_load() -> None:
    assert GOOD.wrong() == []
    assert [GOOD.pods(number) for number in range(3)] == [
        {"frontend": 1, "prefill": 1, "decode": 1},
        {"frontend": 2, "prefill": 3, "decode": 3},
        {"frontend": 1, "prefill": 1, "decode": 1},
    ]
    assert [GOOD.grown(name) for name in COMPONENTS] == [10, 20, 20]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"phases": [*GOOD.phases[:2], phase(1, 50, 50, failed={"500": 2})]}, "2 requests lost at 1/s"),
        ({"samples": [pods(9, 1, 1, 1), pods(30, 2, 3, 1), pods(99, 1, 1, 1)]}, "decode did not grow"),
        ({"samples": [*GOOD.samples[:-1], pods(99, 1, 2, 1)]}, "prefill did not shrink"),
        ({"taken_over": (2, 1)}, "taking decode over changed 2 pods to 1"),
        ({"upgraded": (3, 1)}, "the upgrade changed 3 pods to 1"),
    ],
)
def test_what_should_not_be_is_said(change: dict[str, Any], said: str) -> None:
    assert replace(GOOD, **change).wrong() == [said]


def test_the_page_says_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_images, "built_here", lambda image: image.name.startswith("keda"))
    before, after = (ROOT / "docs" / "autoscaling.md").read_text(), scaling_report.page(GOOD)
    assert "| 6 | 40 | 240 | 240 | 0 | 0 | 0 | 0.9 s | 0.2 s | 0.8 s | 2 | 3 | 3 |" in after
    assert "one pod more was ready: frontend after 10 s, prefill after 20 s, decode after 20 s." in after
    assert "keda 2.21.0 (built from its Go module), " in after
    assert "metrics-server 0.9.0 (as published), " in after
    assert "(KEDA with the scalers cpu, kubernetes-workload, memory, prometheus only):" in after
    assert before.partition("## Shedding load")[2] == after.partition("## Shedding load")[2]
    monkeypatch.setattr(build_images, "built_here", lambda image: False)
    assert "prometheus 3.16.0 (as published):" in scaling_report.page(GOOD)


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    scaling_report.draw(GOOD, tmp_path / "scaling.png")
    with Image.open(tmp_path / "scaling.png") as picture:
        assert picture.width > 700


class TestKeda:
    def test_it_has_the_scalers_that_the_chart_asks_for(self) -> None:
        values = merged(merged(SIMULATED, SCALED), {"autoscaling": {"prometheusUrl": "http://prometheus:9090"}})
        scaled = chart.render(values, ["values/overlays/simulate.yaml"]).all("ScaledObject")
        assert {trigger["type"] for one in scaled for trigger in one["spec"]["triggers"]} <= set(keda.kept())

    def test_it_has_no_others(self, tmp_path: Path) -> None:
        keda.sources(tmp_path)
        builder = (tmp_path / "pkg" / "scaling" / "scalers_builder.go").read_text()
        assert [match["type"] for match in keda.CASE.finditer(builder)] == keda.kept()
        left = {file.name for file in (tmp_path / "pkg" / "scalers").glob("*.go")}
        assert {"scaler.go", "prometheus_scaler.go"} <= left
        assert "kafka_scaler.go" not in left

    def test_an_unknown_one_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "scalers.txt").write_text("prometheus\npromethea\n")
        monkeypatch.setattr(keda, "KEPT", tmp_path / "scalers.txt")
        with pytest.raises(UserError, match="KEDA has no scaler promethea: correct the name"):
            keda.sources(tmp_path / "sources")
