"""Every verdict of files/verify, on metrics as the engines write them (tests/tooling/data/verify)."""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from verify import __main__ as program
from verify import frontend, pods
from verify.exchange import Exchange
from verify.frontend import Answer
from verify.metrics import Metrics
from verify.plan import FailedError, Plan
from verify.prompts import ANIMALS, COLOURS, FILLER, QUESTION, code_words, names, prompt
from verify.proofs import answers_are_right, broken, cache_moved, decode_only_decoded, proofs, workers_served
from verify.report import passed, table
from verify.speed import Transfer, slowest

DATA = Path(__file__).parent / "data" / "verify"
POOLS = {"prefill": "demo-prefill", "decode": "demo-decode"}
PLAN = Plan(
    release="demo", namespace="llm", model="m", engine="vllm", connector="nixl", simulated=False, url="http://demo",
    pools=POOLS, block_size=128, prompt_tokens=2000, answer_tokens=128, requests=2, require_code_word=False,
    floor=1, floor_set=False, floor_reason="the values promise RDMA", wait_seconds=0,
)  # fmt: skip
SIMULATED = replace(PLAN, engine="mocker", simulated=True)
GOOD = Answer("amber falcon", "stop", 2011, 12, 0.2)
Growth = dict[str, float]


def text(name: str, growth: Growth) -> str:
    """A recorded text with some series higher than they were; a name may have labels behind it, as `name{mode="x"`."""
    lines = (DATA / f"{name}.prom").read_text().splitlines()
    for series, more in growth.items():
        metric, _, label = series.partition("{")
        hits = [i for i, line in enumerate(lines) if line.startswith(metric + "{") and label in line]
        assert hits, f"{name} has no {series}"
        head, value = lines[hits[0]].rsplit(" ", 1)
        lines[hits[0]] = f"{head} {float(value) + more}"
    return "\n".join(lines)


SERVED = "dynamo_component_requests_total"
SECONDS, BYTES = "vllm:nixl_xfer_time_seconds_sum", "vllm:nixl_bytes_transferred_sum"
FETCHED, COMPUTED = (
    f'vllm:prompt_tokens_by_source_total{{source="{s}"' for s in ("external_kv_transfer", "local_compute")
)
# What two thousand tokens of a 70B model at tensor parallelism 8 are in one GPU, over RDMA.
MOVED: Growth = {SERVED: 1, BYTES: 82e6, SECONDS: 0.0154, FETCHED: 2011, COMPUTED: 0}


def seen(
    answer: Answer = GOOD,
    *,
    code: str = "amber falcon",
    engine: str = "vllm",
    prefill: Growth | None = None,
    decode: Growth | None = None,
    addresses: tuple[str, str] = ("10.0.0.1", "10.0.0.2"),
) -> Exchange:
    """One exchange between one prefill and one decode pod, whose counters grew by so much."""
    counted: Growth = {SERVED: 1}
    grown = {"prefill": counted if prefill is None else prefill, "decode": MOVED if decode is None else decode}
    at = dict(zip(POOLS, addresses, strict=True))
    before = {role: {at[role]: Metrics(text(f"{engine}-{role}", {}))} for role in POOLS}
    after = {role: {at[role]: Metrics(text(f"{engine}-{role}", grown[role]))} for role in POOLS}
    return Exchange(code, answer, before, after)


def two(**options: Any) -> list[Exchange]:
    """The exchange that warms up, and another one with another code word."""
    other = replace(GOOD, text="coral otter")
    return [seen(**options), seen(other, code="coral otter", **options)]


def test_everything_right() -> None:
    found = proofs(PLAN, two())
    assert [(p.status, p.name) for p in found] == [
        ("ok", "answer"), ("ok", "workers"), ("ok", "KV transport"), ("ok", "decode"),
    ]  # fmt: skip
    said = table(PLAN, found)
    assert "Release demo in namespace llm: m on vllm, disaggregated" in said
    assert "2 prompts of 2011 tokens, 2 different answers, first token after 0.20 s, 2 with the prompt's" in said
    assert "prefill 10.0.0.1 (2); decode 10.0.0.2 (2)" in said
    assert "5.32 GB/s for each GPU (164 MB in 2 answers), floor 1: the values promise RDMA" in said
    assert "0 of 4022 prompt tokens were computed on decode" in said
    assert said.endswith("OK: 4 proved")
    assert passed(found)


