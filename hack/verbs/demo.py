"""The main job on this machine: a cluster with faked GPUs, a scenario installed on it, an answer, and the proof.

Everything runs for real but the GPUs: Kubernetes, the Dynamo frontend, router, discovery and mocker. The release
and the cluster stay for you to look at.
"""

import time
from pathlib import Path

import click
import kubernetes

from hack.base.log import UserError, console, print_table
from hack.base.paths import ROOT
from hack.base.step import Step
from hack.base.yamlfile import read_yaml
from hack.chart.helm import HelmError
from hack.chart.manifests import merged
from hack.chart.scenarios import SIMULATE
from hack.cluster import lifecycle as cluster
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.cluster.report import namespace_report
from hack.cluster.serving import Answer, difference
from hack.containers import build_images
from hack.tools import pinned
from hack.verbs.cli import examples

NAMESPACE = "demo"
RELEASE = "demo"
PROMPT = "Why do prefill and decode like separate GPUs?"
# Images that a values file needs only when it asks for the subchart.
SUBCHART_IMAGES = ("etcd", "nats")


def scenario(name: str) -> Path:
    """A values file by path or by the id of a scenario; a UserError lists the known ones."""
    known = sorted(file.stem for file in (ROOT / "values").glob("*.yaml"))
    for path in (Path(name), Path("values") / f"{name}.yaml", ROOT / "values" / f"{name}.yaml"):
        if path.is_file():
            return path
    raise UserError(f'there is no values file "{name}": give a path, or one of {", ".join(known)}')


def demo(file: Path, name: str | None = None) -> None:
    """Run the demo with one values file; raises UserError with what the namespace looks like on failure."""
    started = time.monotonic()
    values = merged(read_yaml(ROOT / "values.yaml"), read_yaml(file))
    parts: dict[str, float] = {}

    def part(what: str, since: float) -> float:
        parts[what] = time.monotonic() - since
        return time.monotonic()

    now = time.monotonic()
    pinned.ensure(["helm", "kubectl", "kind"])
    now = part("tools", now)
    running = cluster.up(name, machine=values["global"]["hardware"])
    wanted = [image for image in SUBCHART_IMAGES if values[image]["enabled"]]
    if wanted:
        cluster.load(build_images.archives(wanted), running.name)
    now = part("cluster, node and runtime image", now)

    kube = Kube(running.kubeconfig)
    ensure_namespace(kube)
    release = Release(kube, NAMESPACE, RELEASE)
    step = Step("release")
    step.say(f"helm upgrade --install {RELEASE} . -f {file} -f {SIMULATE.relative_to(ROOT)} --wait")
    model = values["global"]["model"]["name"]
    try:
        release.install(files=[file, SIMULATE])
        now = part("install until every pod is ready", now)
        endpoint = release.endpoint
        endpoint.wait_for_model(model)
        before = endpoint.served()
        answer = endpoint.chat(model, PROMPT, max_tokens=24, stream=True)
        part("first token", now)
        served = difference(before, endpoint.served())
    except (HelmError, TimeoutError, AssertionError) as error:
        raise UserError(f"{error}\n{namespace_report(kube, NAMESPACE)}") from error
    show(kube, model, answer, served)
    timing = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in parts.items())
    console.print(f"\nDone in {time.monotonic() - started:.0f} s: {timing}")
    console.print(
        f"\nNext:  export KUBECONFIG={running.kubeconfig.relative_to(ROOT)}\n"
        f"       .tools/bin/kubectl -n {NAMESPACE} get pods -o wide\n"
        f"       .tools/bin/helm -n {NAMESPACE} test {RELEASE}\n"
        "       make cluster-down   # removes everything"
    )


def ensure_namespace(kube: Kube) -> None:
    """The demo's namespace, under the strictest Pod Security level."""
    metadata = {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    try:
        kube.core.create_namespace({"metadata": metadata})
    except kubernetes.client.ApiException as error:
        if error.status != 409:
            raise


def show(kube: Kube, model: str, answer: Answer, served: dict[str, dict[str, int]]) -> None:
    """Print the answer, and the table that proves which pods gave it; raises UserError if it proves nothing."""
    console.print(f'\n[bold]{model}[/bold] (simulated), asked "{PROMPT}"')
    usage = f"{answer.usage.get('prompt_tokens')} prompt + {answer.usage.get('completion_tokens')} answer tokens"
    console.print(
        f"answered {answer.chunks} streamed chunks, {usage}, first after {answer.first_token_seconds * 1000:.0f} ms"
    )
    rows = []
    for component, pods in served.items():
        for name, count in pods.items():
            pod = kube.core.read_namespaced_pod(name, NAMESPACE)
            gpus = (pod.spec.containers[0].resources.limits or {}).get("nvidia.com/gpu", "0")
            rows.append((component, name, pod.spec.node_name, gpus, f"[bold]{count}[/bold]"))
    head = ("pool", "pod", "node", "GPUs (faked)", "requests")
    print_table(head, rows, "Who did it (requests counted by each pod)")
    totals = {component: sum(pods.values()) for component, pods in served.items()}
    if not answer.chunks or set(totals.values()) != {1}:
        raise UserError(f"one request should be counted once in each pool, but the pools counted {totals}")
    verdict = " and ".join(f"one {component} pod" for component in totals)
    console.print(f"[bold green]Proved:[/bold green] one request was answered by {verdict}.")


@click.command(
    short_help="Run a scenario on a cluster of this machine, and prove it.",
    help=__doc__,
    epilog=examples("demo", "demo --values aks-disagg-router"),
)
@click.option("--values", default="a3u-multi", show_default=True, help="A scenario's id or a values file.")
@click.option("--name", help="Of the cluster.", show_default="dynamo-disagg")
def command(values: str, name: str | None) -> None:
    demo(scenario(values), name)
