"""Judge values files of your own before they reach a cluster, in one report: docs/own-values.md.

Helm's schema and rules, the policies that every values file of this repository keeps, how many nodes of the machine
type the release needs, and, where a test cluster runs, whether the real scheduler places it on KWOK nodes like these.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import os
import re
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from hack import log, preflight, tools
from hack.kind import state
from hack.kwok import nodes as fake_nodes
from hack.kwok import simulator as simulators
from hack.kwok import standins
from hack.kwok.nodes import FakeNode
from hack.log import UserError, console
from hack.machines import load_machine
from hack.paths import ROOT
from preflight import pools
from preflight.cluster import Cluster
from preflight.placement import company_key
from preflight.quantities import requests
from tests.harness import chart
from tests.harness.helm import HelmError
from tests.harness.kube import Kube
from tests.harness.manifests import COMPONENT, Manifests, is_hook
from tests.harness.report import pod_line
from tests.harness.scenarios import Scenario
from tests.scheduling.site import Site

POLICIES = ROOT / "tests" / "policy"
NAMESPACE = "validate"


@dataclass
class Report:
    """What was found about some values files."""

    files: list[str]
    # What must be changed, by who said so: helm, kubernetes, policy, nodes or scheduler.
    problems: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    # What was asked, and what not and why.
    done: dict[str, str] = field(default_factory=dict)


class Policies:
    """A pytest plugin: the policy tests, of one scenario only, and what they say."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if "yours" in getattr(item, "name", "")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            said = re.findall(r"^E +(.*)", report.longreprtext, re.MULTILINE)
            rule = report.nodeid.rpartition("::")[2].partition("[")[0].removeprefix("test_").replace("_", " ")
            self.failed.append(f"{rule}: {(said or ['failed'])[0].removeprefix('AssertionError: ')}")
        elif report.when == "call" and report.passed:
            self.passed += 1


def validate(files: Sequence[Path], kubeconfig: Path | None = None) -> Report:
    """Everything that can be said about a release with these values files; `kubeconfig` is that of a test cluster."""
    tools.ensure(["helm"])
    paths = [file.resolve() for file in files]
    report = Report([str(file) for file in files])
    scenario = Scenario("yours", tuple(str(path) for path in paths))
    try:
        result, manifests = chart.attempt(files=paths, release="demo", namespace=NAMESPACE)
    except chart.InvalidObjectsError as error:
        report.problems += [("kubernetes", line) for line in str(error).splitlines()[1:]]
        return report
    if result.code:
        report.problems.append(("helm", result.stderr.strip()))
        return report
    report.done["helm"] = "accepted by the schema and the rules, objects fit Kubernetes' own schemas"
    report.warnings = warnings(chart.notes(files=paths))
    document = preflight.needs(paths, namespace=NAMESPACE)
    check_policies(report, paths)
    report.summary = summary(manifests, document)
    made = check_nodes(report, scenario, document)
    if made is not None:
        check_scheduling(report, scenario, made, kubeconfig)
    return report


def warnings(notes: str) -> list[str]:
    """The warnings in what an installation prints, each on one line."""
    paragraphs = re.split(r"\n\s*\n", notes)
    return [" ".join(p.split()).removeprefix("WARNING: ") for p in paragraphs if p.strip().startswith("WARNING:")]


def check_policies(report: Report, paths: Sequence[Path]) -> None:
    """The tests of tests/policy, on the given files."""
    plugin = Policies()
    arguments = [str(POLICIES), "-q", "-p", "no:cacheprovider", "-p", "no:randomly", f"--rootdir={ROOT}"]
    output = io.StringIO()
    here = Path.cwd()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        os.chdir(ROOT)
        try:
            pytest.main([*arguments, *(f"--policy-values={path}" for path in paths)], plugins=[plugin])
        finally:
            os.chdir(here)
    if not plugin.passed and not plugin.failed:
        raise UserError(f"the policies could not be run:\n{output.getvalue().strip()[-2000:]}")
    report.problems += [("policy", text) for text in plugin.failed]
    report.done["policy"] = f"{plugin.passed} of {plugin.passed + len(plugin.failed)} policies kept"


def summary(manifests: Manifests, document: dict[str, Any]) -> dict[str, Any]:
    """Pods and GPUs of each component, and objects by kind."""
    pods: Counter[str] = Counter()
    gpus: Counter[str] = Counter()
    for template in manifests.pods():
        if is_hook(template.owner):
            continue
        name = template.labels[COMPONENT]
        pods[name] += template.count
        limits = [c.spec.get("resources", {}).get("limits", {}) for c in template.containers()]
        gpus[name] += template.count * sum(int(limit.get(document["gpuResource"], 0)) for limit in limits)
    return {
        "components": {name: {"pods": count, "gpus": gpus[name]} for name, count in sorted(pods.items())},
        "gpus": gpus.total(),
        "objects": dict(sorted(Counter(item["kind"] for item in manifests if not is_hook(item)).items())),
    }


