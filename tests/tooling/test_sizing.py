"""`hack size`: the example of docs/sizing.md, what it cannot do, and its values files."""

import re
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.yamlfile import parse, read_yaml
from hack.benchmark import sizing
from hack.benchmark.sizing import Target, Worker
from hack.chart import machines
from hack.verbs import cli, validate

LLAMA = ("--model", "meta-llama/Llama-3.1-8B", "--machine", "gke-a3ultra")
LENGTHS = ("--isl", "8192", "--osl", "200")
# Of the page's example, by the first column.
ROWS = {
    "prompt tokens/s": "98,304",
    "prefill workers": "4",
    "answer tokens/s": "2,400",
    "decode workers": "1",
    "streams at a time": "15",
    "their KV cache": "16.5 GB",
    "KV traffic": "12.9 GB/s of the 68 between two pods",
}


def run(*arguments: str) -> str:
    """What it prints, of both kinds."""
    done = CliRunner().invoke(cli.program, ["size", *arguments], catch_exceptions=False, standalone_mode=False)
    return done.output


def refused(*arguments: str) -> str:
    with pytest.raises(UserError) as caught:
        run(*arguments)
    return str(caught.value)


def test_the_example_of_the_page() -> None:
    worker = sizing.known("meta-llama/Llama-3.1-8B", "gke-a3ultra")
    made = sizing.size(Target(8192, 200, 12), worker)
    assert (made.prefill, made.decode) == (4, 1)
    told = {what: number for what, _, number in sizing.reasons(made)}
    assert {what: told[what] for what in ROWS} == ROWS
    page = (ROOT / "docs" / "sizing.md").read_text()
    example = page.partition("### Example")[2].partition("\n## ")[0]
    shown = {cells[1]: cells[3] for line in example.splitlines() if len(cells := re.split(r"\s*\|\s*", line)) > 4}
    assert {what: shown[what] for what in ROWS} == ROWS | {
        "KV traffic": "12.9 GB/s of the 68 GB/s measured between two pods"
    }


def test_standard_output_is_the_values_file() -> None:
    done = CliRunner().invoke(cli.program, ["size", *LLAMA, *LENGTHS, "--rate", "12"], standalone_mode=False)
    assert parse(done.stdout)["prefill"]["replicas"] == 4
    assert "98,304 / (0.7 x 38,700) = 3.6" in done.stderr


