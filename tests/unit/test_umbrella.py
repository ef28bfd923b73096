"""The chart as a dependency of another one, twice in one release, as platform teams do it."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.base.paths import ROOT
from hack.chart.helm import Helm, HelmResult
from hack.chart.manifests import Manifests
from hack.chart.render import CHART_PARTS
from hack.chart.renderer import KUBE_VERSION

VERSION = yaml.safe_load((ROOT / "Chart.yaml").read_text())["version"]
PARENT = {
    "apiVersion": "v2",
    "name": "platform",
    "version": "1.0.0",
    "dependencies": [
        {"name": "dynamo-disagg", "alias": alias, "version": VERSION, "condition": f"{alias}.enabled"}
        for alias in ("small", "large")
    ],
}


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wrapping chart with two copies of ours."""
    folder = tmp_path_factory.mktemp("umbrella") / "platform"
    ours = folder / "charts" / "dynamo-disagg"
    ours.mkdir(parents=True)
    for part in CHART_PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, ours / part)
        elif source.exists():
            shutil.copy(source, ours / part)
    (folder / "Chart.yaml").write_text(yaml.safe_dump(PARENT))
    return folder


def template(helm: Helm, folder: Path, values: dict[str, Any] | str) -> HelmResult:
    file = folder.parent / f"values-{os.urandom(4).hex()}.yaml"
    file.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return helm.attempt("template", "demo", str(folder), "--kube-version", KUBE_VERSION, "--values", str(file))


def objects(result: HelmResult) -> Manifests:
    assert result.code == 0, result.stderr
    documents = yaml.load_all(result.stdout, Loader=yaml.CSafeLoader)
    return Manifests([document for document in documents if document])


def both(**large: Any) -> dict[str, Any]:
    return {
        "global": {"team": "search"},
        "small": {"global": {"nameOverride": "small"}},
        "large": {"global": {"nameOverride": "large"}, **large},
    }


def test_a_wrapping_chart_keeps_its_own_global_keys(parent: Path, each_helm: Helm) -> None:
    values = {"global": {"team": "search"}, "small": {"enabled": True}, "large": {"enabled": False}}
    assert objects(template(each_helm, parent, values)).pod("decode")


def test_two_copies_in_one_release(parent: Path, each_helm: Helm) -> None:
    manifests = objects(template(each_helm, parent, both()))
    ids = manifests.ids()
    assert len(ids) == len(set(ids)), "two objects of one name"
    scopes = {c.env()["DYN_NAMESPACE"] for c in manifests.containers() if "DYN_NAMESPACE" in c.env()}
    assert scopes == {"default-demo-small", "default-demo-large"}


def test_two_copies_as_documented_keep_their_own_model_and_image(parent: Path, each_helm: Helm, role: str) -> None:
    """Helm shares maps two levels below the parent's global: findings/helm-global-maps-are-shared-by-aliases.sh."""
    page = (ROOT / "docs" / "pods.md").read_text()
    (block,) = re.findall(r"```yaml\n(global:.*?\nlarge:.*?)```", page, re.DOTALL)
    seen = {}
    for pod in objects(template(each_helm, parent, block)).pods(role):
        engine = pod.container()
        claims = [v["persistentVolumeClaim"] for v in pod.volumes().values() if "persistentVolumeClaim" in v]
        model = engine.flag("served-model-name")
        seen[pod.owner["metadata"]["name"]] = (engine.spec["image"], model, claims, "HF_TOKEN" in engine.env())
    image = "registry.example.com/llm/vllm-runtime"
    claim = {"claimName": "small-weights", "readOnly": True}
    assert seen == {
        f"demo-small-{role}": (f"{image}:1.6.1", "Qwen/Qwen3-0.6B", [claim], False),
        f"demo-large-{role}": (f"{image}:1.5.1", "Qwen/Qwen3-4B", [], True),
    }


def test_a_preflight_asks_for_its_own_copy_only(parent: Path, each_helm: Helm) -> None:
    manifests = objects(template(each_helm, parent, both(preflight={"enabled": True}, prefill={"replicas": 3})))
    needs = json.loads(manifests.one("ConfigMap", component="preflight")["data"]["needs.json"])
    assert needs["instance"] == "demo-large"
    assert {pool["component"]: pool["groups"] for pool in needs["pools"]} == {"frontend": 1, "prefill": 3, "decode": 1}


def test_a_typo_below_an_alias_is_refused(parent: Path, each_helm: Helm) -> None:
    result = template(each_helm, parent, both(prefil={"replicas": 2}))
    assert result.code
    assert "'prefil' not allowed" in result.stderr


def test_rules_apply_to_each_copy(parent: Path, each_helm: Helm) -> None:
    result = template(each_helm, parent, both(prefill={"parallelism": {"tensor": 12}}))
    assert result.code
    assert "prefill.parallelism: a worker of 12 GPUs does not divide" in result.stderr


def test_two_copies_of_one_name_are_refused(parent: Path, each_helm: Helm) -> None:
    """Helm would make the objects of one copy out of the other's, or stop in the middle."""
    result = template(each_helm, parent, {"large": {"global": {"nameOverride": "large"}}, "small": {}})
    assert result.code == 0, result.stderr
    result = template(each_helm, parent, {"large": {}, "small": {}})
    assert result.code
    assert "large.global.nameOverride=large" in result.stderr or "small.global.nameOverride=small" in result.stderr
