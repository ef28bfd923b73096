"""Judge values files of your own before they reach a cluster, in one report: docs/own-values.md.

Helm's schema and rules, the policies that every values file of this repository keeps, how many nodes of the machine
type the release needs, and, where a test cluster runs, whether the real scheduler places it on KWOK nodes like these.
"""

import dataclasses
import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import yaml

from hack.base.log import UserError, console, print_table
from hack.base.yamlfile import repeated_keys
from hack.chart import kubeschema, machines, policy
from hack.chart.helm import HelmError
from hack.chart.installation import plan
from hack.chart.machines import Machine
from hack.chart.manifests import COMPONENT, Manifests, is_hook
from hack.chart.policy import pods
from hack.chart.scenarios import Scenario
from hack.cluster import state
from hack.kwok import assumed
from hack.kwok.nodes import FakeNode
from hack.verbs.cli import FILE, examples
from preflight import pools
from preflight.report import Check

NAMESPACE = "validate"
ANSWER_SECONDS = 5


@dataclass
class Report:
    """What was found about some values files."""

    files: list[str]
    # What must be changed, by who said so: yaml, helm, kubernetes, policy, nodes or scheduler.
    problems: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    # What was asked, and what not and why.
    done: dict[str, str] = field(default_factory=dict)


def validate(files: Sequence[Path], kubeconfig: Path | None = None) -> Report:
    """Everything that can be said about a release with these values files; `kubeconfig` is that of a test cluster."""
    report = Report([str(file) for file in files])
    for file in files:
        report.problems += [("yaml", text) for text in lost(file)]
    if report.problems:
        return report
    scenario = Scenario("given", tuple(str(file.resolve()) for file in files))
    try:
        installation = plan(scenario, namespace=NAMESPACE)
    except HelmError as error:
        report.problems.append(("helm", error.stderr.strip()))
        return report
    manifests, needs = installation.manifests, installation.needs
    report.done["helm"] = "accepted by the schema and the rules"
    report.problems += [("kubernetes", line) for line in kubeschema.problems(*manifests)]
    if report.problems:
        return report
    report.done["kubernetes"] = "every object fits the schema of its kind"
    report.warnings = [*warnings(installation.notes), *beyond_restricted(manifests, scenario.effective)]
    judged = policy.judged(manifests, scenario.effective)
    report.problems += [("policy", f"{name}: {text}") for name, problems in judged.items() for text in problems]
    kept = [name for name, problems in judged.items() if not problems]
    report.done["policy"] = f"{len(kept)} of {len(judged)} policies kept"
    report.summary = summary(manifests, needs, machines.of_values(scenario.effective))
    made = check_nodes(report, scenario, needs)
    if made is not None:
        check_scheduling(report, scenario, made, kubeconfig)
    return report


def lost(file: Path) -> Iterator[str]:
    """What a values file says and Helm never sees, or why it cannot be read at all."""
    try:
        for key, first, last in repeated_keys(file.read_text()):
            yield f"{file}: {key} stands in lines {first} and {last}, and only the last one counts: write it once"
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        yield f"{file}: not valid YAML: {error}"


def warnings(notes: str) -> list[str]:
    """The warnings in what an installation prints, each on one line."""
    paragraphs = re.split(r"\n\s*\n", notes)
    return [" ".join(p.split()).removeprefix("WARNING: ") for p in paragraphs if p.strip().startswith("WARNING:")]


def beyond_restricted(manifests: Manifests, values: dict[str, Any]) -> Iterator[str]:
    """A warning where pods would be refused that nobody gave a reason for."""
    asked = pods.unexplained(manifests, values)
    if asked:
        what = "; ".join(f"{name}: {', '.join(texts)}" for name, texts in asked.items())
        yield (
            f'a namespace that enforces the "restricted" Pod Security Standard refuses these pods ({what}): label it '
            "pod-security.kubernetes.io/enforce=privileged. For a machine type global.hardwareSpec.reasons says why."
        )


def summary(manifests: Manifests, document: dict[str, Any], machine: Machine) -> dict[str, Any]:
    """Pods and GPUs of each component, and objects by kind."""
    pods: Counter[str] = Counter()
    gpus: Counter[str] = Counter()
    for template in manifests.pods():
        if is_hook(template.owner):
            continue
        name = template.labels[COMPONENT]
        pods[name] += template.count
        limits = [c.spec.get("resources", {}).get("limits", {}) for c in template.containers()]
        of_pod = sum(int(limit.get(document["gpuResource"], 0)) for limit in limits)
        gpus[name] += template.count * (of_pod + sum(manifests.claimed(template, c) for c in machine.gpu_classes))
    return {
        "components": {name: {"pods": count, "gpus": gpus[name]} for name, count in sorted(pods.items())},
        "gpus": gpus.total(),
        "objects": dict(sorted(Counter(item["kind"] for item in manifests if not is_hook(item)).items())),
    }


