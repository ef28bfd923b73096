"""`validate` on good and bad values files, and docs/own-values.md, whose snippets fit the services' schemas."""

import json
import re
import socket
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import check_jsonschema
import pytest
import yaml
from click.testing import CliRunner

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.chart import render as chart
from hack.chart.helm import HelmError, HelmResult
from hack.chart.installation import Installation, plan
from hack.chart.manifests import Manifests, merged
from hack.chart.scenarios import NAMED, Scenario
from hack.cluster import kube
from hack.kwok import simulator, trial
from hack.kwok.site import Site
from hack.verbs import cli, validate

DOC = (ROOT / "docs" / "own-values.md").read_text()
A3U = ROOT / "values" / "a3u-multi.yaml"


def file(folder: Path, **values: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def affinity(key: str, value: str) -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def report(capsys: pytest.CaptureFixture[str], *files: Path) -> tuple[int, dict[str, Any]]:
    code = cli.run(["validate", "--no-cluster", "--json", *(str(f) for f in files)])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (code == 0) == found["ok"]
    return code, found


@pytest.mark.parametrize(("encoders", "nodes"), [(1, 1), (2, 2)])
def test_encoders_have_nodes_too(tmp_path: Path, capsys: pytest.CaptureFixture[str], encoders: int, nodes: int) -> None:
    shared = {"serving": "aggregated", "model": {"name": "Qwen/Qwen3-VL-4B-Instruct", "sizeGiB": 9}}
    values = {"global": shared, "encode": {"replicas": encoders}, "decode": {"replicas": 7}}
    code, found = report(capsys, file(tmp_path, **values))
    assert (code, found["problems"]) == (0, [])
    assert found["summary"]["components"]["encode"] == {"pods": encoders, "gpus": encoders}
    assert (found["summary"]["nodes"]["count"], found["summary"]["gpus"]) == (nodes, 7 + encoders)


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
    assert int(asked) > 15
    assert found["done"]["scheduler"].startswith("not asked")


def test_what_a_scaler_keeps_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = {"parallelism": {"tensor": 16}}
    scaled = {role: {"autoscaling": {"enabled": True, "minReplicas": 3}} for role in ("frontend", "decode")}
    prometheus = {"prometheusUrl": "http://prometheus:9090"}
    values = {"autoscaling": prometheus, "prefill": wide, "decode": {**scaled["decode"], **wide}}
    code, found = report(capsys, file(tmp_path, **values, frontend=scaled["frontend"]))
    assert (code, found["problems"]) == (0, [])
    assert found["summary"]["components"] == {
        "decode": {"pods": 6, "gpus": 48},
        "frontend": {"pods": 3, "gpus": 0},
        "prefill": {"pods": 2, "gpus": 16},
    }


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
            "global": {
                "hardware": "gke-a3ultra",
                "kvCache": {"blockSize": 16},
                "engine": {"image": {"tag": "latest"}, "version": "unchecked"},
            },
            "decode": {"resources": {"requests": {"cpu": "4", "memory": "4Ti"}, "limits": {"memory": "4Ti"}}},
        },
    )
    judged = validate.validate([mine])
    found = validate.as_data(judged)
    assert found["ok"] is False
    by = {problem["by"]: problem["message"] for problem in found["problems"]}
    assert list(by) == ["policy", "nodes"]
    assert by["policy"].startswith("images are pinned: Pod/demo-test/verify: ")
    assert "have only 2886Gi memory in all: lower decode.resources" in by["nodes"].replace("has", "have")
    assert [text.partition(" ")[0] for text in found["warnings"]] == ["global.kvCache.blockSize", "the"]
    validate.show(judged)
    text = capsys.readouterr().out
    assert f"{len(judged.problems)} to change" in text
    assert "images are pinned" in text


@pytest.mark.parametrize("enabled", [None, True, False])
def test_a_preflight_is_judged_where_the_values_ask_for_one(enabled: bool | None, tmp_path: Path) -> None:
    """The document of what a release needs comes from the same render, whatever the values say about the preflight."""
    mine = file(tmp_path, **({} if enabled is None else {"preflight": {"enabled": enabled}}))
    made = plan(Scenario("given", (str(mine),)))
    assert bool(made.manifests.all(component="preflight")) is bool(enabled)
    assert [pool["component"] for pool in made.needs["pools"]] == ["decode", "frontend", "prefill"]


