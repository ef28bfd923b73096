"""The rejection table: ordinary mistakes are refused with a message that says what to change."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.base.paths import ROOT
from hack.chart import render as chart
from hack.chart.helm import STUMBLES, HelmResult
from hack.chart.manifests import Manifests
from hack.chart.render import Render

HERE = Path(__file__).parent


def table(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = yaml.load((HERE / name).read_text(), Loader=yaml.CSafeLoader)
    return entries


FLAGS = table("mistakes-flags.yaml")  # test_engine_flags.py
ABOUT = ("", "-rules", "-security", "-engines", "-silence", "-peers", "-encoders", "-containers", "-pairs")
MISTAKES = [e for f in ABOUT for e in table(f"mistakes{f}.yaml")]
# Defects of other charts that values can express; the others are about files, manifests and documentation.
DEFECTS = {
    "gpu-recipes": {1, 4, 5, 6, 7, 8, 9},
    "tke": {1, 3, 4, 5, 6, 7, 8, 9, 10},
}


@pytest.mark.parametrize("helm", ["helm", "helm3"])
@pytest.mark.parametrize("entry", MISTAKES, ids=lambda e: e["mistake"])
def test_a_mistake_is_refused(entry: dict[str, Any], helm: str) -> None:
    result, objects = attempt(entry, helm)
    assert result.code, f"accepted, {len(objects)} objects rendered"
    missing = [part for part in entry["says"] if part not in result.stderr]
    assert not missing, f"the message lacks {missing}:\n{result.stderr}"
    assert not STUMBLES.search(result.stderr), result.stderr


def attempt(entry: dict[str, Any], helm: str, binary: bool = False) -> tuple[HelmResult, Manifests]:
    release = entry.get("release", "demo")
    return chart.attempt(entry["values"], entry.get("files", ()), release=release, helm=helm, binary=binary)


@pytest.mark.parametrize("entry", [e for e in MISTAKES if "instead" in e], ids=lambda e: e["mistake"])
def test_what_is_just_right_is_accepted(entry: dict[str, Any], render: Render) -> None:
    render(entry["instead"], entry.get("files", ()))


@pytest.mark.parametrize("helm", ["helm", "helm3"])
@pytest.mark.parametrize("entry", MISTAKES[::10], ids=lambda e: e["mistake"])
def test_the_engines_say_what_helm_says(entry: dict[str, Any], helm: str) -> None:
    said, by_binary = (attempt(entry, helm, binary)[0].stderr for binary in (False, True))
    # Of several problems with the schema either says any first.
    missing = [line for line in said.split("\n") if line.strip() not in by_binary]
    assert missing == []


def test_every_mistake_is_another_one() -> None:
    for key in ("mistake", "values"):
        texts = Counter(
            json.dumps([e[key], e.get("files")], sort_keys=True) for e in MISTAKES if key != "values" or e[key]
        )
        assert [text for text, count in texts.items() if count > 1] == []
    assert len(MISTAKES) + len(FLAGS) >= 700


def checks() -> list[str]:
    """The messages of all checks of the engines and the frontend, with placeholders."""
    texts = [path.read_text() for path in sorted((ROOT / "templates" / "validate").glob("**/*.tpl"))]
    found = re.findall(
        r'define "dynamo-disagg[.]validate[.][a-z.]+[.]checks" -}}\n(.*?){{- end }}', "\n".join(texts), re.DOTALL
    )
    tables = [yaml.load(text, Loader=yaml.CSafeLoader) for text in found]
    return [check["says"] for table in tables for rows in table.values() for check in rows]


def test_every_check_of_an_engine_refuses_a_mistake() -> None:
    said = "\n".join(attempt(entry, "helm")[0].stderr for entry in MISTAKES)
    assert len(checks()) > 100
    unseen = [text for text in checks() if not re.search(re.sub(r"\\{.*?\\}", ".*", re.escape(text)), said)]
    assert unseen == []


def test_defects_of_other_charts_are_refused() -> None:
    seen: dict[str, set[int]] = {chart: set() for chart in DEFECTS}
    for entry in MISTAKES:
        name, _, number = entry.get("source", "").partition(" ")
        if number.isdigit():
            seen[name].add(int(number))
    assert seen == DEFECTS
