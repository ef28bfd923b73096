"""Scale: one release with the workers of fifty 10P8D releases on 900 KWOK nodes, then the same pods as a Deployment.

What is timed is how long until every pod has its node, from the start of `helm install` and from the creation of the
Deployment. The nodes are fake; API server, controllers and scheduler are real.
"""

import copy
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from hack.base.log import UserError, console, print_table
from hack.base.paths import ROOT
from hack.base.step import Step
from hack.base.wait import UnrecoverableError, wait_for
from hack.chart.helm import Helm, Values, values_arguments
from hack.chart.installation import plan
from hack.chart.machines import load_machine
from hack.chart.manifests import Manifests
from hack.chart.scenarios import Scenario
from hack.kwok import nodes, substitutes
from hack.kwok import simulator as simulators
from hack.kwok.nodes import Object
from hack.kwok.simulator import Simulator
from hack.tools import pinned
from hack.verbs import benchmarks, predictions
from hack.verbs.cli import NEW_FILE, examples, test_cluster

SCENARIO = ROOT / "values" / "a4x-10p8d.yaml"
MACHINE = "gke-a4x"
RELEASE = "demo"
NODES_PER_RELEASE = 18
PREFILL_WORKERS, DECODE_WORKERS = 5, 1
# Rows without the objects: polling shall not be the load that is measured.
ROWS = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
HELM_SECONDS = 360


@dataclass(frozen=True)
class Arm:
    """One way to make the pods: seconds until all were created and placed, and how many were at which second."""

    name: str
    pods: int
    submitted_seconds: float
    created_seconds: float
    placed_seconds: float
    timeline: list[tuple[float, int, int]]


def bench(kubeconfig: Path, releases: int, timeout: float) -> list[Arm]:
    """Run both arms on fresh nodes and remove everything; raises UserError after `timeout` seconds in one arm."""
    pinned.ensure(["helm", "kubectl", "kwok"])
    step = Step("scale")
    pool = f"scale-{secrets.token_hex(3)}"
    values = {
        # LeaderWorkerSet's controller is not in the test cluster.
        "global": {"multiNode": {"controller": "statefulset"}},
        "frontend": {"replicas": 1},
        "prefill": {"replicas": releases * PREFILL_WORKERS},
        "decode": {"replicas": releases * DECODE_WORKERS},
    }
    count = releases * NODES_PER_RELEASE
    rendered = plan(Scenario("scale", (str(SCENARIO),), values)).manifests
    with simulators.running(kubeconfig) as simulator:
        substitutes.define_compute_domains(simulator)
        simulator.add(pool, nodes.machines(load_machine(MACHINE), count, pool), timeout)
        simulator.add(pool, nodes.cpu_nodes(load_machine(MACHINE).arch, 1, pool))
        step.say(f"{count} KWOK nodes Ready")
        arms: list[Arm] = []
        for name, pods, submit in (
            ("helm install", count + 1, lambda namespace: install(kubeconfig, namespace, values)),
            ("plain Deployment", count, lambda namespace: deploy(simulator, namespace, rendered, count)),
        ):
            namespace = f"{pool}-{len(arms)}"
            simulator.open(namespace, pool)
            make_claim_template(simulator, namespace, rendered)
            arms.append(timed(simulator, namespace, name, pods, submit, timeout, step))
            simulator.close(namespace)
            simulator.wait_until_closed(timeout)
            step.say(f"{name}: removed")
    step.say("nodes removed")
    return arms


def make_claim_template(simulator: Simulator, namespace: str, rendered: Manifests) -> None:
    """What the pods' claims are made from: NVIDIA's controller would make it from the ComputeDomain."""
    name = rendered.one("ComputeDomain")["spec"]["channel"]["resourceClaimTemplate"]["name"]
    path = f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaimtemplates"
    simulator.create(path, substitutes.claim_template(name))


def install(kubeconfig: Path, namespace: str, values: Values) -> None:
    """The release, as a user installs it."""
    with values_arguments(values, [SCENARIO]) as arguments:
        where = ["--namespace", namespace, "--kubeconfig", str(kubeconfig)]
        Helm().run("install", RELEASE, str(ROOT), *arguments, *where, values=values, timeout=HELM_SECONDS)


def deploy(simulator: Simulator, namespace: str, rendered: Manifests, count: int) -> None:
    """One Deployment of as many pods, each as a prefill worker's first."""
    here = f"/namespaces/{namespace}"
    pod = copy.deepcopy(rendered.leaders("prefill")[0].spec)
    simulator.create(f"/api/v1{here}/serviceaccounts", {"metadata": {"name": pod["serviceAccountName"]}})
    labels = {"app": "workers"}
    template: Object = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": count, "selector": {"matchLabels": labels}, "template": template}
    simulator.create(f"/apis/apps/v1{here}/deployments", {"metadata": {"name": "workers"}, "spec": spec})


