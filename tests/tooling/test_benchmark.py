"""What makes figures untrustworthy, what a result folder must have, and the words that follow from numbers."""

import copy
import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmark import judge
from benchmark import load as load_point
from benchmark.plan import FailedError, Plan, Workload
from hack.base.log import UserError
from hack.benchmark import report
from hack.benchmark.results import Result, load, named
from hack.benchmark.verdict import verdict
from hack.verbs import cli

PLAN = Plan(
    model="m",
    url="http://x",
    frontends="",
    tokenizer="m",
    workload=Workload("sizing", [100], 10, [2], 4, 0),
    ttft_ms=200,
    itl_ms=20,
    pools={"decode": {"replicas": 1, "gpus": 1}},
    engine="vllm",
    simulated=True,
    wait_seconds=1,
)


def record(number: int, phase: str = "profiling", **metrics: float) -> dict[str, Any]:
    """As AIPerf 0.13 writes it."""
    values: dict[str, Any] = {
        **{"time_to_first_token": 100.0, "inter_token_latency": 10.0, "inter_chunk_latency": [9.0, 11.0]},
        **{"usage_prompt_tokens": 100, "usage_completion_tokens": 10, "usage_prompt_cache_read_tokens": 0},
        **metrics,
    }
    named = {name: {"value": value} for name, value in values.items() if value is not None}
    return {"metadata": {"phase_kind": phase, "conversation_id": f"{phase}-{number}"}, "metrics": named}


def records() -> list[dict[str, Any]]:
    return [record(0, "warmup"), record(1, "warmup"), *(record(number) for number in range(4))]


def judged(made: list[dict[str, Any]], **counted: int) -> dict[str, Any]:
    summary = {"benchmark_duration": {"avg": 2.0}, "is_complete": True}
    return judge.point(PLAN, 100, 2, made, summary, Counter(counted))


def test_what_aiperf_is_told() -> None:
    """Each prompt once, the warm-up's too; a shared prefix is part of the prompt's length."""
    given = load_point.arguments(PLAN, 100, 2, 7, Path("a"))
    told = dict(pairwise(given))
    assert (told["--request-count"], told["--warmup-request-count"], told["--num-dataset-entries"]) == ("4", "2", "6")
    assert (told["--isl"], told["--extra-inputs"], told["--dataset-sampling-strategy"]) == (
        *("100", "ignore_eos:true"),
        "sequential",
    )
    assert "--num-prefix-prompts" not in given
    shared = replace(PLAN, workload=replace(PLAN.workload, shared_prefix_tokens=60))
    given = load_point.arguments(shared, 100, 2, 7, Path("a"))
    told = dict(pairwise(given))
    assert (told["--isl"], told["--num-prefix-prompts"], told["--prefix-prompt-length"]) == ("40", "1", "60")


def test_every_pair_of_workers_warms_up() -> None:
    pools = {"prefill": {"replicas": 5, "gpus": 1}, "decode": {"replicas": 8, "gpus": 1}}
    assert replace(PLAN, pools=pools).warmup(4) == 80
    assert PLAN.warmup(2000) == 32


def test_a_good_point() -> None:
    point = judged(records(), success=6)
    assert point["problems"] == []
    assert (point["requests"], point["failed"], point["requests_per_second"]) == (4, 0, 2)
    assert point["ttft_ms"] == {"p50": 100, "p99": 100}
    assert point["gap_ms"] == {"p50": 11, "p99": 11}


def test_requests_within_the_limits() -> None:
    made = [*records()[:4], record(2, time_to_first_token=201), record(3, inter_token_latency=20.1)]
    point = judged(made, success=6)
    assert (point["requests_per_second"], point["good_per_second"]) == (2, 1)


def broken() -> list[dict[str, Any]]:
    return [*records()[:5], record(3, usage_completion_tokens=None)]  # type: ignore[arg-type]


def test_an_answer_without_usage_has_failed() -> None:
    """AIPerf takes it for a good one: findings/aiperf-counts-broken-streams-as-answers.sh."""
    point = judged(broken(), success=5, internal=1)
    assert (point["failed"], point["without_usage"], point["requests_per_second"]) == (1, 1, 1.5)
    assert [p.partition(",")[0] for p in point["problems"]] == ["1 answers came without usage"]


