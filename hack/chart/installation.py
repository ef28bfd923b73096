"""What `helm install` would make, print and ask of a cluster, from one Helm process and without a cluster."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hack.base.paths import ROOT
from hack.base.yamlfile import parse_all
from hack.chart.helm import Helm, HelmError, values_arguments
from hack.chart.manifests import COMPONENT, Manifests, Object
from hack.chart.scenarios import Scenario
from hack.tools import pinned as tools

PREFLIGHT = {"preflight": {"enabled": True}}


@dataclass(frozen=True)
class Installation:
    """One release that was not installed."""

    manifests: Manifests
    # With a paragraph on the preflight: it is rendered in any case, for what it needs to know.
    notes: str
    # The document that the preflight reads: templates/preflight/_needs.tpl.
    needs: dict[str, Any]


def plan(scenario: Scenario, *, release: str = "demo", namespace: str = "default") -> Installation:
    """The installation of a scenario's values files. Raises HelmError when Helm refuses the values."""
    tools.ensure(["helm"])
    files = [ROOT / file for file in scenario.files]
    with values_arguments(scenario.values, files) as own, values_arguments(PREFLIGHT) as preflight:
        # Below the user's own values, which Helm judges as they are.
        made = _dry_run(release, namespace, [*preflight, *own])
        objects = _objects(made)
        needs = _needs(objects)
        if needs is None:
            # They say that they want no preflight.
            needs = _needs(_objects(_dry_run(release, namespace, [*own, *preflight])))
    if not scenario.effective["preflight"]["enabled"]:
        objects = [item for item in objects if not _is_preflight(item)]
    return Installation(Manifests(objects), str(made["info"]["notes"]), needs or {})


def _dry_run(release: str, namespace: str, arguments: list[str]) -> dict[str, Any]:
    options = ("--dry-run=client", "--output=json", "--namespace", namespace)
    result = Helm().attempt("install", release, str(ROOT), *options, *arguments)
    if result.code:
        raise HelmError(result, None)
    made: dict[str, Any] = json.loads(result.stdout)
    return made


def _objects(made: dict[str, Any]) -> list[Object]:
    """The objects of a release in Helm's JSON, hooks included."""
    texts = [made["manifest"], *(hook["manifest"] for hook in made.get("hooks", []))]
    return [item for text in texts for item in parse_all(text)]


def _needs(objects: Iterable[Object]) -> dict[str, Any] | None:
    for item in objects:
        if item["kind"] == "ConfigMap" and _is_preflight(item):
            document: dict[str, Any] = json.loads(item["data"]["needs.json"])
            return document
    return None


def _is_preflight(item: Object) -> bool:
    return bool(item["metadata"].get("labels", {}).get(COMPONENT) == "preflight")