def check_nodes(report: Report, scenario: Scenario, document: dict[str, Any]) -> list[FakeNode] | None:
    """How many nodes of the machine type hold the release, by the preflight's own algorithm; None when none can."""
    kinds = assumed.for_workers(scenario.effective, document)
    others = assumed.for_others(scenario.effective, document)

    def made(counts: Sequence[int]) -> list[FakeNode]:
        return [*(n for kind, count in zip(kinds, counts, strict=True) for n in kind.nodes(count)), *others]

    def problems(counts: Sequence[int]) -> list[Check]:
        rows = pools.check_nodes(assumed.cluster(made(counts)), document)
        return [row for row in rows if row.status == "FAIL"]

    counts = [kind.most for kind in kinds]
    if found := problems(counts):
        report.problems += [("nodes", f"{row.name}: {row.detail}") for row in found]
        report.done["nodes"] = f"no number of {document['hardware']} nodes holds the release"
        return None
    for place, most in enumerate(counts):
        fewer = (n for n in range(1, most) if not problems([*counts[:place], n, *counts[place + 1 :]]))
        counts[place] = next(fewer, most)
    report.summary["nodes"] = {"machine": document["hardware"], "count": sum(counts)}
    report.done["nodes"] = f"{' and '.join(map(str, counts))} of {document['hardware']} hold the workers"
    return made(counts)


def check_scheduling(report: Report, scenario: Scenario, made: list[FakeNode], kubeconfig: Path | None) -> None:
    """Whether the real scheduler of a test cluster places every pod on these nodes."""
    if kubeconfig is None:
        report.done["scheduler"] = "not asked: no test cluster runs (make cluster)"
        return
    # Imported here: the Kubernetes client takes longer than all other answers together.
    from hack.cluster.kube import Kube
    from hack.kwok import trial

    try:
        # A kubeconfig stays when its cluster is gone, as after a restart of the machine.
        Kube.answering(kubeconfig, ANSWER_SECONDS)
    except UserError as error:
        report.done["scheduler"] = f"not asked: {textwrap.shorten(str(error), 160)}"
        return
    wanted = {name: numbers["pods"] for name, numbers in report.summary["components"].items()}
    try:
        outcome, problems = trial.placed(scenario, made, wanted, kubeconfig)
    except UserError as error:
        # What the others have found is not lost with it.
        outcome, problems = "gave no answer", [str(error)]
    report.done["scheduler"] = outcome
    report.problems += [("scheduler", text) for text in problems]


def as_data(report: Report) -> dict[str, Any]:
    """The report for pipelines."""
    return {
        **dataclasses.asdict(report),
        "problems": [{"by": by, "message": message} for by, message in report.problems],
        "ok": not report.problems,
    }


def show(report: Report) -> None:
    """The report for people."""
    console.print(f"[bold]{' + '.join(report.files)}[/bold]")
    if "components" in report.summary:
        components = report.summary["components"].items()
        rows = [(name, str(numbers["pods"]), str(numbers["gpus"])) for name, numbers in components]
        print_table(("component", "pods", "GPUs"), rows)
        console.print("objects: " + ", ".join(f"{n} {kind}" for kind, n in report.summary["objects"].items()))
    for by, text in report.done.items():
        console.print(f"{by:<10} {text}", markup=False)
    for text in report.warnings:
        console.print(f"[yellow]warning[/yellow]    {text}")
    for by, message in report.problems:
        console.print(f"[bold red]problem[/bold red]    by {by}: ", end="")
        # As it is: brackets in Helm's message are no markup.
        console.print(message, markup=False)
    count = len(report.problems)
    console.print(f"[bold red]{count} to change[/bold red]" if count else "[bold green]nothing to change[/bold green]")


@click.command(
    short_help="Judge your values files before they reach a cluster.",
    help=f"{__doc__}\n\nExits with 0 (nothing to change), 1 (something to change) or 2 (a usage error).",
    epilog=examples(
        "validate mine.yaml",
        "validate values/a3u-multi.yaml mine.yaml    # mine on top of a scenario",
        "validate --json mine.yaml > report.json",
    ),
)
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--kubeconfig", type=FILE, help="Of a test cluster.", show_default="that of `make cluster`, if it runs")
@click.option("--no-cluster", is_flag=True, help="Do not look for a test cluster.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(files: tuple[Path, ...], kubeconfig: Path | None, no_cluster: bool, as_json: bool) -> int:
    kubeconfig = kubeconfig or state.kubeconfig_path(state.default_name())
    report = validate(files, None if no_cluster or not kubeconfig.is_file() else kubeconfig)
    if as_json:
        print(json.dumps(as_data(report), indent=2))
    else:
        show(report)
    return 1 if report.problems else 0
