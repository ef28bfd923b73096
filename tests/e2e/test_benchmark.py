"""The benchmark as a user runs it: Jobs with AIPerf beside simulated releases, from the command line to the page."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.frontend import LABEL, REQUESTS
from hack.base import process
from hack.base.paths import ROOT
from hack.base.process import Done
from hack.base.wait import wait_for
from hack.benchmark.results import load
from hack.chart.manifests import merged
from hack.chart.scenarios import SIMULATE
from hack.cluster import lifecycle
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.cluster.serving import HTTP_PORT
from hack.containers import build_images
from hack.reliability import faults
from tests.e2e.quick import SOON

MODEL = "Qwen/Qwen3-0.6B"
REQUESTED, STREAMS = 24, 4
VALUES: dict[str, Any] = {
    "global": {"simulation": {"enabled": True}},
    **{role: SOON for role in ("prefill", "decode")},
    "benchmark": {
        "image": build_images.loaded("aiperf"),
        "workload": {
            **{"promptTokens": [512], "answerTokens": 16, "concurrencies": [STREAMS], "requests": REQUESTED},
        },
        "limits": {"timeToFirstTokenSeconds": 5, "interTokenLatencySeconds": 0.5},
        "resources": {"requests": {"cpu": "50m", "memory": "512Mi"}},
        "timeoutSeconds": 300,
    },
}


@pytest.fixture(scope="module", autouse=True)
def _aiperf(running: lifecycle.Cluster) -> None:
    """Its image, which no other test needs. A cluster of somebody else (--kubeconfig) has it already."""
    if running.name:
        lifecycle.load(build_images.archives(["aiperf"]), running.name)


class Bench:
    """`python3 -m hack bench` on a namespace, with values in a file."""

    def __init__(self, kube: Kube, namespace: str, folder: Path) -> None:
        self.kube, self.namespace, self.folder = kube, namespace, folder

    def file(self, values: dict[str, Any]) -> Path:
        file = self.folder / "bench.yaml"
        file.write_text(yaml.safe_dump(values))
        return file

    def __call__(self, *arguments: str | Path) -> Done:
        where: list[str | Path] = ["--namespace", self.namespace, "--kubeconfig", self.kube.kubeconfig]
        return process.run([sys.executable, "-m", "hack", "bench", *arguments, *where], cwd=ROOT, timeout=540)


@pytest.fixture
def bench(kube: Kube, namespace: str, tmp_path: Path, release: Callable[..., Release]) -> Iterator[Bench]:
    """What `bench run` leaves for `bench fetch` is gone before the release is asked what it leaves: hence `release`."""
    yield Bench(kube, namespace, tmp_path)
    where = ["--namespace", namespace, "delete", "--ignore-not-found"]
    kube.kubectl(*where, "job,service,configmap", "demo-benchmark")


def counted(release: Release) -> Counter[str]:
    """Requests by their status, of all frontends."""
    total: Counter[str] = Counter()
    for pod in release.kube.pods(release.namespace, instance=release.name, component="frontend"):
        text = release.kube.pod(release.namespace, pod.metadata.name, HTTP_PORT, "metrics", timeout=10).text
        for labels, number in REQUESTS.findall(text):
            of = dict(LABEL.findall(labels))
            total[of["error_type"] or of["status"]] += round(float(number))
    return total


def test_two_arms_of_one_values_file(bench: Bench, kube: Kube) -> None:
    out = bench.folder / "arms"
    names = ("disaggregated", "aggregated")
    done = bench("arms", "-f", bench.file(VALUES), *(f"--arm={name}" for name in names), "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    results = [load(out / name) for name in names]
    assert [result.shape for result in results] == ["1 prefill of 1 GPU, 1 decode of 1 GPU", "2 decode of 1 GPU"]
    wait_for("each arm is removed, with its Job", lambda: kube.pods(bench.namespace), lambda left: not left, 60)

    again = process.run(
        [sys.executable, "-m", "hack", "bench", "compare", *(out / name for name in names), "--out", out / "again"]
    )
    assert again.returncode == 0, again.stderr
    for said, folder in ((done.stdout, out), (again.stdout, out / "again")):
        page = (folder / "index.html").read_text()
        for text in (said, page):
            assert "Disaggregate: " in text
            assert "Simulated: the times are those of Dynamo's mocker" in text.replace("&#x27;", "'")
        assert (folder / "prompt-512.png").read_bytes().startswith(b"\x89PNG")
        assert page.count("data:image/png;base64,") == 1


def test_a_run_and_what_breaks_one(bench: Bench, release: Callable[..., Release]) -> None:
    demo = release()
    demo.install(merged(VALUES, {"frontend": {"migrationLimit": 0}}), files=[SIMULATE])
    before = counted(demo)
    done = bench("run", demo.name, "--out", bench.folder / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    result = load(bench.folder / "run")
    (point,) = result.document["points"]
    assert (point["requests"], point["failed"], point["problems"]) == (REQUESTED, 0, [])
    # The warm-up's are answers too: as many as streams.
    assert counted(demo) - before == {"success": REQUESTED + STREAMS}

    done = bench("fetch", demo.name, "--out", bench.folder / "fetched")
    assert done.returncode == 0, done.stderr
    assert load(bench.folder / "fetched").document == result.document

    load_of_a_minute = {"promptTokens": [64], "answerTokens": 300, "concurrencies": [8], "requests": 200}
    file = bench.file({"benchmark": {"workload": load_of_a_minute}})
    killer = threading.Thread(target=kill_decode, args=[demo])
    killer.start()
    done = bench("run", demo.name, "-f", file, "--out", bench.folder / "broken")
    killer.join()
    assert done.returncode == 1, done.stdout
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(
        f"error: Job demo-benchmark in namespace {demo.namespace}: the figures cannot be trusted: "
    )
    assert "answers came without usage, so they were broken off" in sentence


def kill_decode(release: Release) -> None:
    """In the middle of the answers; the first eight are the warm-up's."""
    before = counted(release)["success"]
    wait_for("the load has begun", lambda: counted(release)["success"], lambda now: now > before + 8, 240, 0.5)
    faults.kill(release, "decode")
