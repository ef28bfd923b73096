"""Make a values file for a target: replicas and GPUs of both roles, and why.

From what was measured of one worker (docs/sizing.md): S, the prompt tokens/s at which one prefill worker is full, and
T, the answer tokens/s of one decode worker at a token rate that is accepted. For a model and machine of which the
project has no figures, give your own.
"""

from pathlib import Path

import click
import yaml

from hack.base.log import Table, UserError, aside
from hack.benchmark import sizing
from hack.benchmark.sizing import Sizing, Target, Worker
from hack.chart.machines import load_machine
from hack.verbs.cli import NEW_FILE, Positive, examples

POSITIVE = Positive()
TOKENS = click.IntRange(min=1)
HEAD = "# {rate:.4g} requests/s of {prompt} / {answer} tokens, by `hack size`: docs/sizing.md\n"


def measured(
    model: str, machine: str, own: dict[str, float | None], worker_gpus: int | None, engine: str | None
) -> Worker:
    """The project's figures of a worker, or those of the command line. Raises UserError."""
    given = {name: value for name, value in own.items() if value is not None}
    if {"prefill_rate", "decode_rate"} <= given.keys():
        load_machine(machine)
        itl = given.get("decode_itl")
        if itl is None:
            raise UserError("--decode-itl: say at which seconds between two tokens --decode-rate was measured")
        rates = (given["prefill_rate"], given["decode_rate"], itl, itl)
        return Worker(*rates, gpus=worker_gpus or 1, engine=engine or "vllm", kv_bytes=int(given.get("kv_bytes", 0)))
    if given or worker_gpus:
        raise UserError("--prefill-rate and --decode-rate: own figures are given together, both of the same worker")
    known = sizing.known(model, machine)
    if engine not in (None, known.engine):
        raise UserError(f"--engine {engine}: the figures of {model} are those of {known.engine}: give your own")
    return known


def show(made: Sizing) -> None:
    """The reasoning, beside the values file that may go to standard output."""
    table = Table("", "", "", show_header=False)
    for row in sizing.reasons(made):
        table.add_row(*row)
    aside.print(table)
    w, t = made.worker, made.target
    if w.kv_gbps and t.rate * t.prompt * w.kv_bytes > w.kv_gbps * 1e9:
        aside.print("The KV traffic is more than one pair of workers was measured to move: check it with `helm test`.")


@click.command(
    short_help="Make a values file for a target of requests, tokens and times.",
    help=__doc__,
    epilog=examples(
        "size --model meta-llama/Llama-3.1-8B --machine gke-a3ultra --isl 8192 --osl 200 --rate 12 --out mine.yaml",
        "size --model meta-llama/Llama-3.1-8B --machine gke-a3ultra --isl 8192 --osl 200 --gpus 8 --ttft 1",
        "size --model my/model --machine nvidia --isl 4000 --osl 500 --rate 5 --prefill-rate 20000 --decode-rate 4000 "
        "--decode-itl 0.012",
    ),
)
@click.option("--model", required=True, help="As global.model.name.")
@click.option("--machine", required=True, help="As global.hardware.")
@click.option("--isl", type=TOKENS, required=True, help="Tokens of a prompt, without what a prefix cache saves.")
@click.option("--osl", type=TOKENS, required=True, help="Tokens of an answer.")
@click.option("--rate", type=POSITIVE, help="Requests/s at the peak.")
@click.option("--gpus", type=click.IntRange(min=1), help="Instead of --rate: what these GPUs take.")
@click.option("--ttft", type=POSITIVE, help="Seconds to the first token, on the average.")
@click.option("--itl", type=POSITIVE, help="Seconds between two tokens.")
@click.option("--prefill-rate", type=POSITIVE, help="Your S: prompt tokens/s of one prefill worker.")
@click.option("--decode-rate", type=POSITIVE, help="Your T: answer tokens/s of one decode worker.")
@click.option("--decode-itl", type=POSITIVE, help="Seconds between two tokens at which T was measured.")
@click.option("--worker-gpus", type=click.IntRange(min=1), help="GPUs of one worker.", show_default="1")
@click.option("--kv-bytes", type=TOKENS, help="Bytes of KV cache of one token, for the traffic.")
@click.option(
    "--engine", type=click.Choice(["vllm", "sglang", "trtllm"]), help="With own figures.", show_default="vllm"
)
@click.option("--out", type=NEW_FILE, help="The values file.", show_default="printed")
def command(
    model: str,
    machine: str,
    isl: int,
    osl: int,
    rate: float | None,
    gpus: int | None,
    ttft: float | None,
    itl: float | None,
    worker_gpus: int | None,
    engine: str | None,
    out: Path | None,
    **own: float | None,
) -> None:
    if (rate is None) == (gpus is None):
        raise UserError("--rate or --gpus: give one of them")
    worker = measured(model, machine, own, worker_gpus, engine)
    target = Target(isl, osl, rate or 0, ttft or 0, itl or 0)
    made = sizing.fill(gpus, target, worker) if gpus else sizing.size(target, worker)
    show(made)
    head = HEAD.format(rate=made.target.rate, prompt=isl, answer=osl)
    text = head + yaml.safe_dump(sizing.values(made, model, machine), sort_keys=False)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)
        aside.print(f"written to {out}: judge it with `hack validate {out}`")
    else:
        print(text, end="")
