"""docs/install.md: its resources fit their projects' schemas, name what exists, and their values are accepted.

data/gitops.json holds the CRDs' schemas of Argo CD 3.5 and Flux (helm-controller 1.6, source-controller 1.9), unknown
fields refused, as deep as the document goes; a new field may need a part of them. data/terraform-helm.json is the
provider's, by `terraform providers schema -json`. None of the three is run.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hack.base.paths import ROOT
from hack.chart import render as chart

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
    files = re.findall(r"values/[\w-]+\.yaml", blocks("hcl")[0])
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
    text = blocks("hcl")[0]
    assert unknown_arguments(text) == []
    assert unknown_arguments(text.replace("chart  ", "chrat  ")) == ["resource.chrat"]
    assert unknown_arguments(text.replace("config_path", "config_pth")) == ["provider.kubernetes.config_pth"]
    release = set(re.findall(r"^  (\w+) +=", text.partition('resource "helm_release"')[2], re.MULTILINE))
    assert release >= {name for name, argument in TERRAFORM["helm_release"].items() if argument["required"]}
    assert re.search(rf'repository = "oci://.*\n  chart +  = "{CHART["name"]}"', text)


def unknown_arguments(text: str) -> list[str]:
    """Paths of arguments in formatted HCL, two spaces a level, that the provider does not know."""
    blocks = {"provider": {"attributes": TERRAFORM["provider"]}, "resource": {"attributes": TERRAFORM["helm_release"]}}
    found, path = [], [""]
    for indent, name in re.findall(r'^((?:  )*)(\w+)(?: "\w+")* *[={]', text, re.MULTILINE):
        path = [*path[: len(indent) // 2], name]
        if path[0] in blocks:
            known: Any = blocks[path[0]]
            for part in path[1:]:
                known = known.get("attributes", {}).get(part, {})
            found += [] if known else [".".join(path)]
    return found