@pytest.mark.parametrize(
    ("made", "counted", "says"),
    [
        (records()[:5], {"success": 5}, "AIPerf measured 3 of 4 requests"),
        (records(), {"success": 9}, "the frontends counted 9 answers and AIPerf 6: has it another client"),
        (records(), {"success": 5}, "the frontends counted 5 answers and AIPerf 6"),
        (records(), {"success": 6, "overload": 2}, "other outcomes that AIPerf did not see: 2 overload"),
        ([*records()[:5], record(3) | {"error": {"code": 503}}], {"success": 5}, "1 requests failed (1 x 503)"),
        ([*records()[:5], record(3, usage_completion_tokens=4)], {"success": 6}, "1 answers have not the 10 tokens"),
        ([*records()[:5], record(2)], {"success": 6}, "1 prompts were asked twice"),
        (
            [*records()[:5], record(3, usage_prompt_cache_read_tokens=50)],
            {"success": 6},
            "12% of the prompts came from a prefix cache",
        ),
    ],
)
def test_why_figures_cannot_be_trusted(made: list[dict[str, Any]], counted: dict[str, int], says: str) -> None:
    (problem,) = judged(made, **counted)["problems"]
    assert says in problem


@pytest.mark.parametrize("name", ["time_to_first_token", "inter_token_latency", "inter_chunk_latency"])
def test_a_time_of_another_name_is_not_0(name: str) -> None:
    """Else every answer would be in time."""
    made = [*records()[:2], *(record(n, **{name: None}) for n in range(4))]  # type: ignore[arg-type]
    (problem,) = judged(made, success=6)["problems"]
    assert problem == f"AIPerf of an unknown version gives no {name}: benchmark.image must have AIPerf 0.13"


def test_one_token_has_no_time_between_tokens() -> None:
    one = {"usage_completion_tokens": 1, "inter_token_latency": None, "inter_chunk_latency": None}
    plan = replace(PLAN, workload=replace(PLAN.workload, answer_tokens=1))
    made = [record(n, "warmup" if n < 2 else "profiling", **one) for n in range(6)]  # type: ignore[arg-type]
    assert judge.point(plan, 100, 2, made, {"benchmark_duration": {"avg": 2.0}}, Counter(success=6))["problems"] == []


def test_records_of_another_aiperf() -> None:
    made = [{"metadata": {"benchmark_phase": "profiling"}, "metrics": {}}]
    with pytest.raises(FailedError, match=r"AIPerf 0\.3\.0 writes other records .*must have AIPerf 0\.13"):
        judge.point(PLAN, 100, 2, made, {"aiperf_version": "0.3.0"}, Counter())


def test_every_request_failed() -> None:
    """AIPerf has no duration then."""
    made = [record(n) | {"error": {"code": 500}} for n in range(4)]
    point = judge.point(PLAN, 100, 2, made, {}, Counter(internal=4))
    assert point["requests_per_second"] == point["good_per_second"] == 0
    assert point["problems"] == ["4 requests failed (4 x 500)"]


def document(pools: dict[str, int], *points: tuple[int, int, float, float, float, float]) -> dict[str, Any]:
    """A result; a point is prompt, streams, requests/s, those within the limits, and TTFT and TPOT at p99."""
    return {
        **{"schema": 1, "started": "2026-11-29T10:00:00+00:00", "aiperf": "0.13.0", "model": "m", "engine": "vllm"},
        **{"simulated": False, "limits": {"ttft_ms": 2000, "itl_ms": 20}, "seed": 1},
        "pools": {role: {"replicas": count, "gpus": 1} for role, count in pools.items()},
        "workload": {"name": "sizing", "shared_prefix_tokens": 0},
        "points": [
            {
                **{"prompt_tokens": prompt, "answer_tokens": 200, "concurrency": streams, "requests": 128, "failed": 0},
                **{"requests_per_second": rate, "good_per_second": good, "problems": []},
                **{"ttft_ms": {"p50": ttft / 2, "p99": ttft}, "tpot_ms": {"p50": tpot / 2, "p99": tpot}},
                "gap_ms": {"p50": 7, "p99": 2 * tpot},
            }
            for prompt, streams, rate, good, ttft, tpot in points
        ],
    }


# Two H200 with vLLM 0.23 at 8,192 tokens; what was within the limits is invented.
APART = document({"prefill": 1, "decode": 1}, (8192, 8, 3.95, 3.95, 1759, 6.9), (8192, 32, 4.46, 0.5, 6835, 6.9))
TOGETHER = document({"decode": 2}, (8192, 8, 3.99, 3.2, 868, 24.5), (8192, 32, 6.17, 1.0, 3554, 24.5))


