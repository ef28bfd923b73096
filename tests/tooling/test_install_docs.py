"""docs/install.md: its resources fit their projects' schemas, name what exists, and their values are accepted.

Argo CD's Application and Flux's HelmRelease, HelmRepository and OCIRepository are checked against their CRDs
(data/gitops.json, by `python -m hack.gitops`), the Terraform configuration against the provider's schema
(data/terraform-helm.json, by `terraform providers schema -json`). None of the three is run.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from jsonschema import Draft202012Validator

from hack.paths import ROOT
from tests.harness import chart

DATA = Path(__file__).parent / "data"
TEXT = (ROOT / "docs" / "install.md").read_text()
CHART = yaml.safe_load((ROOT / "Chart.yaml").read_text())
SCHEMAS = json.loads((DATA / "gitops.json").read_text())
TERRAFORM = json.loads((DATA / "terraform-helm.json").read_text())


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


SHOWN = [item for block in blocks("yaml") for item in yaml.safe_load_all(block)]
CUSTOM = [item for item in SHOWN if item.get("apiVersion", "v1") != "v1"]
VALUES = [item for item in SHOWN if "apiVersion" not in item]


@pytest.mark.parametrize("resource", CUSTOM, ids=lambda r: f"{r['kind']}-{r['metadata']['name']}")
def test_resource_fits_its_crd(resource: dict[str, Any]) -> None:
    validator = Draft202012Validator(SCHEMAS[f"{resource['apiVersion']}/{resource['kind']}"])
    assert [f"{e.json_path}: {e.message}" for e in validator.iter_errors(resource)] == []


@pytest.mark.parametrize("resource", CUSTOM, ids=lambda r: f"{r['kind']}-{r['metadata']['name']}")
def test_a_misspelt_field_would_be_noticed(resource: dict[str, Any]) -> None:
    validator = Draft202012Validator(SCHEMAS[f"{resource['apiVersion']}/{resource['kind']}"])
    assert not validator.is_valid({**resource, "spec": {**resource["spec"], "sourec": {}}})


def test_every_kind_is_shown() -> None:
    assert {f"{r['apiVersion']}/{r['kind']}" for r in CUSTOM} == set(SCHEMAS)


def test_versions_are_the_charts() -> None:
    found = set(re.findall(r"\b\d+\.\d+\.\d+\b", re.sub(r"(Helm|https?://\S*) ?[\d.]+", "", TEXT)))
    assert found == {CHART["version"]}


def releases() -> list[Any]:
    """Values files and values of each way to install, as the tool gives them to Helm."""
    application = next(r for r in CUSTOM if r["kind"] == "Application")["spec"]["source"]["helm"]
    flux = next(r for r in CUSTOM if r["kind"] == "HelmRelease" and "chart" in r["spec"])["spec"]
    terraform = hcl2.load(io.StringIO(blocks("hcl")[0]))["resource"][0]
    files = re.findall(r"values/[\w-]+\.yaml", json.dumps(terraform))
    return [
        pytest.param(application["valueFiles"], application["valuesObject"], id="argo-cd"),
        pytest.param(flux["chart"]["spec"]["valuesFiles"], flux["values"], id="flux"),
        pytest.param(files, {"decode": {"replicas": 2}}, id="terraform"),
    ]


@pytest.mark.parametrize(("files", "values"), releases())
def test_values_are_accepted(files: list[str], values: dict[str, Any]) -> None:
    assert files
    manifests = chart.render(values, files)
    assert [o["spec"]["replicas"] for o in manifests.all("Deployment", component="decode")] == [2]


def test_values_that_are_shown_alone_are_accepted() -> None:
    assert VALUES
    for values in VALUES:
        chart.render(values)


def test_terraform_fits_the_provider() -> None:
    document = unquoted(hcl2.load(io.StringIO(blocks("hcl")[0])))
    release = document["resource"][0]["helm_release"]["demo"]
    provider = document["provider"][0]["helm"]
    assert problems(release, TERRAFORM["helm_release"]) == []
    assert problems(provider, TERRAFORM["provider"]) == []
    assert problems({**release, "chrat": 1}, TERRAFORM["helm_release"]) == ["chrat is unknown"]
    assert release["repository"].startswith("oci://")
    assert release["chart"] == CHART["name"]


def problems(block: dict[str, Any], schema: dict[str, Any], at: str = "") -> list[str]:
    """Arguments the provider does not know, and required ones that are missing."""
    found = [f"{at}{name} is missing" for name, a in schema.items() if a["required"] and name not in block]
    for name, value in block.items():
        if name not in schema:
            found.append(f"{at}{name} is unknown")
        elif "attributes" in schema[name]:
            for inner in value if isinstance(value, list) else [value]:
                found += problems(inner, schema[name]["attributes"], f"{at}{name}.")
    return found


def unquoted(node: Any) -> Any:
    """python-hcl2's document with names and texts as they are meant."""
    if isinstance(node, dict):
        return {k.strip('"'): unquoted(v) for k, v in node.items() if not k.startswith("__")}
    if isinstance(node, list):
        return [unquoted(item) for item in node]
    return node.strip('"') if isinstance(node, str) else node
