#!/usr/bin/env python3
"""Ask a cluster, before Helm does anything, whether it has what a release needs.

The same checks as the hook Job of `preflight.enabled`, with your own kubeconfig: docs/preflight.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a file, Python looks for modules beside it only
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import kubernetes
import yaml
from urllib3.exceptions import HTTPError

from hack import log
from hack.paths import ROOT
from hack.render import rendered
from preflight.checks import checks
from preflight.cluster import TIMEOUT_SECONDS, NoAnswerError, read
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
    definitions = [yaml.load(f.read_text(), Loader=yaml.CSafeLoader)["spec"] for f in (ROOT / "crds").glob("*.yaml")]
    return {f"{d['group']}/{v['name']} {d['names']['kind']}" for d in definitions for v in d["versions"] if v["served"]}


def check(document: dict[str, Any], api: Any) -> list[Check]:
    """All rows of the table for what a release needs, by the API client of a cluster. Raises NoAnswerError."""

    def fetch(path: str) -> tuple[int, bytes]:
        request = api.param_serialize(
            "GET", path, header_params={"Accept": "application/json"}, auth_settings=["BearerToken"]
        )
        try:
            answer = api.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
            return answer.status, answer.read()
        except HTTPError as error:
            raise NoAnswerError(str(error)) from error

    cluster = read(fetch, document)
    if not own_pods(cluster, document):
        cluster.apis |= installed_by_helm()
    rows = checks(cluster, document)
    return rows


def run(argv: Sequence[str] | None = None) -> int:
    """The command line: 0 the release fits, 1 it does not, 2 the question could not be asked."""
    parser = argparse.ArgumentParser(
        prog="hack/preflight.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  hack/preflight.py -f values/a3u-multi.yaml -n llm\n"
        "  hack/preflight.py -f values/a3u-multi.yaml -f mine.yaml --release chat --context production\n"
        "  hack/preflight.py -f mine.yaml --json",
    )
    parser.add_argument("-f", "--values", action="append", default=[], metavar="FILE", help="as for helm install")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for helm install")
    parser.add_argument("-n", "--namespace", default="default", help="of the release (default: %(default)s)")
    parser.add_argument("--release", default="demo", help="its name; pods it has count as free (default: %(default)s)")
    parser.add_argument("--kubeconfig", help="default: $KUBECONFIG, else ~/.kube/config")
    parser.add_argument("--context", help="default: the current one")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    options = parser.parse_args(argv)
    for file in options.values:
        if not Path(file).is_file():
            parser.error(f"there is no file {file}")
    module: Any = kubernetes
    try:
        api = module.config.new_client_from_config(config_file=options.kubeconfig, context=options.context)
    except module.config.ConfigException as error:
        parser.error(f"no cluster: {error}")
    document = needs(options.values, options.set, release=options.release, namespace=options.namespace)
    try:
        rows = check(document, api)
    except NoAnswerError as error:
        parser.error(f"the API server gives no answer: {error}")
    if options.json:
        found = {k: document[k] for k in ("release", "namespace", "hardware")}
        print(json.dumps({**found, "passed": passed(rows), "checks": [asdict(row) for row in rows]}, indent=2))
    else:
        print(table(rows, document))
    return 0 if passed(rows) else 1


if __name__ == "__main__":
    log.main(run)