def written(folder: Path, made: dict[str, Any]) -> Result:
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(made))
    return load(folder)


def pair(tmp_path: Path, apart: dict[str, Any] = APART, together: dict[str, Any] = TOGETHER) -> list[Result]:
    return [written(tmp_path / "disaggregated", apart), written(tmp_path / "aggregated", together)]


def test_the_verdict_is_yes(tmp_path: Path) -> None:
    assert verdict(pair(tmp_path)) == [
        "Disaggregate: yes, for prompts of 8192 tokens at these limits.",
        "Prompts of 8192 tokens, within TTFT 2 s and 20 ms a token: disaggregated answers 3.95 requests/s at 8 "
        "streams, aggregated answers 3.20 requests/s at 8 streams, which is 23% more for disaggregated.",
        "At 32 streams disaggregated has a TTFT p99 of 6.8 s: prefill is short, so give it more workers for each of "
        "decode's than 1:1.",
        "At 32 streams aggregated has a TTFT p99 of 3.6 s and a TPOT p99 of 24.5 ms: every prompt stops the answers of "
        "its worker.",
    ]


def test_the_verdict_has_a_length(tmp_path: Path) -> None:
    """Short prompts gain nothing; a difference as small as between two runs is none."""
    short = [(1000, 8, 7.18, 7.18, 100, 7.9), (2000, 8, 6.1, 6.1, 100, 7.9)]
    apart, together = (copy.deepcopy(d) for d in (APART, TOGETHER))
    apart["points"] += document({}, *short)["points"]
    together["points"] += document({}, (1000, 8, 8.89, 8.89, 90, 6.5), (2000, 8, 6.0, 6.0, 90, 6.5))["points"]
    said = verdict(pair(tmp_path, apart, together))
    assert said[0] == "Disaggregate: yes for prompts of 8192 tokens and more, no for those of 2000 and less."
    assert "which is 19% less for disaggregated" in said[1]
    assert "may take more than 8 streams: more were not measured" in said[2]
    assert any("2% is no difference, and one pool is simpler" in sentence for sentence in said)


def test_the_verdict_is_no_where_no_arm_keeps_the_limits(tmp_path: Path) -> None:
    apart, together = (copy.deepcopy(d) for d in (APART, TOGETHER))
    for point in apart["points"] + together["points"]:
        point["good_per_second"] = 0
    said = verdict(pair(tmp_path, apart, together))
    assert said[0] == "Disaggregate: no."
    assert "disaggregated keeps them at no load measured, aggregated keeps them at no load measured" in said[1]


def test_other_gpus_are_compared_for_each(tmp_path: Path) -> None:
    apart = copy.deepcopy(APART)
    apart["pools"]["prefill"]["replicas"] = 3
    said = verdict(pair(tmp_path, apart))
    assert said[0] == "Disaggregate: no."
    assert "3.95 requests/s (0.99 for each of 4 GPUs)" in said[1]


def test_simulated_figures_say_so(tmp_path: Path) -> None:
    results = pair(tmp_path, APART | {"simulated": True}, TOGETHER | {"simulated": True})
    assert verdict(results)[-1].startswith("Simulated: ")
    page = report.write(results, tmp_path / "out").read_text()
    assert page.count("Simulated: ") == 1
    assert page.index("<p class=simulated>Simulated: ") < page.index("Disaggregate: "), "before any figure"


def test_the_page_needs_no_other_file(tmp_path: Path) -> None:
    file = report.write(pair(tmp_path), tmp_path / "out")
    text = file.read_text()
    assert {path.name for path in file.parent.iterdir()} == {"index.html", "prompt-8192.png"}
    assert text.count("data:image/png;base64,") == 1
    assert "src='http" not in text
    assert "href" not in text
    assert "Disaggregate: yes" in text
    assert text.count("class=over") == 4


