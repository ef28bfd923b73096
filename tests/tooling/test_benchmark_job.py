"""The Job as kubectl and Helm show it: its result fetched, and every state that is no result as one sentence."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from benchmark import frontend
from benchmark.plan import FailedError
from hack.base.log import UserError
from hack.base.step import Step
from hack.benchmark import job
from hack.benchmark.arms import ARMS, arm_values, objects, plan
from hack.benchmark.job import Place
from hack.benchmark.results import load
from hack.chart.scenarios import BENCHMARK
from tests.tooling.test_benchmark import PLAN, TOGETHER

IMAGE: dict[str, Any] = {"benchmark": BENCHMARK}


def done(stdout: str = "", stderr: str = "", code: int = 0) -> CompletedProcess[str]:
    return CompletedProcess([], code, stdout, stderr)


class Cluster:
    """What kubectl and Helm answer; `calls` are what they were asked."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.conditions: list[dict[str, str]] = [{"type": "Complete", "status": "True"}]
        self.log = f"a table\nbenchmark-result {json.dumps(TOGETHER)}\n"
        self.calls: list[str] = []
        self.applied = ""
        self.pod: dict[str, Any] = {}

    def kubectl(self, _place: Place, *arguments: str, stdin: str | None = None) -> CompletedProcess[str]:
        self.calls.append(" ".join(arguments[:2]))
        if arguments[0] == "apply":
            self.applied = stdin or ""
        if arguments[:2] == ("get", "pods"):
            return done(json.dumps({"items": [{"status": self.pod}]}))
        if arguments[0] == "get":
            return done(json.dumps({"status": {"conditions": self.conditions}}))
        return done(self.log if arguments[0] == "logs" else "")

    def helm(self, _place: Place, *arguments: str, timeout: float = 0) -> CompletedProcess[str]:
        self.calls.append(" ".join(arguments[:2]))
        return done(json.dumps(self.values))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(Place, "kubectl", lambda *a, **k: made.kubectl(*a, **k))
    monkeypatch.setattr(Place, "helm", lambda *a, **k: made.helm(*a, **k))
    return made


def measured(folder: Path, **values: Any) -> None:
    job.measure(Place("llm"), "demo", IMAGE | values, folder, Step("bench"))


def test_a_run(cluster: Cluster, tmp_path: Path) -> None:
    cluster.values = {"decode": {"replicas": 2}}
    measured(tmp_path / "a")
    assert load(tmp_path / "a").document == TOGETHER
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"result.json", "job.log", "values.yaml"}
    assert cluster.calls.index("delete job") < cluster.calls.index("apply --filename=-")
    assert 'replicas\\":2' in cluster.applied.replace(" ", "") or '"replicas":2' in cluster.applied.replace(" ", "")


@pytest.mark.parametrize(
    ("pod", "says"),
    [
        (
            {"conditions": [{"status": "False", "reason": "Unschedulable", "message": "0/3 nodes: Insufficient cpu"}]},
            "Unschedulable: 0/3 nodes: Insufficient cpu",
        ),
        (
            {
                "conditions": [{"status": "False", "reason": "ContainersNotReady", "message": "not ready"}],
                "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}],
            },
            "ErrImagePull: not found",
        ),
        ({"containerStatuses": [{"state": {"running": {}}}]}, "no output yet"),
    ],
    ids=["no node", "no image", "it runs"],
)
def test_a_pod_that_waits_says_why(cluster: Cluster, pod: dict[str, Any], says: str) -> None:
    cluster.conditions, cluster.log, cluster.pod = [], "", pod
    assert job._state(Place("llm"), "demo-benchmark") == ("running", says)


@pytest.mark.parametrize(
    ("names", "name"),
    [({}, "demo-benchmark"), ({"nameOverride": "a"}, "demo-a-benchmark"), ({"fullnameOverride": "b"}, "b-benchmark")],
    ids=str,
)
def test_the_jobs_name_is_the_charts(names: dict[str, str], name: str) -> None:
    values = {"global": names, "benchmark": BENCHMARK}
    assert job.component("demo", values) == name
    assert [made["metadata"]["name"] for made in objects([], values, "demo", "llm") if made["kind"] == "Job"] == [name]


def test_a_closed_release_is_asked_to_let_it_in(cluster: Cluster, tmp_path: Path) -> None:
    cluster.values = {"networkPolicy": {"enabled": True}}
    with pytest.raises(UserError, match=r"networkPolicy.enabled: release demo lets no benchmark in"):
        measured(tmp_path / "a")
    cluster.values = {"networkPolicy": {"enabled": True, "clients": [{"podSelector": {}}]}, "benchmark": BENCHMARK}
    measured(tmp_path / "b")


def test_another_name(cluster: Cluster, tmp_path: Path) -> None:
    cluster.values = {"global": {"nameOverride": "llm"}}
    measured(tmp_path / "a")
    assert "name: demo-llm-benchmark" in cluster.applied
    cluster.calls.clear()
    job.fetch(Place("llm"), "demo", tmp_path / "b")
    assert "logs job/demo-llm-benchmark" in cluster.calls