def timed(
    simulator: Simulator,
    namespace: str,
    name: str,
    pods: int,
    submit: Callable[[str], None],
    timeout: float,
    step: Step,
) -> Arm:
    """Submit, and watch the pods until all are placed."""
    timeline: list[tuple[float, int, int]] = []
    submitted = 0.0
    started = time.monotonic()

    def observe() -> tuple[int, int]:
        nonlocal submitted
        now = time.monotonic() - started
        if submission.done() and not submitted:
            if error := submission.exception():
                raise UnrecoverableError(f"{name}: {error}") from error
            submitted = now
        placed = count_pods(simulator, namespace, "spec.nodeName!=")
        made = count_pods(simulator, namespace, "")
        timeline.append((round(now, 1), made, placed))
        return made, placed

    with ThreadPoolExecutor(1) as thread:
        submission = thread.submit(submit, namespace)
        wait_for(
            f"{name}: {pods} pods have a node",
            observe,
            lambda counts: counts[1] >= pods,
            timeout,
            show=lambda counts: f"{counts[0]} made, {counts[1]} placed",
            step=step,
        )
        submission.result()
    created = next(second for second, made, _ in timeline if made >= pods)
    arm = Arm(name, pods, round(submitted or timeline[-1][0], 1), created, timeline[-1][0], timeline)
    step.say(f"{name}: {pods} pods placed in {arm.placed_seconds:.0f} s")
    return arm


def count_pods(simulator: Simulator, namespace: str, selector: str) -> int:
    """How many pods of the namespace a field selector finds."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    parameters = {"fieldSelector": selector, "includeObject": "None"}
    response = simulator.request("GET", path, headers=ROWS, params=parameters)
    if not response.ok:
        raise UserError(f"{response.url} answered {response.status_code}: {response.text[:300]}")
    return len(response.json()["rows"])


def ratio(arms: Sequence[Arm]) -> float:
    """The time of the release over that of the Deployment."""
    return round(arms[0].placed_seconds / arms[1].placed_seconds, 2)


def show(arms: Sequence[Arm], count: int) -> None:
    """Print the result."""
    head = ("", "pods", "all submitted, s", "all created, s", "all placed, s")
    numbers = [(arm.pods, arm.submitted_seconds, arm.created_seconds, arm.placed_seconds) for arm in arms]
    rows = [[arm.name, *(f"{number:.0f}" for number in row)] for arm, row in zip(arms, numbers, strict=True)]
    print_table(head, rows, f"{count} KWOK nodes")
    console.print(f"ratio: {ratio(arms):.2f}")


@click.group(
    epilog=examples(
        "bench run demo -n llm -f bench.yaml           # one release, by a Job beside it",
        "bench arms -f mine.yaml -f bench.yaml -n llm  # disaggregated and aggregated on the same GPUs",
        "bench compare dist/bench/a dist/bench/b",
        "bench fetch demo -n llm",
        "bench predict --write         # is `hack size` right? On the cluster of `make cluster`",
        "bench scale                   # on the cluster of `make cluster`",
        "bench scale --releases 5      # a tenth of it",
        "bench scale --out scale.json  # where the counts of every second go",
    )
)
def command() -> None:
    """Releases under load (docs/benchmark.md), and how long scheduling takes (docs/benchmarks.md)."""


for subcommand in (*benchmarks.COMMANDS, predictions.predict):
    command.add_command(subcommand)


@command.command(help=__doc__)
@test_cluster
@click.option("--releases", type=click.IntRange(1, 1000), default=50, show_default=True, help="Times 10P8D's workers.")
@click.option("--timeout", type=click.IntRange(1, 1000), default=240, show_default=True, help="Seconds for one arm.")
@click.option("--out", type=NEW_FILE, default=Path("dist/bench-scale.json"), show_default=True, help="The result.")
def scale(kubeconfig: Path, releases: int, timeout: int, out: Path) -> None:
    arms = bench(kubeconfig, releases, timeout)
    count = releases * NODES_PER_RELEASE
    show(arms, count)
    out.parent.mkdir(parents=True, exist_ok=True)
    result = {"nodes": count, "cpus": os.cpu_count(), "ratio": ratio(arms), "arms": [asdict(arm) for arm in arms]}
    out.write_text(json.dumps(result, indent=1))
    console.print(f"written to {out}")