def changed(**values: Any) -> dict[str, Any]:
    return TOGETHER | values


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (changed(limits={"ttft_ms": 1, "itl_ms": 20}), "have another limits"),
        (changed(model="n"), "have another model: m and n"),
        (changed(engine="sglang"), "have another engine"),
        (changed(aiperf="0.12.0"), "have another AIPerf: 0.13.0 and 0.12.0"),
        (changed(workload={"name": "a", "shared_prefix_tokens": 5}), "have another shared prefix: 0 and 5"),
        (changed(simulated=True), "one is simulated"),
        (changed(points=TOGETHER["points"][:1]), ""),
        (document({"decode": 2}, (1000, 8, 1, 1, 1, 1)), "have no load in common"),
    ],
)
def test_what_cannot_be_compared(other: dict[str, Any], says: str, tmp_path: Path) -> None:
    results = pair(tmp_path, together=other)
    if not says:
        assert verdict(results)
        return
    with pytest.raises(UserError, match=says):
        verdict(results)


def test_folders_that_are_no_result(tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.mkdir()
    (half / "result.json.part").write_text("{}")
    cases: dict[str, Any] = {
        "has no result.json, so its run did not end": None,
        "is not whole": json.dumps(TOGETHER)[:-40],
        "has schema 2": json.dumps(TOGETHER | {"schema": 2}),
        "has no points": json.dumps(TOGETHER | {"points": []}),
        "figures cannot be trusted: 8192 tokens, 8 streams: why": json.dumps(
            TOGETHER | {"points": [TOGETHER["points"][0] | {"problems": ["why"]}]}
        ),
    }
    for says, text in cases.items():
        if text:
            (half / "result.json").write_text(text)
        with pytest.raises(UserError, match=says):
            load(half)
    with pytest.raises(UserError, match="there is no such folder"):
        load(tmp_path / "none")


POINT = TOGETHER["points"][0]


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        *((name, None, rf"KeyError: '{name}'") for name in ("started", "aiperf", "model", "engine", "simulated")),
        ("limits", {}, "KeyError: 'ttft_ms'"),
        ("workload", "sizing", "TypeError"),
        ("pools", {}, "no worker of decode"),
        ("pools", {"prefill": {"replicas": 1, "gpus": 1}}, "no worker of decode"),
        ("pools", {"decode": {"replicas": 0, "gpus": 1}}, "no worker of decode"),
        ("points", [POINT, POINT], "two points of one load"),
        ("points", [POINT | {"concurrency": "8"}], "concurrency is '8'"),
        ("points", [POINT | {"requests_per_second": -1}], "requests_per_second is -1"),
        ("points", [POINT | {"gap_ms": {"p50": 1, "p99": float("nan")}}], "gap_ms.p99 is nan"),
    ],
)
def test_what_is_read_later_is_there(path: str, value: Any, says: str, tmp_path: Path) -> None:
    made = TOGETHER | {path: value}
    if value is None:
        del made[path]
    with pytest.raises(UserError, match=rf"is not whole \(.*{says}.*\): run it again"):
        written(tmp_path / "other", made)


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [tmp_path / when / "aggregated" for when in ("before", "after")]
    for folder in folders:
        folder.parent.mkdir()
        written(folder, TOGETHER)
    results = named([load(folder) for folder in folders], folders)
    assert [result.name for result in results] == ["before/aggregated", "after/aggregated"]
    assert "aggregated is named twice" in asked("compare", str(folders[0]), str(folders[0]))


def test_an_arm_that_was_asked_less_is_named(tmp_path: Path) -> None:
    said = verdict(pair(tmp_path, together=TOGETHER | {"points": TOGETHER["points"][1:]}))
    assert said[2] == "aggregated was not measured at 8 streams."


def asked(*arguments: str) -> str:
    """What a command line that must fail says."""
    with pytest.raises(UserError) as caught:
        CliRunner().invoke(cli.program, ["bench", *arguments], catch_exceptions=False, standalone_mode=False)
    return str(caught.value)


def test_command_lines_that_cannot_do() -> None:
    assert "alone is no comparison" in asked("compare", "a")
    assert "there is no such folder" in asked("compare", "a", "b")
    assert "write ARM=URL, with one of the arms disaggregated" in asked("arms", "--url", "http://x")
    assert "write ARM=URL" in asked("arms", "--url", "aggregated=x:8000")
    assert "--arm aggregated: it has no --url" in asked(
        "arms", "--arm", "aggregated", "--url", "disaggregated=http://x"
    )
    assert "--url x:8000: write it with http://" in asked("run", "--url", "x:8000")
    assert "--aiperf ': No closing quotation" in asked("run", "--url", "http://x", "--aiperf", "'")
    aggregated = "values/a3u-guide-baseline.yaml"
    assert "global.serving: the arms are made of disaggregated values" in asked("arms", "-f", aggregated)