@pytest.mark.parametrize("values", [{"preflight": 5}, {"preflight": {"enabled": "yes"}}])
def test_a_wrong_value_of_the_preflight_is_found(values: dict[str, Any], tmp_path: Path) -> None:
    (problem,) = validate.validate([file(tmp_path, **values)]).problems
    assert problem[0] == "helm"
    assert "preflight" in problem[1]


def test_a_key_that_stands_twice_is_lost(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("prefill: {replicas: 2}\ndecode:\n  env: {A: a}\n  tolerations: [{key: a, key: b}]\nprefill: {}\n")
    assert [(by, text.partition(": ")[2]) for by, text in validate.validate([mine]).problems] == [
        (
            "yaml",
            "decode.tolerations[0].key stands in lines 4 and 4, and only the last one counts: write it once",
        ),
        ("yaml", "prefill stands in lines 1 and 5, and only the last one counts: write it once"),
    ]


@pytest.mark.parametrize("text", ["a: [", "\tb: 1"])
def test_a_file_that_is_no_yaml(text: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    ((by, message),) = validate.validate([mine]).problems
    assert (by, "not valid YAML" in message) == ("yaml", True)


def test_a_file_without_values(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("# nothing\n")
    assert validate.validate([mine]).problems == []


def test_an_object_that_kubernetes_would_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "dataa": {}}
    monkeypatch.setattr(validate, "plan", lambda *_, **__: Installation(Manifests([bad]), "", {}))
    ((by, message),) = validate.validate([A3U]).problems
    assert by == "kubernetes"
    assert message.startswith("ConfigMap/a: $: ")


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
    scenario = Scenario("given", (str(mine),))
    assert validate.check_nodes(found, scenario, plan(scenario).needs), found.problems


RIGHT = yaml.safe_load((Path(__file__).parent / "data" / "right.yaml").read_text())


@pytest.mark.parametrize("entry", RIGHT, ids=lambda e: e["name"])
def test_what_is_right_is_no_problem(entry: dict[str, Any], tmp_path: Path) -> None:
    assert validate.validate([file(tmp_path, **entry["values"])]).problems == []


def channels(**decode: Any) -> dict[str, Any]:
    """A machine of four GPUs and one channel of a ComputeDomain, with workers of two GPUs."""
    spec = {"gpusPerNode": 4, "computeDomain": True}
    return {"global": {"hardwareSpec": spec}, "prefill": {"parallelism": {"tensor": 2}}, "decode": decode}


@pytest.mark.parametrize(
    ("values", "count"),
    [
        # One channel of the ComputeDomain for each node, whatever the GPUs.
        (channels(parallelism={"tensor": 2}), 2),
        # A4X Max has eight NICs for a node, and each worker claims eight.
        ({"global": {"hardware": "gke-a4xmax", "hardwareSpec": {"computeDomain": False}}}, 2),
        # Two pools of nodes.
        ({role: {"nodeSelector": {"pool": role}} for role in ("prefill", "decode")}, 2),
        # A node holds as many NICs as its workers ask for.
        ({"global": {"hardwareSpec": {"rdma": {"extendedResources": {"example.com/nic": 16}}}}}, 1),
    ],
)
def test_as_many_nodes_as_the_workers_need(values: dict[str, Any], count: int, tmp_path: Path) -> None:
    judged = validate.validate([file(tmp_path, **values)])
    assert judged.problems == []
    assert judged.summary["nodes"]["count"] == count


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"decode": {"nodeSelector": {"cloud.google.com/gke-accelerator": "nvidia-l40s"}}}, "set global.hardware to"),
        (
            {"global": {"hardwareSpec": {"rdma": {"extendedResources": {"networking.gke.io.networks/rdma-0": 2}}}}},
            "rdma-0",
        ),
        (
            {"decode": {"affinity": affinity("cloud.google.com/gke-accelerator", "nvidia-b200")}},
            "change decode.affinity",
        ),
    ],
)
def test_what_the_machine_type_does_not_have_is_a_problem(values: dict[str, Any], words: str, tmp_path: Path) -> None:
    base = {role: {"parallelism": {"tensor": 8}} for role in ("prefill", "decode")}
    values = merged(merged(base, {"global": {"hardware": "gke-a3ultra"}}), values)
    problems = validate.validate([file(tmp_path, **values)]).problems
    assert [by for by, _ in problems] == ["nodes"] * len(problems)
    assert [text for _, text in problems if words in text]


