"""hack/validate.py on good and bad values files, and docs/own-values.md, whose snippets fit the services' schemas."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import check_jsonschema
import pytest
import yaml
from click.testing import CliRunner

from hack import preflight, validate
from hack.kwok import simulator
from hack.paths import ROOT
from tests.harness import chart
from tests.harness.helm import HelmError, HelmResult
from tests.harness.manifests import merged
from tests.harness.scenarios import NAMED, Scenario
from tests.scheduling.site import Site

DOC = (ROOT / "docs" / "own-values.md").read_text()
A3U = ROOT / "values" / "a3u-multi.yaml"


def file(folder: Path, **values: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def report(capsys: pytest.CaptureFixture[str], *files: Path) -> tuple[int, dict[str, Any]]:
    code = validate.run(["--no-cluster", "--json", *(str(f) for f in files)])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (code == 0) == found["ok"]
    return code, found


def test_a_good_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = report(capsys, A3U, file(tmp_path, decode={"replicas": 2}))
    assert (code, found["problems"], found["warnings"]) == (0, [], [])
    assert found["summary"]["components"] == {
        "decode": {"pods": 2, "gpus": 16},
        "frontend": {"pods": 1, "gpus": 0},
        "prefill": {"pods": 1, "gpus": 8},
    }
    assert found["summary"]["nodes"] == {"machine": "gke-a3ultra", "count": 3}
    assert found["summary"]["gpus"] == 24
    assert found["summary"]["objects"]["Deployment"] == 3
    kept, asked = re.fullmatch(r"(\d+) of (\d+) policies kept", found["done"]["policy"]).groups()  # type: ignore[union-attr]
    assert kept == asked
    assert int(asked) > 15, "the policy tests were really run"
    assert found["done"]["scheduler"].startswith("not asked")


def test_helms_message_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = report(capsys, file(tmp_path, decode={"parallelism": {"tensor": 12}}))
    assert code == 1
    (problem,) = found["problems"]
    assert problem["by"] == "helm"
    assert "decode.parallelism: a worker of 12 GPUs does not divide into nodes" in problem["message"]


def test_a_broken_policy_a_node_that_is_too_small_and_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = file(
        tmp_path,
        **{
            "global": {"hardware": "gke-a3ultra", "kvCache": {"blockSize": 16}},
            "prefill": {"securityContext": {"allowPrivilegeEscalation": True}},
            "decode": {"resources": {"requests": {"cpu": "4", "memory": "4Ti"}, "limits": {"memory": "4Ti"}}},
        },
    )
    judged = validate.validate([mine])
    found = validate.as_data(judged)
    assert found["ok"] is False
    by = {problem["by"]: problem["message"] for problem in found["problems"]}
    assert by.keys() == {"policy", "nodes"}
    assert by["policy"].startswith(
        "pods are restricted unless the machine says why not: Deployment/demo-prefill: allowPrivilegeEscalation"
    )
    assert "have only 2886Gi memory in all: lower decode.resources" in by["nodes"].replace("has", "have")
    assert [text.partition(" ")[0] for text in found["warnings"]] == ["global.kvCache.blockSize"]
    validate.show(judged)
    text = capsys.readouterr().out
    assert "2 to change" in text
    assert "Deployment/demo-prefill: allowPrivilegeEscalation" in text


@pytest.mark.parametrize(
    "values",
    [
        {"global": {"colocation": {"topologyKey": "kubernetes.io/hostname"}, "hardware": "nvidia"}},
        {"global": {"colocation": {"topologyKey": "example.com/rack"}, "hardware": "nvidia"}},
        {"global": {"hardwareSpec": {"gpusPerNode": 4, "gpuResource": "example.com/gpu"}}},
        {"global": {"hardwareSpec": {"rdma": {"extendedResources": {"example.com/nic": 1}}}}},
        {role: {"nodeSelector": {"team": "llm"}} for role in ("frontend", "prefill", "decode")},
        {"decode": {"replicas": 2, "parallelism": {"tensor": 16}, "exclusiveTopologyKey": "example.com/rack"}},
    ],
    ids=["one node", "one rack", "your own machine", "your own device", "your own labels", "a rack for each worker"],
)
def test_what_is_your_clusters_own_is_taken_to_be_there(values: dict[str, Any], tmp_path: Path) -> None:
    mine = file(tmp_path, **values)
    found = validate.Report([])
    document = preflight.needs([mine])
    assert validate.check_nodes(found, Scenario("yours", (str(mine),)), document), found.problems


def test_what_the_test_cluster_refuses_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Site):
        def install(self) -> float:
            raise HelmError(HelmResult(("helm", "install"), 1, "", "Error: admission webhook denied the request\n"), {})

    monkeypatch.setattr(validate, "Site", Refusing)
    monkeypatch.setattr(validate, "Kube", MagicMock())
    monkeypatch.setattr(simulator, "running", MagicMock())
    found = validate.Report([], summary={"components": {}})
    validate.check_scheduling(found, NAMED[0], [], Path("kubeconfig"))
    assert found.problems == [("scheduler", "Error: admission webhook denied the request")]


def test_every_file_of_this_repository_fits_its_machine() -> None:
    for scenario in NAMED:
        found = validate.Report([])
        # Rendered by tests/unit as well, so most often only read.
        rendered = chart.render(merged(scenario.values, {"preflight": {"enabled": True}}), scenario.files)
        document = json.loads(rendered.one("ConfigMap", component="preflight")["data"]["needs.json"])
        assert validate.check_nodes(found, scenario, document), found.problems


@pytest.mark.parametrize("arguments", [["none.yaml"], ["--kubeconfig=none", str(A3U)], []])
def test_a_wrong_call(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        validate.run(arguments)
    assert raised.value.code == 2


# The documentation

GITHUB, GITLAB, EDITOR = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)


@pytest.mark.parametrize(
    ("schema", "options", "text"),
    [
        ("vendor.github-workflows", [], GITHUB),
        ("custom.github-workflows-require-timeout", [], GITHUB),
        ("vendor.gitlab-ci", ["--data-transform", "gitlab-ci"], GITLAB),
    ],
)
def test_snippets_fit_their_schemas(schema: str, options: list[str], text: str, tmp_path: Path) -> None:
    path = tmp_path / "ci.yml"
    path.write_text(text)
    done = CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", schema, *options, str(path)])
    assert done.exit_code == 0, done.output


def test_snippets_use_what_this_repository_uses() -> None:
    own = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    pinned = set(re.findall(r"uses: (\S+@[0-9a-f]{40}  # v[\d.]+)", GITHUB))
    assert len(pinned) == 4
    assert [action for action in pinned if action not in own] == []
    image = yaml.safe_load(GITLAB)["validate"]["image"]
    assert yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())["default"]["image"] == image


def test_snippets_run_the_documented_target_of_the_charts_version() -> None:
    jobs = yaml.safe_load(GITHUB)["jobs"]["validate"]["steps"]
    commands = [*(step["run"] for step in jobs if "run" in step), *yaml.safe_load(GITLAB)["validate"]["script"]]
    assert [command.partition(" VALUES=")[0] for command in commands] == ["make -C dynamo-disagg validate"] * 2
    assert re.search(r"^validate:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    version = yaml.safe_load((ROOT / "Chart.yaml").read_text())["version"]
    refs = [*re.findall(r"ref: v([^,]+),", GITHUB), *re.findall(r"--branch v(\S+)", GITLAB)]
    assert refs == [version] * 2
    assert EDITOR.startswith("# yaml-language-server: $schema=")