def test_in_simulation_the_rest_is_proved() -> None:
    found = proofs(SIMULATED, two(engine="mocker", decode={SERVED: 1}))
    assert [p.status for p in found] == ["ok", "ok", "sim", "sim"]
    assert table(SIMULATED, found).endswith("OK: 2 proved, 2 simulated")


def test_aggregated_serving_has_one_pool() -> None:
    plan = replace(PLAN, pools={"decode": "demo-decode"})
    found = proofs(plan, two())
    assert [(p.status, p.name) for p in found] == [("ok", "answer"), ("ok", "workers")]
    assert "on vllm, aggregated" in table(plan, found)


def test_every_failure_is_a_line_of_its_own() -> None:
    found = proofs(PLAN, two(decode={**MOVED, SECONDS: 0.164, COMPUTED: 2011, FETCHED: 0}))
    *_, transport, decode = table(PLAN, found).splitlines()
    assert transport.startswith("FAIL: KV transport: 0.50 GB/s")
    assert decode.startswith("FAIL: decode: 4022 of 4022")
    assert not passed(found)


# The answer


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": ""}, "an answer of 12 tokens is empty"),
        ({"text": " \n"}, "an answer of 12 tokens is empty"),
        ({"completion_tokens": 0}, "an answer has no usage (prompt 2011, completion 0 tokens)"),
        ({"prompt_tokens": 0}, "an answer has no usage (prompt 0, completion 12 tokens)"),
        ({"finish_reason": ""}, "an answer has no finish reason: it was cut off"),
        ({"text": "!!!!!!!!!!!!"}, "an answer is one character 12 times, '!!!!!!!!'"),
        ({"text": "a\ufffd\ufffdb\ufffd"}, "an answer is full of replacement characters"),
        ({"error": '{"code": 500}'}, 'the stream broke off with an error, {"code": 500}'),
    ],
)
def test_a_broken_answer_fails(change: dict[str, Any], says: str) -> None:
    found = answers_are_right(PLAN, [seen(), seen(replace(GOOD, **change))])
    assert found.status == "FAIL"
    assert says in found.detail


@pytest.mark.parametrize("whole", ["no", "!!!", "half a character at the end\ufffd", "a b a b a b"])
def test_these_answers_are_whole(whole: str) -> None:
    assert broken(replace(GOOD, text=whole)) == ""


def test_one_answer_to_all_prompts_fails() -> None:
    found = answers_are_right(PLAN, [seen(), seen()])
    assert found.status == "FAIL"
    assert "2 prompts that differ in their first line have one answer, 'amber falcon'" in found.detail


def test_answers_without_their_code_word() -> None:
    wrong = [seen(replace(GOOD, text=t)) for t in ("the river", "an old mill")]
    assert (answers_are_right(PLAN, wrong).status, answers_are_right(SIMULATED, wrong).status) == ("warn", "ok")
    strict = answers_are_right(replace(PLAN, require_code_word=True), wrong)
    assert (strict.status, "0 with the prompt's code word" in strict.detail) == ("FAIL", True)
    assert "test.requireCodeWord=false" in strict.detail
    half = [seen(), wrong[0]]
    assert answers_are_right(PLAN, half).status == "ok"
    assert answers_are_right(replace(PLAN, require_code_word=True), half).status == "FAIL"


def test_prompts_differ_in_their_first_line_only() -> None:
    assert not {*COLOURS, *ANIMALS} & {*FILLER.split(), *QUESTION.lower().split()}
    one, other = (prompt(code, 1500).splitlines() for code in code_words(2))
    assert one[0] != other[0]
    assert one[1:] == other[1:]
    assert len(one[1].split()) == 1500
    assert prompt("amber otter", 10) != prompt("amber otter", 10), "a prefix cache must not have it"
    assert len(set(code_words(100))) == 100
    assert names("The code word is **Amber  Otter**.", "amber otter")
    assert not names("amber falcon", "amber otter")


