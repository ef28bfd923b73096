"""`bench predict`: whether `hack size` predicts what a benchmark measures, in simulation on a test cluster."""

from datetime import UTC, datetime
from pathlib import Path

import click

from hack.base.log import print_table
from hack.base.paths import ROOT
from hack.base.step import Step
from hack.base.versions import versions
from hack.benchmark import job
from hack.benchmark.prediction import CLOSE, COLUMNS, DECODE, PREFILL, SLOTS, SPEED, VALUES, Load, Outcome, check
from hack.benchmark.results import load
from hack.chart.manifests import merged
from hack.cluster import lifecycle
from hack.cluster.kube import Kube
from hack.cluster.state import default_name, kubeconfig_path
from hack.containers import build_images
from hack.docs.pages import inserted, table
from hack.verbs.benchmarks import new_folder
from hack.verbs.cli import FOLDER

PAGE = ROOT / "docs" / "benchmark.md"
NAMESPACE, RELEASE = "bench-predict", "bench"


@click.command(name="predict")
@click.option("--name", default=default_name, show_default="dynamo-disagg", help="Of a cluster of `make cluster`.")
@click.option("--write", is_flag=True, help="Put the figures, with date and versions, into docs/benchmark.md.")
@click.option("--out", type=FOLDER, show_default="dist/bench/predict-time", help="A folder, with one for each load.")
def predict(name: str, write: bool, out: Path | None) -> int:
    """Compare what `hack size` predicts with what the benchmark measures, in simulation on a test cluster.

    S and T are measured, then two mixes, then S and T again; where these changed, the host was too busy to say
    anything. Exits with 0 if the measured rates are within 15 % of the predicted ones, else with 1.
    """
    Kube.answering(kubeconfig_path(name))
    lifecycle.load(build_images.archives(["aiperf"]), name)
    outcomes = measured(job.Place(NAMESPACE, kubeconfig_path(name)), new_folder(out, "predict"))
    print_table(COLUMNS, [outcome.row for outcome in outcomes])
    if write:
        PAGE.write_text(page(outcomes))
    return int(any(abs(outcome.off) > CLOSE for outcome in outcomes))


def measured(place: job.Place, folder: Path) -> list[Outcome]:
    """The check on a release of its own, by one Job after the other."""
    step = Step("predict")
    values = merged(VALUES, {"benchmark": {"image": build_images.loaded("aiperf")}})
    done: list[str] = []

    def measure(given: Load) -> float:
        done.append(given.name)
        here = folder / f"{len(done)}-{given.name.replace(' ', '-')}"
        job.measure(place, RELEASE, {"benchmark": {"workload": given.workload}}, here, step)
        (point,) = load(here).points
        step.say(f"{given.name}: {point.requests_per_second:.2f} requests/s")
        return point.requests_per_second

    job.refuse_present(place, RELEASE)
    try:
        job.install(place, RELEASE, [], values, step)
        return check(measure)
    finally:
        job.uninstall(place, RELEASE, job.component(RELEASE, values))
        place.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def page(outcomes: list[Outcome]) -> str:
    """docs/benchmark.md with these outcomes, their date and versions."""
    pinned = versions()["images"]
    seen = (
        f"{datetime.now(UTC):%Y-%m-%d}: {PREFILL} prefill workers, {DECODE} decode worker of {SLOTS} answers at once;\n"
        f"the mocker of Dynamo {pinned['sim-runtime']['version']} at {SPEED:g} of its speed, AIPerf "
        f"{pinned['aiperf']['version']}; predicted and measured are requests/s.\n\n"
    )
    return inserted(PAGE, "Prediction", seen + table(list(COLUMNS), [outcome.row for outcome in outcomes]))
