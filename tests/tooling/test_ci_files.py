"""The files that GitHub, Renovate and pre-commit read fit their schemas and pin what they use."""

import json
import re
from collections.abc import Iterator
from typing import Any

import check_jsonschema
import pytest
import yaml
from click.testing import CliRunner

from hack.base import versions
from hack.base.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BY_HAND = "k8s.io/kubernetes"


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", [str(f) for f in WORKFLOWS]),
        ("custom.github-workflows-require-timeout", [str(f) for f in WORKFLOWS]),
        ("vendor.renovate", [str(ROOT / "renovate.json")]),
    ],
)
def test_schema(schema: str, files: list[str]) -> None:
    # In this process: starting it takes longer than the checks.
    done = CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", schema, *files])
    assert done.exit_code == 0, done.output


def test_pre_commit() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repository["hooks"]:
        assert hook["language"] == "system", "another language downloads what no hash pins"
        assert hook.keys() - {"types", "files", "pass_filenames"} == {"id", "name", "language", "entry"}
        assert (ROOT / hook["entry"].split()[0]).is_file(), hook["entry"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda f: f.name)
def test_actions_are_pinned_by_commit(file: Any) -> None:
    uses = re.findall(r"uses: (\S+)(.*)", file.read_text())
    assert uses
    for action, comment in uses:
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)
            assert re.fullmatch(r"  # v\d+\.\d+\.\d+", comment)


def test_ci_runs_make_targets_and_nothing_else() -> None:
    jobs = [job for file in WORKFLOWS for job in yaml.safe_load(file.read_text())["jobs"].values()]
    commands = {step["run"] for job in jobs for step in job.get("steps", []) if "run" in step}
    assert commands == {"make check", "make test", "make publish"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {command.removeprefix("make ") for command in commands} <= targets


def test_a_release_waits_for_the_tests_and_runs_alone() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    assert workflow["jobs"]["publish"]["needs"] == "test"
    assert workflow["concurrency"] == {"group": "release", "cancel-in-progress": False}


def managed() -> Iterator[tuple[str, str, int]]:
    """What Renovate's own expressions find in hack/data/versions.yaml: module, version, position of the version."""
    text = (ROOT / "hack" / "data" / "versions.yaml").read_text()
    for manager in json.loads((ROOT / "renovate.json").read_text())["customManagers"]:
        for expression in manager["matchStrings"]:
            for match in re.finditer(expression.replace("(?<", "(?P<"), text):
                name = match.groupdict().get("depName") or manager["depNameTemplate"]
                yield name, match["currentValue"], match.start("currentValue")


def test_renovate_finds_every_tool() -> None:
    found = {(name, version) for name, version, _ in managed()}
    for tool in versions.tools().values():
        assert (tool.package.partition("/cmd/")[0], tool.version) in found, tool.name


def test_renovate_leaves_no_version_of_a_tool_behind() -> None:
    text = (ROOT / "hack" / "data" / "versions.yaml").read_text()
    positions = {position for _, _, position in managed()}
    for tool in versions.tools().values():
        if tool.package.startswith(BY_HAND):
            continue
        for match in re.finditer(rf"(?<![\d.]){re.escape(tool.version)}(?![\d.])", text):
            line = text[text.rfind("\n", 0, match.start()) : text.find("\n", match.end())]
            if "version:" in line or "-X " in line:
                assert match.start() in positions, f"{tool.name}: {line.strip()}"


def test_renovate_moves_the_modules_of_the_tools_too() -> None:
    rules = json.loads((ROOT / "renovate.json").read_text())["packageRules"]
    enabled = set(rules[0]["matchPackageNames"])
    for tool in versions.tools().values():
        module = tool.package.partition("/cmd/")[0]
        assert module == BY_HAND or module in enabled, tool.name