def test_a_job_that_failed_says_why(cluster: Cluster, tmp_path: Path) -> None:
    cluster.conditions = [{"type": "Failed", "status": "True"}]
    cluster.log += "FAIL: the figures cannot be trusted: 1 requests failed\n"
    with pytest.raises(
        UserError, match="Job demo-benchmark in namespace llm: the figures cannot be trusted: 1 requests"
    ):
        job.fetch(Place("llm"), "demo", tmp_path / "a")
    assert (tmp_path / "a" / "result.json").exists(), "nothing is lost"
    cluster.log = "starting\n"
    with pytest.raises(UserError, match="the run broke off:\n  starting"):
        job.fetch(Place("llm"), "demo", tmp_path / "b")
    assert not (tmp_path / "b" / "result.json").exists()


def test_a_job_that_runs_is_not_fetched(cluster: Cluster, tmp_path: Path) -> None:
    cluster.conditions, cluster.log = [], "8192  8\n"
    with pytest.raises(UserError, match=r"Job demo-benchmark in namespace llm still runs \(8192  8\)"):
        job.fetch(Place("llm"), "demo", tmp_path / "a")


def test_no_job_and_no_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Place, "kubectl", lambda *_a, **_k: done(stderr="Error (NotFound)", code=1))
    monkeypatch.setattr(Place, "helm", lambda *_a, **_k: done(stderr="Error: release: not found", code=1))
    with pytest.raises(UserError, match="there is no Job demo-benchmark in namespace llm: `hack bench run` makes one"):
        job.fetch(Place("llm"), "demo", tmp_path / "a")
    with pytest.raises(UserError, match="release demo in namespace llm cannot be read: Error: release: not found"):
        measured(tmp_path / "b")


def test_a_cluster_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    attempt = 'E1130 13:52:20.520437   10531 memcache.go:265] "Unhandled Error" err="couldn\'t get current server"\n'
    refused = "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?"
    monkeypatch.setattr(Place, "kubectl", lambda *_a, **_k: done(stderr=5 * attempt + refused + "\n", code=1))
    monkeypatch.setattr(Place, "helm", lambda *_a, **_k: done(stderr="Error: kubernetes cluster unreachable", code=1))
    with pytest.raises(UserError) as raised:
        job.fetch(Place("llm"), "demo", tmp_path / "a")
    assert str(raised.value) == f"Job demo-benchmark in namespace llm cannot be read: {refused}"


def test_a_release_that_is_there_is_not_taken_for_an_arm(cluster: Cluster) -> None:
    with pytest.raises(UserError, match="release bench is in namespace llm already"):
        job.refuse_present(Place("llm"), "bench")
    assert cluster.calls == ["status bench"]


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_every_arm_has_the_same_gpus(engine: str) -> None:
    given = IMAGE | {"global": {"engine": {"name": engine}}, "prefill": {"replicas": 3}}
    totals = set()
    for name in ARMS:
        values = arm_values([], name, given)
        pools = plan(objects([], values, "demo", "default"))["pools"]
        totals.add(sum(pool["replicas"] * pool["gpus"] for pool in pools.values()))
        assert ("prefill" in pools) == (name == "disaggregated")
    assert totals == {4}


def test_gpus_that_make_no_whole_worker() -> None:
    given = IMAGE | {"prefill": {"replicas": 1}, "decode": {"parallelism": {"tensor": 2}}}
    with pytest.raises(UserError, match="3 GPUs do not make whole aggregated workers of decode's 2"):
        arm_values([], "aggregated", given)


def test_the_aggregated_arm_leaves_out_what_is_about_a_cache_that_moves() -> None:
    moving = {"leaseSeconds": 60, "onLoadFailure": "recompute", "extraConfig": {"kv_buffer_size": 1000000000}}
    given = {
        "benchmark": {"image": {"repository": "a", "tag": "b"}},
        "global": {"kvTransfer": moving},
        "test": {"transport": {"minGBps": 2}},
    }
    assert plan(objects([], arm_values([], "aggregated", given), "demo", "llm"))["pools"].keys() == {"decode"}


METRICS = """
dynamo_frontend_requests_total{error_type="",model="m",status="success"} 7
dynamo_frontend_requests_total{error_type="overload",model="m",status="error"} 2
dynamo_frontend_requests_total{error_type="",model="other",status="success"} 9
"""


@pytest.fixture
def port() -> Iterator[int]:
    class Frontend(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Frontend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def test_every_frontend_is_counted(port: int) -> None:
    """Here one address; a headless Service has one for each."""
    made = PLAN.__class__(**{**PLAN.__dict__, "frontends": f"127.0.0.1:{port}"})
    assert frontend.counted(made) == {"success": 7, "overload": 2}
    gone = PLAN.__class__(**{**PLAN.__dict__, "frontends": "demo-benchmark.invalid:8000"})
    with pytest.raises(FailedError, match=r"Service demo-benchmark.invalid has no ready frontend"):
        frontend.counted(gone)