def check_nodes(report: Report, scenario: Scenario, document: dict[str, Any]) -> list[FakeNode] | None:
    """How many nodes of the machine type hold the release, by the preflight's own algorithm; None when none can."""
    workers = [pool for pool in document["pools"] if pool["component"] in ("prefill", "decode")]
    most = sum(pool["groups"] * sum(pod["count"] for pod in pool["pods"]) for pool in workers)
    others = fake_nodes.cpu_nodes(load_machine(document["hardware"]).arch, 2, "other")
    others = [dataclasses.replace(n, labels=_selected(document, ("frontend", "etcd", "nats"), n)) for n in others]
    rows: list[Any] = []
    for count in range(1, most + 1):
        made = machines(scenario, document, count)
        cluster = Cluster(nodes=[_ready(node) for node in [*made, *others]], device_classes=[], resource_slices=[])
        # Devices by claims are the machine's own, one set for each worker that fills it.
        rows = pools.check_nodes(cluster, {**document, "claimTemplates": {}})
        if all(row.status != "FAIL" for row in rows):
            report.summary["nodes"] = {"machine": document["hardware"], "count": count}
            report.done["nodes"] = f"{count} of {document['hardware']} hold the workers"
            return [*made, *others]
    report.problems += [("nodes", f"{row.name}: {row.detail}") for row in rows if row.status == "FAIL"]
    report.done["nodes"] = f"no number of {document['hardware']} nodes holds the release"
    return None


def machines(scenario: Scenario, document: dict[str, Any], count: int) -> list[FakeNode]:
    """Nodes like the machine type, with what the values say about it and the labels that they select."""
    spec = scenario.effective["global"]["hardwareSpec"]
    machine = load_machine(document["hardware"])
    resource, gpus = document["gpuResource"], spec.get("gpusPerNode", machine.gpus_per_node)
    asked: set[str] = set()
    for pod in (pod for pool in document["pools"] for pod in pool["pods"]):
        asked |= {name for name in requests(pod["spec"]) if "/" in name}
    made = []
    for number, node in enumerate(fake_nodes.machines(machine, count, "machine")):
        # What the preset does not know of, such as a network device of yours, is taken to be there for each GPU.
        resources = {**dict.fromkeys(asked, gpus), **node.resources, resource: gpus}
        labels = _selected(document, ("prefill", "decode"), node) | _domains(document, number)
        made.append(dataclasses.replace(node, resources=resources, labels=labels))
    return made


def check_scheduling(report: Report, scenario: Scenario, made: list[FakeNode], kubeconfig: Path | None) -> None:
    """Whether the real scheduler of a test cluster places every pod on these nodes."""
    if kubeconfig is None:
        report.done["scheduler"] = "not asked: no test cluster runs (make cluster)"
        return
    namespace = f"validate-{secrets.token_hex(3)}"
    wanted = {name: numbers["pods"] for name, numbers in report.summary["components"].items()}
    total = sum(wanted.values())
    renamed = [dataclasses.replace(n, name=f"{namespace}-{n.name}") for n in made]
    with simulators.running(kubeconfig) as simulator:
        site = Site(Kube(kubeconfig), simulator, scenario, namespace)
        simulator.open(namespace, namespace)
        standins.define_compute_domains(simulator)
        simulator.add(namespace, renamed)
        try:
            site.install()
            site.wait_for(wanted, {})
        except HelmError as error:
            report.problems.append(("scheduler", error.stderr.strip()))
            report.done["scheduler"] = "the test cluster refused the release"
        except TimeoutError:
            pending = [pod for pod in site.pods() if pod.status.phase != "Running"]
            report.problems += [("scheduler", pod_line(pod)) for pod in pending]
            report.done["scheduler"] = f"{len(pending)} of {total} pods were not placed"
        else:
            report.done["scheduler"] = f"{total} pods were placed on {len(renamed)} KWOK nodes"
        finally:
            simulator.close(namespace)


def _selected(document: dict[str, Any], components: Sequence[str], node: FakeNode) -> dict[str, str]:
    """A node's labels, and those that pods of some components select."""
    labels = dict(node.labels)
    for pool in document["pools"]:
        if pool["component"] in components:
            labels |= pool["pods"][0]["spec"].get("nodeSelector") or {}
    return labels


def _domains(document: dict[str, Any], number: int) -> dict[str, str]:
    """Labels by which workers come together: one domain for all, and one for each worker that wants its own."""
    labels = {}
    company = company_key(document["pools"])
    if company and company != "kubernetes.io/hostname":
        labels[company] = "one"
    for pool in document["pools"]:
        if key := pool["exclusiveTopologyKey"]:
            labels[key] = f"domain-{number // sum(pod['count'] for pod in pool['pods'])}"
    return labels


def _ready(node: FakeNode) -> dict[str, Any]:
    manifest = node.manifest("none", "none")
    # What keeps pods away that are not for KWOK.
    manifest["spec"]["taints"].pop()
    manifest["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return manifest


def run(argv: Sequence[str] | None = None) -> int:
    """The command line: 0 nothing to change, 1 something to change, 2 a wrong call."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.validate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python -m hack.validate mine.yaml\n"
        "  python -m hack.validate values/a3u-multi.yaml mine.yaml    mine on top of a scenario\n"
        "  python -m hack.validate --json mine.yaml > report.json",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="values files, a later one on top")
    parser.add_argument(
        "--kubeconfig", type=Path, help="of a test cluster (default: that of `make cluster`, if it runs)"
    )
    parser.add_argument("--no-cluster", action="store_true", help="do not look for a test cluster")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    options = parser.parse_args(argv)
    for file in options.files:
        if not file.is_file():
            parser.error(f"there is no file {file}")
    kubeconfig = options.kubeconfig or state.kubeconfig_path(state.default_name())
    if options.kubeconfig and not kubeconfig.is_file():
        parser.error(f"there is no file {kubeconfig}")
    report = validate(options.files, None if options.no_cluster or not kubeconfig.is_file() else kubeconfig)
    if options.json:
        print(json.dumps(as_data(report), indent=2))
    else:
        show(report)
    return 1 if report.problems else 0


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
        table = Table("component", "pods", "GPUs")
        for name, numbers in report.summary["components"].items():
            table.add_row(name, str(numbers["pods"]), str(numbers["gpus"]))
        console.print(table)
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


if __name__ == "__main__":
    log.main(run)