def test_what_the_test_cluster_refuses_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Site):
        def install(self) -> float:
            raise HelmError(HelmResult(("helm", "install"), 1, "", "Error: admission webhook denied the request\n"), {})

    monkeypatch.setattr(kube, "Kube", MagicMock())
    monkeypatch.setattr(trial, "Site", Refusing)
    monkeypatch.setattr(trial, "Kube", MagicMock())
    monkeypatch.setattr(simulator, "running", MagicMock())
    found = validate.Report([], summary={"components": {}})
    validate.check_scheduling(found, NAMED[0], [], Path("kubeconfig"))
    assert found.problems == [("scheduler", "Error: admission webhook denied the request")]


SILENT = """
clusters: [{name: a, cluster: {server: "https://127.0.0.1:PORT"}}]
users: [{name: a, user: {token: t}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
"""


@pytest.mark.parametrize(
    ("text", "listens", "why"),
    [
        (SILENT, False, "no answer from the API server https://127.0.0.1:"),
        # As one that stalls, or a program of others on the port that the cluster had.
        (SILENT, True, "no answer from the API server https://127.0.0.1:"),
        ("", False, "cannot read kubeconfig"),
    ],
)
def test_a_kubeconfig_whose_cluster_is_gone_costs_no_report(
    text: str, listens: bool, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(validate, "ANSWER_SECONDS", 0.5)
    kubeconfig = tmp_path / "kubeconfig"
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        if listens:
            port.listen()
        kubeconfig.write_text(text.replace("PORT", str(port.getsockname()[1])))
        code = cli.run(["validate", "--json", f"--kubeconfig={kubeconfig}", str(A3U)])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["problems"], found["summary"]["gpus"]) == (0, [], 16)
    assert found["done"]["scheduler"].startswith(f"not asked: {why}")
    assert len(found["done"]["scheduler"]) < 200


def test_a_scheduler_that_gives_no_answer_costs_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "Kube", MagicMock())
    monkeypatch.setattr(trial, "placed", MagicMock(side_effect=UserError("kwok ended with exit code 1")))
    found = validate.Report([], summary={"components": {}})
    validate.check_scheduling(found, NAMED[0], [], Path("kubeconfig"))
    assert found.problems == [("scheduler", "kwok ended with exit code 1")]
    assert found.done["scheduler"] == "gave no answer"


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
        cli.run(["validate", *arguments])
    assert raised.value.code == 2


# The documentation

PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "UPGRADING.md"]
BLOCKS = [(page, text) for page in PAGES for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.M | re.S)]
TOP = yaml.safe_load((ROOT / "values.yaml").read_text()).keys()
EXAMPLES = [
    pytest.param(content, id=f"{page.stem}-{number}")
    for number, (page, text) in enumerate(BLOCKS)
    if "{{" not in text and len(found := list(yaml.safe_load_all(text))) == 1
    if isinstance(content := found[0], dict) and content.keys() <= TOP
]


@pytest.mark.parametrize("values", EXAMPLES)
def test_an_example_of_the_documentation_is_no_problem(values: dict[str, Any], tmp_path: Path) -> None:
    assert validate.validate([file(tmp_path, **values)]).problems == []


def test_the_documentation_has_examples() -> None:
    assert len(EXAMPLES) > 8


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
    (go,) = re.findall(r'go-version: "([\d.]+)"', GITHUB)
    assert f"golang:{go}." in yaml.safe_load(GITLAB)["validate"]["image"]


def test_snippets_run_the_documented_target_of_the_charts_version() -> None:
    jobs = yaml.safe_load(GITHUB)["jobs"]["validate"]["steps"]
    commands = [*(step["run"] for step in jobs if "run" in step), *yaml.safe_load(GITLAB)["validate"]["script"]]
    assert [command.partition(" VALUES=")[0] for command in commands] == ["make -C dynamo-disagg validate"] * 2
    assert re.search(r"^validate:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    version = yaml.safe_load((ROOT / "Chart.yaml").read_text())["version"]
    refs = [*re.findall(r"ref: v([^,]+),", GITHUB), *re.findall(r"--branch v(\S+)", GITLAB)]
    assert refs == [version] * 2
    assert EDITOR.startswith("# yaml-language-server: $schema=")
