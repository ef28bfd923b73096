"""docs/machines.md: following it gives a machine type that renders, without any other change."""

import re
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.base.paths import ROOT
from hack.chart import machines
from hack.chart import render as chart
from hack.chart.helm import Helm, values_arguments
from hack.chart.manifests import Manifests, nested
from hack.chart.render import CHART_PARTS
from hack.schema import bundle as schema
from hack.schema import draft7

TEXT = (ROOT / "docs" / "machines.md").read_text()
OWN, PRESET = (textwrap.dedent(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
NAME = "my-l40s"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart and its schema sources, with the guide's preset."""
    folder = tmp_path_factory.mktemp("chart")
    for part in (*CHART_PARTS, "schemas"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        else:
            shutil.copy(source, folder / part)
    (folder / "charts/common/templates/hardware" / f"_{NAME}.tpl").write_text(PRESET.strip() + "\n")
    listed = folder / "schemas" / "global.yaml"
    text, count = re.subn(r"(?m)^(      enum: \[nvidia, .*)\]$", rf"\1, {NAME}]", listed.read_text())
    assert count == 1, "the list of machine types is not where the guide says"
    listed.write_text(text)
    bundle = schema.dumped(draft7.for_helm(schema.bundled(folder / "schemas", folder / "values.yaml")))
    (folder / "values.schema.json").write_text(bundle)
    return folder


def template(folder: Path, values: dict[str, Any], helm: Helm) -> Manifests:
    """The objects of a chart in another folder."""
    with values_arguments(values) as arguments:
        result = helm.run("template", "demo", str(folder), *arguments, values=values)
    return Manifests([o for o in yaml.load_all(result.stdout, Loader=yaml.CSafeLoader) if o])


def test_the_new_preset_renders(copy: Path, each_helm: Helm) -> None:
    manifests = template(copy, nested("global.hardware", NAME), each_helm)
    for role in ("prefill", "decode"):
        spec = manifests.pod(role).spec
        assert spec["nodeSelector"] == {"kubernetes.io/arch": "amd64", "node.example.com/pool": "l40s"}
        assert [t["key"] for t in spec["tolerations"]] == ["node.example.com/gpu"]
    wide = {"global": {"hardware": NAME}, "decode": {"parallelism": {"tensor": 8}}}
    (group,) = template(copy, wide, each_helm).all("LeaderWorkerSet", component="decode")
    assert group["spec"]["leaderWorkerTemplate"]["size"] == 2, "two nodes of four GPUs"


def test_the_new_preset_is_a_fake_node(copy: Path) -> None:
    machine = machines.load_machine(NAME, copy / "charts/common/templates/hardware")
    assert machine.resources == {"nvidia.com/gpu": 4}
    assert machine.node_labels["node.example.com/pool"] == "l40s"
    assert [t.key for t in machine.taints] == ["node.example.com/gpu"]


def test_without_the_list_the_name_is_refused(each_helm: Helm) -> None:
    result, _ = chart.attempt(nested("global.hardware", NAME), helm=each_helm.name)
    assert result.code
    assert "hardware" in result.stderr


def test_a_machine_without_a_file_renders_the_same_pods(copy: Path, helm: Helm) -> None:
    by_preset = template(copy, nested("global.hardware", NAME), helm)
    by_values = template(copy, yaml.safe_load(OWN), helm)
    assert by_values == by_preset


def test_the_guide_names_what_exists() -> None:
    keys = yaml.safe_load((ROOT / "schemas" / "hardware.yaml").read_text())["values"]["properties"]
    named = set(re.findall(r"`(?:rdma\.)?(\w+)`", TEXT[TEXT.index("## What your node has") : TEXT.index("## A new")]))
    every = {*keys, *keys["rdma"]["properties"]} - {"rdma", "description", "env"}
    assert every - named == set(), "keys of a machine type that the guide leaves out"
    for file in re.findall(r"`(tests/[\w/]+(?:\.py)?)`", TEXT):
        assert (ROOT / file).exists(), file
