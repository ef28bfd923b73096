"""Ask a cluster, before Helm does anything, whether it has what a release needs.

The same checks as the hook Job of `preflight.enabled`, with your own kubeconfig: docs/preflight.md.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml
from hack.chart.objects import rendered
from hack.cluster import apiserver, kube
from hack.verbs.cli import NEW_FILE, examples, helm_values
from preflight.checks import checks
from preflight.cluster import NoAnswerError, read
from preflight.pools import own_pods
from preflight.report import Check, passed, table

DOCUMENT = "templates/preflight/configmap.yaml"


def needs(
    files: Sequence[Path | str] = (),
    settings: Sequence[str] = (),
    *,
    release: str = "demo",
    namespace: str = "default",
) -> dict[str, Any]:
    """What a release asks of a cluster: the document that the chart renders for the hook Job.

    `settings` are Helm's --set arguments. Raises UserError with Helm's message when Helm refuses the values.
    """
    options = ("--set", "preflight.enabled=true", "--show-only", DOCUMENT, "--namespace", namespace)
    (object_,) = rendered(files, settings, *options, release=release)
    document: dict[str, Any] = json.loads(object_["data"]["needs.json"])
    return document


def installed_by_helm() -> set[str]:
    """The APIs of crds/, as "apiVersion kind": Helm installs them before the hook Job looks."""
    definitions = [read_yaml(file)["spec"] for file in (ROOT / "crds").glob("*.yaml")]
    return {f"{d['group']}/{v['name']} {d['names']['kind']}" for d in definitions for v in d["versions"] if v["served"]}


def check(document: dict[str, Any], api: Any) -> list[Check]:
    """All rows of the table for what a release needs, by the API client of a cluster. Raises both NoAnswerErrors."""
    cluster = read(lambda path: kube.get(api, path), document)
    if own_pods(cluster, document):
        document = {**document, "brings": []}
    else:
        cluster.apis |= installed_by_helm()
    return checks(cluster, document)


@click.command(
    short_help="Ask a cluster whether it has what a release needs.",
    help=f"{__doc__}\n\nExits with 0 (the release fits), 1 (it does not) or 2 (the cluster could not be asked).",
    epilog=examples(
        "preflight -f values/a3u-multi.yaml -n llm",
        "preflight -f values/a3u-multi.yaml -f mine.yaml --release chat --context production",
        "preflight -f mine.yaml --json",
    ),
)
@helm_values
@click.option("-n", "--namespace", default="default", show_default=True, help="Of the release.")
@click.option("--release", default="demo", show_default=True, help="Its name; pods that it has count as free.")
@click.option("--kubeconfig", type=NEW_FILE, show_default="$KUBECONFIG, else ~/.kube/config")
@click.option("--context", show_default="the current one")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def command(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    namespace: str,
    release: str,
    kubeconfig: Path | None,
    context: str | None,
    as_json: bool,
) -> int:
    try:
        api = kube.client(kubeconfig, context)
    except UserError as error:
        raise click.UsageError(str(error)) from None
    document = needs(files, settings, release=release, namespace=namespace)
    try:
        rows = check(document, api)
    except (NoAnswerError, apiserver.NoAnswerError) as error:
        raise click.UsageError(f"the API server gives no answer: {error}") from None
    if as_json:
        found = {k: document[k] for k in ("release", "namespace", "hardware")}
        print(json.dumps({**found, "passed": passed(rows), "checks": [asdict(row) for row in rows]}, indent=2))
    else:
        print(table(rows, document))
    return 0 if passed(rows) else 1