def event(**content: Any) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n"


def chunk(reason: str | None = None, **delta: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": reason}])


def test_a_stream_is_read() -> None:
    usage = event(choices=[], usage={"prompt_tokens": 9, "completion_tokens": 3})
    lines = [chunk(content="amber"), b"\n", chunk(content=" otter"), chunk("stop"), usage, b"data: [DONE]\n"]
    answer = frontend.read_stream(lines, 0)
    assert (answer.text, answer.finish_reason, answer.error) == ("amber otter", "stop", "")
    assert (answer.prompt_tokens, answer.completion_tokens) == (9, 3)
    assert answer.first_token_seconds > 0
    assert frontend.read_stream([chunk(reasoning_content="hm"), chunk(content="a")], 0).text == "hma"


def test_an_error_in_the_stream_is_kept() -> None:
    """As Dynamo 1.6.1 sends it under HTTP 200 when a worker stops."""
    error = {"message": "Internal server error", "type": "internal_server_error", "code": 500}
    answer = frontend.read_stream([chunk(content="a"), event(error=error), b"data: [DONE]\n"], 0)
    assert "Internal server error" in answer.error
    assert "NaN is no JSON" in frontend.read_stream([b"data: NaN is no JSON\n"], 0).error


# The workers


def test_a_pool_that_did_not_count_the_answer_fails() -> None:
    found = workers_served(PLAN, [seen(), seen(prefill={})])
    assert found.status == "FAIL"
    assert "answer 2 of 2 was counted by no prefill pod; Service demo-prefill has 10.0.0.1" in found.detail
    assert "kubectl -n llm get pods,endpointslices" in found.detail


def test_both_roles_in_one_pod_fail() -> None:
    found = workers_served(PLAN, two(addresses=("10.0.0.1", "10.0.0.1")))
    assert found.status == "FAIL"
    assert "prefill and decode ran in one pod, 10.0.0.1" in found.detail


def test_other_traffic_and_pods_that_come_and_go_do_not_matter() -> None:
    busy = seen(prefill={SERVED: 9}, decode={**MOVED, SERVED: 30})
    late = seen(replace(GOOD, text="x y"))
    late.before["decode"] = {"10.0.0.9": Metrics("")}
    assert workers_served(PLAN, [busy, late]).status == "ok"
    assert decode_only_decoded(PLAN, [busy, late]).status == "ok"


# The transport


def test_a_transfer_below_the_floor_fails() -> None:
    found = cache_moved(PLAN, two(decode={**MOVED, SECONDS: 0.164}))
    assert found.status == "FAIL"
    assert "0.50 GB/s for each GPU (164 MB in 2 answers) is below the floor of 1 GB/s" in found.detail
    assert "run the probe, see the workers' UCX_TLS, UCX_NET_DEVICES and, on one node, process numbers" in found.detail
    assert "test.transport.minGBps=0" in found.detail


@pytest.mark.parametrize(
    ("engine", "role", "recorded", "says"),
    [
        ("vllm", "decode", "vllm-decode", "38.92 GB/s for each GPU (77444 MB"),
        ("vllm", "decode", "vllm-decode-tcp", "0.12 GB/s for each GPU (12952 MB"),
        ("sglang", "prefill", "sglang-prefill", "6.36 GB/s for each GPU (77511 MB"),
    ],
)
def test_what_was_recorded_on_an_h200(engine: str, role: str, recorded: str, says: str) -> None:
    """All transfers of a run as one: cuda_ipc between two pods of one node, and TCP where their numbers were equal."""
    one = seen(engine="mocker", decode={SERVED: 1})
    one.before[role] = one.after[role] = {"10.0.0.3": Metrics((DATA / f"{recorded}.prom").read_text())}
    whole = replace(one, before={**one.before, role: {}})
    found = cache_moved(replace(PLAN, engine=engine), [whole])
    assert (says in found.detail, found.status) == (True, "FAIL" if "tcp" in recorded else "ok"), found.detail


def test_the_floor_decides() -> None:
    slow = two(decode={**MOVED, SECONDS: 0.164})
    none = replace(PLAN, floor=0, floor_reason="the values promise no RDMA")
    assert cache_moved(none, slow).status == "warn"
    assert (
        "0.50 GB/s for each GPU (164 MB in 2 answers), no floor: the values promise no RDMA"
        in cache_moved(none, slow).detail
    )
    assert cache_moved(replace(none, floor_set=True), slow).status == "ok"
    assert cache_moved(replace(PLAN, floor=10), two()).status == "FAIL"


def test_the_first_transfer_between_two_pods_is_not_judged() -> None:
    first, slow = seen(decode={**MOVED, SECONDS: 1.6}), seen(decode={**MOVED, SECONDS: 0.164})
    assert cache_moved(PLAN, [first, seen()]).status == "ok"
    assert cache_moved(PLAN, [seen(), slow]).status == "FAIL"
    elsewhere = seen(addresses=("10.0.0.1", "10.0.0.3"))
    assert cache_moved(PLAN, [first, elsewhere]).status == "ok", "no pair twice: the best of all"


def test_the_slowest_pair_counts() -> None:
    fast, slow = (Transfer(pair, 1e9, s) for pair, s in ((("a", "b"), 0.1), (("a", "c"), 2.0)))
    assert slowest([fast, fast, slow]) == 10
    assert slowest([fast, fast, slow, slow]) == 0.5


def test_no_transfer_fails_whatever_the_floor() -> None:
    for plan in (PLAN, replace(PLAN, floor=0)):
        found = cache_moved(plan, two(decode={SERVED: 1, COMPUTED: 2011}))
        assert found.status == "FAIL"
        assert (
            "2 of 2 answers moved no KV cache, vllm:nixl_bytes_transferred_sum did not grow on decode" in found.detail
        )


def test_a_failed_transfer_fails() -> None:
    found = cache_moved(PLAN, two(decode={**MOVED, "vllm:nixl_num_failed_transfers_total": 1}))
    assert (found.status, "vllm:nixl_num_failed_transfers_total grew by 2 on decode" in found.detail) == ("FAIL", True)


def test_without_metrics_nothing_is_proved() -> None:
    bare = two(engine="mocker", decode={SERVED: 1})
    for prove in (cache_moved, decode_only_decoded):
        found = prove(PLAN, bare)
        assert (found.status, "in the workers' metrics: use an image of Dynamo 1.6.1" in found.detail) == ("FAIL", True)
        assert prove(replace(PLAN, floor=0, floor_set=True), bare).status == "warn"
        asked = prove(replace(PLAN, floor=5, floor_set=True), bare)
        assert (asked.status, "or set test.transport.minGBps=0" in asked.detail) == ("FAIL", True)


def test_mooncake_on_vllm_reports_nothing() -> None:
    plan = replace(PLAN, connector="mooncake")
    found = cache_moved(plan, two())
    assert (found.status, "set global.kvTransfer.connector=nixl" in found.detail) == ("warn", True)
    assert cache_moved(replace(plan, floor_set=True), two()).status == "FAIL"


SGLANG = replace(PLAN, engine="sglang")
SGLANG_PREFILL: Growth = {SERVED: 1, "sglang:kv_transfer_total_mb_sum": 100, "sglang:kv_transfer_latency_ms_sum": 20}
SGLANG_DECODE: Growth = {SERVED: 1, 'sglang:realtime_tokens_total{mode="decode"': 128}


def test_sglang_counts_on_prefill_in_mebibytes() -> None:
    exchanges = two(engine="sglang", prefill=SGLANG_PREFILL, decode=SGLANG_DECODE)
    found = proofs(SGLANG, exchanges)
    assert [p.status for p in found] == ["ok"] * 4
    assert "5.24 GB/s for each GPU (210 MB in 2 answers)" in found[2].detail
    assert found[3].detail == "0 of 4022 prompt tokens were computed on decode"


def test_sglang_that_computes_on_decode_fails() -> None:
    exchanges = two(engine="sglang", prefill=SGLANG_PREFILL, decode=SGLANG_DECODE)
    for item in exchanges:
        (address,) = item.after["decode"]
        line = 'sglang:realtime_tokens_total{mode="prefill_compute",tp_rank="0"} 2011.0\n'
        item.after["decode"][address] = Metrics(text("sglang-decode", SGLANG_DECODE) + "\n" + line)
    exchanges[1].before["decode"]["10.0.0.2"] = Metrics(line)
    assert "2011 of 4022 prompt tokens were computed on decode" in decode_only_decoded(SGLANG, exchanges).detail
    assert decode_only_decoded(SGLANG, exchanges).status == "FAIL"


def test_tensorrt_llm_counts_only_when_asked_to() -> None:
    plan = replace(PLAN, engine="trtllm")
    grown: Growth = {SERVED: 1, "trtllm_kv_transfer_bytes_sum": 82e6, "trtllm_kv_transfer_latency_seconds_sum": 0.0154}
    counted = proofs(plan, two(engine="trtllm", decode=grown))
    assert [p.status for p in counted] == ["ok", "ok", "ok", "warn"]
    assert "trtllm does not report where a prompt's tokens come from" in counted[3].detail
    silent = cache_moved(plan, two(engine="mocker", decode={SERVED: 1}))
    assert silent.status == "warn"
    assert "set global.engine.args.publish-metrics=true" in silent.detail


# Decode


def test_recomputing_fails_and_the_rest_of_a_block_does_not() -> None:
    def proof(computed: float) -> str:
        return decode_only_decoded(PLAN, two(decode={**MOVED, COMPUTED: computed, FETCHED: 2011 - computed})).status

    assert [proof(0), proof(127), proof(201), proof(202), proof(2011)] == ["ok", "ok", "ok", "FAIL", "FAIL"]
    short = replace(PLAN, block_size=1024)
    assert decode_only_decoded(short, two(decode={**MOVED, COMPUTED: 1000})).status == "ok"


# Asking


class Site:
    """A frontend and two pods, in this process; `models`, `ready` and `answers` are what it says."""

    def __init__(self) -> None:
        self.models: list[dict[str, Any]] = [{"id": "m", "context_window": 4096}]
        self.ready: dict[str, Any] = {}
        self.status = 200
        self.counts = dict.fromkeys(POOLS, 0)
        self.asked: list[dict[str, Any]] = []

    def chat(self, body: dict[str, Any]) -> bytes:
        """One answer: the prompt's code word, or an error."""
        self.asked.append(body)
        if self.status != 200:
            return json.dumps({"message": "no", "code": self.status}).encode()
        for role in self.counts:
            self.counts[role] += 1
        words = body["messages"][0]["content"]
        code = re.findall(r"code word is: ([a-z ]+)\.", words)[0]
        usage = {"prompt_tokens": len(words.split()) * 2, "completion_tokens": 2}
        return chunk(content=code) + chunk("stop") + event(choices=[], usage=usage) + b"data: [DONE]\n"

    def metrics(self, role: str) -> bytes:
        """A pod's metrics after so many answers."""
        moved = {name: count * self.counts[role] for name, count in MOVED.items()}
        return text(f"vllm-{role}", moved if role == "decode" else {SERVED: self.counts[role]}).encode()


Reply = Callable[[BaseHTTPRequestHandler], tuple[int, bytes]]


def serve(address: str, port: int, answer: Reply) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((address, port), Handler)
    Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    return server


@contextmanager
def running(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    def ask(request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        if request.path.endswith("/ready"):
            return 200, json.dumps(site.ready).encode()
        if request.path == "/v1/models":
            return 200, json.dumps({"data": site.models}).encode()
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        answer = site.chat(body)
        return site.status, answer

    api = serve("127.0.0.1", 0, ask)
    prefill = serve("127.0.0.2", 0, lambda _: (200, site.metrics("prefill")))
    monkeypatch.setattr(pods, "PORT", prefill.server_port)
    decode = serve("127.0.0.3", prefill.server_port, lambda _: (200, site.metrics("decode")))
    pools = {"prefill": "127.0.0.2", "decode": "127.0.0.3"}
    try:
        yield replace(PLAN, url=f"http://127.0.0.1:{api.server_port}", pools=pools)
    finally:
        for server in (api, prefill, decode):
            server.shutdown()
            server.server_close()


def test_a_whole_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    site = Site()
    with running(site, monkeypatch) as plan:
        assert program.run(plan)
    said = capsys.readouterr().out
    assert "OK: 4 proved" in said
    first, second = (len(body["messages"][0]["content"].split()) for body in site.asked)
    assert first > 1500
    assert abs(second * 2 - 2000) < 100, "the second prompt has the tokens that were asked for"
    assert {(body["temperature"], body["max_tokens"], body["model"]) for body in site.asked} == {(0, 128, "m")}


def test_prompts_fit_into_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    site.models[0]["context_window"] = 1000
    with running(site, monkeypatch) as plan:
        assert program.run(plan)
    assert len(site.asked[1]["messages"][0]["content"].split()) * 2 < 1000 - 128


@pytest.mark.parametrize(
    ("models", "ready", "says"),
    [
        ([{"id": "other"}], {}, "it lists other: set global.model.name to what the workers serve"),
        (
            [],
            {"namespaces": {"a": {"reason": "missing worker types: prefill"}}},
            "missing worker types: prefill: see kubectl",
        ),
        (
            [],
            {"reason": "no namespace has all required worker types live"},
            "no namespace has all required worker types",
        ),
    ],
)
def test_a_model_that_is_not_listed(models: Any, ready: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    site.models, site.ready = models, ready
    with running(site, monkeypatch) as plan, pytest.raises(FailedError, match=r"does not list m after 0 s: ") as error:
        program.run(plan)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("status", "says"),
    [(503, "a role has no ready pod"), (529, "it is overloaded"), (500, "if the prompt of 2000 tokens is too long")],
)
def test_a_refusal_says_what_to_do(status: int, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    site.status = status
    with running(site, monkeypatch) as plan, pytest.raises(FailedError, match=f"HTTP {status}") as error:
        program.run(plan)
    assert says in str(error.value)


def test_nobody_answers() -> None:
    gone = replace(PLAN, url="http://127.0.0.1:9")
    with pytest.raises(FailedError, match=r"Connection refused.*: see the pods of demo-frontend"):
        frontend.wait_for_model(gone)
    with pytest.raises(FailedError, match=r"gave no answer in time"):
        frontend.ask(gone, "hello")
    with pytest.raises(FailedError, match=r"Service no.such.invalid has no ready pod.*component=prefill"):
        pods.snapshot(replace(PLAN, pools={"prefill": "no.such.invalid"}))
    with pytest.raises(FailedError, match=r"the prefill pod 127.0.0.1 shows no metrics"):
        pods.snapshot(replace(PLAN, pools={"prefill": "127.0.0.1"}))


def test_a_pod_that_the_network_lets_through_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = iter([ConnectionRefusedError("refused")])

    def urlopen(*_: object, **__: object) -> io.BytesIO:
        for refusal in refusals:
            raise refusal
        return io.BytesIO(b"a 1")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr("time.sleep", lambda _: None)
    seen = pods.snapshot(replace(PLAN, pools={"prefill": "127.0.0.1"}, wait_seconds=60))
    assert seen["prefill"]["127.0.0.1"].total("a") == 1


def test_metrics_are_summed_by_name_and_labels() -> None:
    metrics = Metrics('# TYPE a counter\na{x="1",y="}\\""} 2\na{x="2"} 1e1\nb 3\n\nbroken')
    assert (metrics.total("a"), metrics.total("a", x="1"), metrics.total("b")) == (12, 2, 3)
    assert (metrics.total("c"), metrics.total("a", x="3")) == (None, None)