def test_the_values_file_is_right(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    run(*LLAMA, *LENGTHS, "--rate", "12", "--out", str(file))
    values = read_yaml(file)
    assert (values["prefill"]["replicas"], values["decode"]["replicas"]) == (4, 1)
    assert validate.validate([file]).problems == []


def test_own_figures_and_their_values_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    own = ("--prefill-rate", "20000", "--decode-rate", "4000", "--decode-itl", "0.012", "--worker-gpus", "2")
    lengths = ("--isl", "4000", "--osl", "500", "--rate", "5", "--out", str(file))
    run("--model", "my/model", "--machine", "aks-nc-h100", *own, *lengths, "--engine", "sglang")
    values = read_yaml(file)
    assert values["global"]["engine"]["name"] == "sglang"
    assert values["prefill"] == {"replicas": 2, "parallelism": {"tensor": 2}}
    assert values["decode"] == {"replicas": 1, "parallelism": {"tensor": 2}}
    assert validate.validate([file]).problems == []


def test_gpus_instead_of_a_rate() -> None:
    worker = sizing.known("meta-llama/Llama-3.1-8B", "gke-a3ultra")
    made = sizing.fill(8, Target(8192, 200, 0), worker)
    assert (made.prefill, made.decode) == (6, 2)
    assert made.target.rate == pytest.approx(0.7 * 6 * 38700 / 8192)
    even = sizing.fill(8, Target(1000, 1000, 0), worker)
    assert (even.prefill, even.decode) == (1, 7)


def test_a_short_ttft_takes_more_workers_or_fewer_requests() -> None:
    worker = Worker(prefill_rate=10_000, decode_rate=5_000, decode_itl=0.01, itl=0.01)
    least = sizing.size(Target(5000, 100, 1), worker)
    assert (least.prefill, least.ttft > 0.55) == (1, True)
    faster = sizing.size(Target(5000, 100, 1, ttft=0.55), worker)
    assert faster.prefill > least.prefill
    assert faster.ttft <= 0.55
    many, few = (sizing.fill(4, Target(5000, 100, 0, ttft=ttft), worker) for ttft in (5, 0.52))
    assert few.target.rate < many.target.rate
    assert few.prefill + few.decode == 4


@pytest.mark.parametrize("ttft", [1.01, 1.2, 2.0])
@pytest.mark.parametrize(("prompt", "answer"), [(500, 200), (2000, 230), (8192, 50), (1000, 1000)])
def test_no_other_shape_of_the_gpus_takes_more_within_the_limit(prompt: int, answer: int, ttft: float) -> None:
    worker = sizing.known("meta-llama/Llama-3.1-8B", "gke-a3ultra")
    target = Target(prompt, answer, 0, ttft=ttft * prompt / worker.prefill_rate)
    made = sizing.fill(8, target, worker)
    assert made.ttft <= target.ttft
    assert made.target.rate <= 0.7 * made.full_rate + 1e-9
    for prefill in range(1, 8):
        other = sizing.Sizing(replace(target, rate=1.02 * made.target.rate), worker, prefill, 8 - prefill)
        assert other.ttft > target.ttft or other.target.rate > 0.7 * other.full_rate


def test_a_number_that_the_rate_does_not_give_has_its_reason() -> None:
    worker = sizing.known("meta-llama/Llama-3.1-8B", "gke-a3ultra")
    how = {what: text for what, text, _ in sizing.reasons(sizing.size(Target(8192, 200, 1, ttft=0.212), worker))}
    assert how["prefill workers"] == "8,192 / (0.7 x 38,700) = 0.3, more for a TTFT of 0.212 s"


def test_a_full_queue_is_endless() -> None:
    assert sizing.queue(1, 0.5) == pytest.approx(0.5)
    assert sizing.queue(4, 0.5) < sizing.queue(2, 0.5) < 0.5
    assert sizing.queue(1, 1.0) == float("inf")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("--model", "a/b", "--machine", "gke-a3ultra", "--rate", "1"),
            "nothing was measured of a/b on gke-a3ultra (known",
        ),
        (("--model", "a/b", "--machine", "gke-a3", "--rate", "1"), 'unknown machine "gke-a3", did you mean'),
        ((*LLAMA,), "--rate or --gpus: give one of them"),
        ((*LLAMA, "--rate", "1", "--gpus", "8"), "--rate or --gpus: give one of them"),
        ((*LLAMA, "--gpus", "1"), "--gpus 1: a prefill and a decode worker need 2"),
        ((*LLAMA, "--rate", "1", "--ttft", "0.2"), "one prompt of 8192 tokens alone takes 0.21 s"),
        ((*LLAMA, "--rate", "1", "--itl", "0.005"), "4870 answer tokens/s were measured at 0.0056 s a token"),
        ((*LLAMA, "--gpus", "8", "--itl", "0.005"), "4870 answer tokens/s were measured at 0.0056 s a token"),
        ((*LLAMA, "--rate", "1e300"), "--rate 1e+300: it takes more than 10,000 workers of a role"),
        ((*LLAMA, "--gpus", "1000000000"), "that is more than 10,000 workers"),
        ((*LLAMA, "--rate", "1", "--engine", "sglang"), "--engine sglang: the figures of meta-llama/Llama-3.1-8B are"),
        ((*LLAMA, "--rate", "1", "--prefill-rate", "5"), "own figures are given together"),
        ((*LLAMA, "--rate", "1", "--worker-gpus", "2"), "own figures are given together"),
        ((*LLAMA, "--rate", "1", "--prefill-rate", "5", "--decode-rate", "5"), "--decode-itl: say at which"),
    ],
)
def test_what_it_cannot_size(arguments: tuple[str, ...], says: str) -> None:
    assert says in refused(*arguments, *LENGTHS)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0"])
@pytest.mark.parametrize(
    "option", ["--rate", "--ttft", "--itl", "--prefill-rate", "--decode-rate", "--decode-itl", "--kv-bytes"]
)
def test_an_amount_is_a_number_above_nothing(option: str, text: str) -> None:
    with pytest.raises(click.BadParameter):
        run(*LLAMA, *LENGTHS, option, text)


def test_the_measured_machines_are_all_presets_with_this_gpu() -> None:
    (entry,) = parse(sizing.MEASURED.read_text())
    assert set(entry["machines"]) == {
        name for name in machines.names() if re.search(r"\bH200 141 GB", machines.load_machine(name).description)
    }
