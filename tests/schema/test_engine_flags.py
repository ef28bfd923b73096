"""Flags of engines and of the frontend: what is refused, what is not, and how they reach the command line.

What the chart knows about flags is generated from the programs' packages (hack/flags/generate.py); a small chart
around the library chart tries it for engines as well that the chart itself does not run.
"""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hack.base.paths import ROOT
from hack.chart import render as chart
from hack.chart.helm import STUMBLES, Helm, HelmResult, values_arguments
from hack.chart.manifests import WORKERS, merged
from hack.chart.render import Render
from hack.chart.scenarios import FEATURES, NAMED, Scenario
from hack.flags import files as flagfiles
from hack.flags.programs import PROGRAMS as PROGRAMS_BY_NAME
from hack.schema import bundle as schema
from hack.schema import flagtypes

PROGRAMS = list(PROGRAMS_BY_NAME)
CHART = yaml.safe_load((ROOT / "Chart.yaml").read_text())


def table(name: str) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = yaml.load((Path(__file__).parent / name).read_text(), Loader=yaml.CSafeLoader)
    return content


MISTAKES = table("mistakes-flags.yaml")
RECIPES = table("recipes-flags.yaml")
TABLES = {
    version: {name: flagfiles.written(name, version) for name in PROGRAMS} for version in flagfiles.known_versions()
}
NEWEST, *OLDER = TABLES
KNOWN = TABLES[NEWEST]

CHECK = """
{{- range $case := .Values.cases }}
{{- $in := dict "where" "args" "flags" $case.flags "raw" $case.raw "owned" dict "role" "decode" "checked" true }}
{{- $program := dict "program" $case.program "dynamo" $case.dynamo }}
{{- $in = merge $in $program (dict "other" "frontend" "otherIs" "the frontend's") }}
---
problems: {{ include "dynamo-disagg.validate.flags" $in | trim | toJson }}
args: {{ include "dynamo-disagg.programArgs" (merge (dict "layers" $case.layers) $program) | fromYamlArray | toJson }}
{{- end }}
{{- range .Values.words }}
---
nearest: {{ include "dynamo-disagg.validate.nearest" (dict "word" .word "known" .known) | toJson }}
{{- end }}
"""


@pytest.fixture(scope="session")
def flag_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart with the library chart that checks and writes the flags of any program."""
    folder = tmp_path_factory.mktemp("flags")
    shutil.copytree(ROOT / "charts" / "common", folder / "charts" / "common")
    shutil.copytree(ROOT / "templates" / "validate", folder / "templates" / "validate")
    (folder / "templates" / "check.yaml").write_text(CHECK)
    common = {"name": "common", "version": CHART["version"]}
    meta = {"apiVersion": "v2", "name": "flags", "version": "1.0.0", "dependencies": [common]}
    (folder / "Chart.yaml").write_text(json.dumps(meta))
    (folder / "values.yaml").write_text("{cases: [], words: []}")
    return folder


def template(helm: Helm, folder: Path, **values: Any) -> tuple[HelmResult, list[dict[str, Any]]]:
    """What Helm says to some cases or words, and what the template says to each."""
    with values_arguments(values) as arguments:
        result = helm.attempt("template", "demo", str(folder), *arguments)
    assert not STUMBLES.search(result.stderr), result.stderr
    return result, [d for d in yaml.load_all(result.stdout, Loader=yaml.CSafeLoader) if d]


def case(entry: dict[str, Any]) -> dict[str, Any]:
    flags = entry.get("flags", {})
    dynamo = entry.get("dynamo", NEWEST)
    return {
        "program": entry["program"],
        "dynamo": dynamo,
        "flags": flags,
        "raw": entry.get("raw", []),
        "layers": [flags],
    }


# What is refused


@pytest.mark.parametrize("entry", MISTAKES, ids=lambda e: e["mistake"])
def test_a_mistake_is_refused(entry: dict[str, Any], each_helm: Helm, flag_chart: Path) -> None:
    if "program" in entry:
        result, outcomes = template(each_helm, flag_chart, cases=[case(entry)])
        message = result.stderr or outcomes[0]["problems"]
    else:
        result, _ = chart.attempt(entry["values"], helm=each_helm.name)
        message = result.stderr
        assert result.code, "accepted"
    missing = [part for part in entry["says"] if part not in message]
    assert not missing, f"the message lacks {missing}:\n{message}"
    assert not STUMBLES.search(message), message


def test_every_mistake_is_listed_once() -> None:
    names = [entry["mistake"] for entry in MISTAKES]
    assert sorted(names) == sorted(set(names))


def test_all_mistakes_are_reported_together() -> None:
    flags = {"max-modle-len": 1, "is-prefill-worker": True, "model": "a"}
    result, _ = chart.attempt({"prefill": {"engineArgs": flags}, "frontend": {"args": {"router-ttl": 1}}})
    assert "4 problem(s)" in result.stderr
    for flag in flags:
        assert f"prefill.engineArgs.{flag}:" in result.stderr


def test_the_nearest_name(helm: Helm, flag_chart: Path) -> None:
    cases = [
        ("vllm", "max-model-length", "max-model-len"),
        ("vllm", "tensor-parallel", "tensor-parallel-size"),
        ("vllm", "kv-dtype", "kv-cache-dtype"),
        ("vllm", "eager", "enforce-eager"),
        ("vllm", "chunked-prefill", "enable-chunked-prefill"),
        ("vllm", "trust-remotecode", "trust-remote-code"),
        ("vllm", "quantisation", "quantization"),
        ("vllm", "expert-parallel", "enable-expert-parallel"),
        ("vllm", "compile-config", "compilation-config"),
        ("vllm", "dytpe", "dtype"),
        ("vllm", "download-directory", "download-dir"),
        ("vllm", "all2all", "all2all-backend"),
        ("sglang", "memory-fraction-static", "mem-fraction-static"),
        ("sglang", "context-len", "context-length"),
        ("sglang", "chunk-prefill-size", "chunked-prefill-size"),
        ("sglang", "attention-bakend", "attention-backend"),
        ("sglang", "disagg-transfer-backend", "disaggregation-transfer-backend"),
        ("sglang", "watch-dog-timeout", "watchdog-timeout"),
        ("sglang", "disable-radix", "disable-radix-cache"),
        ("frontend", "http-prot", "http-port"),
        ("frontend", "kv-block-size", "kv-cache-block-size"),
        ("frontend", "tls-cert", "tls-cert-path"),
    ]
    words = [{"word": typed, "known": sorted(KNOWN[program]["flags"])} for program, typed, _ in cases]
    _, outcomes = template(helm, flag_chart, words=words)
    assert [o["nearest"] for o in outcomes] == [meant for _, _, meant in cases]


# What is not


def test_recipes_are_accepted(each_helm: Helm, flag_chart: Path) -> None:
    result, outcomes = template(each_helm, flag_chart, cases=[case(entry) for entry in RECIPES])
    assert not result.code, result.stderr
    problems = {e["recipe"]: o["problems"] for e, o in zip(RECIPES, outcomes, strict=True)}
    assert {recipe: text for recipe, text in problems.items() if text} == {}


def of_version(scenario: Scenario, version: str) -> Scenario:
    """A scenario with the images of a version of Dynamo, without the one flag in them that only the newest has."""
    engine: dict[str, Any] = {"image": {"tag": version}}
    if version in OLDER and "publish-metrics" in scenario.effective["global"]["engine"].get("args", {}):
        engine["args"] = {"publish-metrics": None}
    return replace(scenario, values=merged(scenario.values, {"global": {"engine": engine}}))


@pytest.mark.parametrize("version", TABLES)
@pytest.mark.parametrize("scenario", [*NAMED, *FEATURES], ids=lambda s: s.name)
def test_every_flag_that_the_chart_writes_exists(scenario: Scenario, version: str) -> None:
    manifests = of_version(scenario, version).render()
    for component in ("frontend", *WORKERS):
        for pod in manifests.pods(component):
            arguments = pod.containers()[-1].args()
            if component == "frontend":
                program = TABLES[version]["frontend"]  # in files/frontend.py
            elif "-m" in arguments:
                program = TABLES[version][arguments[arguments.index("-m") + 1].removeprefix("dynamo.")]
            else:
                assert not pod.leads
                continue  # TensorRT-LLM's other ranks are started by their leader
            flags = [a.removeprefix("--").partition("=")[0] for a in arguments if a.startswith("--")]
            assert flags
            for flag in flags:
                negated = program["flags"].get(flag.removeprefix("no-")) == "bool"
                assert flag in program["flags"] or negated, f"{pod.id}: --{flag}"


def test_an_unchecked_engine(render: Render) -> None:
    flags = {"new-in-0-99": True, "dtype": "float4"}
    values = {"version": "unchecked", "image": {"tag": "9.9.9"}, "args": flags}
    container = render({"global": {"engine": values}}).pod("decode").container()
    assert container.flag("dtype") == "float4"
    assert container.flag("new-in-0-99") == ""
    assert "flags were not checked" in chart.notes({"global": {"engine": values}})


def test_an_unchecked_engine_still_has_flags_that_the_chart_sets() -> None:
    values = {"version": "unchecked", "args": {"model": "a"}}
    result, _ = chart.attempt({"global": {"engine": values}})
    assert "the chart sets --model" in result.stderr


@pytest.mark.parametrize("tag", ["1.6.1", "v1.6.1", "1.6.1-cuda13", "1.6.1-mirror.2", "1.6.1_a"])
def test_tags_of_the_same_version(render: Render, tag: str) -> None:
    render({"global": {"engine": {"image": {"tag": tag}}}})


def test_another_tag_of_the_same_engine(render: Render) -> None:
    engine = {"image": {"tag": "2025-11-20"}, "version": KNOWN["vllm"]["version"]}
    render({"global": {"engine": engine}})
    result, _ = chart.attempt({"global": {"engine": {**engine, "args": {"banana": 1}}}})
    assert "global.engine.args.banana" in result.stderr


# Values: Helm's rules and the schema for editors say the same

TRIED: list[Any] = [
    *(
        True,
        False,
        0,
        1,
        -1,
        7,
        16,
        64,
        0.5,
        1.5,
        1e6,
        1e-5,
        "",
        "0",
        "1",
        "-1",
        "+3",
        "1_000",
        "0.5",
        ".5",
        "5.",
        "1e3",
    ),
    *("1k", "2K", "1.5G", "auto", "AUTO", "none", "None", "inf", "text", "a b", "{}", ' {"a": 1}', "[1]", "null"),
    *({}, {"a": 1}, [], [1], [1, 2.5], ["1", 2], ["a"], [True], [{}], ["all", "None"], "true", "False"),
]


def samples(program: str) -> dict[str, Any]:
    """A flag of each type and of each way to be written, with its schema; all that have choices of their own."""
    known = KNOWN[program]
    found: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    schemas = schema_of(program)
    for name in known["flags"]:
        # What is written as one flag of a group, or refused on workers, has no value to check.
        if known["flags"][name] in ("dotted", "router"):
            continue
        keywords = {k: v for k, v in schemas["properties"][name].items() if k not in ("description", "deprecated")}
        found.setdefault((known["flags"][name], json.dumps(keywords)), (name, keywords))
    return {name: {**keywords, "$defs": schemas["$defs"]} for name, keywords in found.values()}


def schema_of(program: str) -> dict[str, Any]:
    content = json.loads(schema.EDITOR.read_text())
    return {**content["$defs"][f"engines.{NEWEST}.{program}.flags"], "$defs": content["$defs"]}


@pytest.mark.parametrize("program", PROGRAMS)
def test_helm_and_editors_take_the_same_values(helm: Helm, flag_chart: Path, program: str) -> None:
    rows = [(flag, value) for flag in samples(program) for value in TRIED]
    _, outcomes = template(helm, flag_chart, cases=[case({"program": program, "flags": {f: v}}) for f, v in rows])
    validators = {flag: Draft202012Validator(schema) for flag, schema in samples(program).items()}
    differ = [
        (flag, value, outcome["problems"])
        for (flag, value), outcome in zip(rows, outcomes, strict=True)
        if (validators[flag].is_valid(value) and in_bounds(validators[flag].schema, value)) != (not outcome["problems"])
    ]
    assert differ == []


def in_bounds(flag: Any, value: Any) -> bool:
    """Whether a number that is written as a text is in bounds, which JSON Schema knows of numbers only."""
    if not (isinstance(value, str) and re.fullmatch(r"-?[0-9.]+", value)):
        return True
    return Draft202012Validator({k: flag[k] for k in flagtypes.BOUNDS if k in flag}).is_valid(float(value))


def test_written_bounds_are_of_flags_that_are_there() -> None:
    for program, flags in flagfiles.bounds().items():
        known = schema_of(program)["properties"]
        for name, bounds in flags.items():
            assert bounds.items() <= known[name].items(), name


# How flags reach the command line


def test_flags_are_written(helm: Helm, flag_chart: Path) -> None:
    rows: list[tuple[str, dict[str, Any], list[str]]] = [
        ("vllm", {"enforce-eager": True}, ["--enforce-eager"]),
        ("vllm", {"enforce-eager": False}, ["--no-enforce-eager"]),
        ("vllm", {"disable-log-stats": False}, []),
        ("sglang", {"trust-remote-code": False, "enable-metrics": True}, ["--enable-metrics"]),
        ("vllm", {"cudagraph-capture-sizes": [1, 2, 8]}, ["--cudagraph-capture-sizes", "1", "2", "8"]),
        ("vllm", {"cudagraph-capture-sizes": []}, []),
        ("vllm", {"allowed-media-domains": "a.com"}, ["--allowed-media-domains", "a.com"]),
        ("sglang", {"cuda-graph-bs-decode": [1, 2]}, ["--cuda-graph-bs-decode", "1", "2"]),
        ("sglang", {"lora-paths": ["a=b", {"lora_name": "c"}]}, ["--lora-paths", "a=b", '{"lora_name":"c"}']),
        (
            "frontend",
            {"frontend-route-extension": ["a", "b"]},
            [*["--frontend-route-extension", "a"], *["--frontend-route-extension", "b"]],
        ),
        (
            "sglang",
            {"decoupled-spec-connect-endpoints": ["a", "b"]},
            ["--decoupled-spec-connect-endpoints", '["a","b"]'],
        ),
        ("vllm", {"compilation-config": {"mode": 3}}, ["--compilation-config", '{"mode":3}']),
        ("vllm", {"compilation-config.use_inductor": False}, ["--compilation-config.use_inductor", "false"]),
        ("trtllm", {"trtllm.disable_overlap_scheduler": True}, ["--trtllm.disable_overlap_scheduler", "true"]),
        ("vllm", {"hf-token": True}, ["--hf-token"]),
        ("vllm", {"hf-token": False}, []),
        ("vllm", {"hf-token": "abc"}, ["--hf-token", "abc"]),
        ("vllm", {"max-model-len": 131072, "seed": -1}, ["--max-model-len", "131072", "--seed", "-1"]),
        ("vllm", {"gpu-memory-utilization": 0.95}, ["--gpu-memory-utilization", "0.95"]),
        ("sglang", {"tensor-parallel-size": 8}, ["--tp-size", "8"]),
    ]
    _, outcomes = template(helm, flag_chart, cases=[case({"program": p, "flags": f}) for p, f, _ in rows])
    found = [(p, f, o["args"]) for (p, f, _), o in zip(rows, outcomes, strict=True)]
    assert found == rows


def test_a_layer_replaces_what_another_wrote_under_an_alias(helm: Helm, flag_chart: Path) -> None:
    layers = [{"device-memory-utilization": 0.8, "seed": 1}, {"gpu-memory-utilization": 0.9}]
    one = {**case({"program": "vllm"}), "layers": layers}
    _, outcomes = template(helm, flag_chart, cases=[one])
    assert outcomes[0]["args"] == ["--gpu-memory-utilization", "0.9", "--seed", "1"]


# What was generated


@pytest.mark.parametrize("version", TABLES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_flag_is_either_there_or_removed(program: str, version: str) -> None:
    known = TABLES[version][program]
    names = known["flags"].keys() | known["aliases"].keys()
    assert not names & known["removed"].keys()
    assert set(known["aliases"].values()) <= known["flags"].keys()


def test_the_newest_version_is_the_default() -> None:
    assert CHART["appVersion"] == NEWEST
    references = re.findall(r"engines/([0-9.]+)/", (ROOT / "schemas" / "engines.yaml").read_text())
    assert set(references) == {NEWEST}, "schemas/engines.yaml: editors know the newest version's flags"


@pytest.mark.parametrize("version", TABLES)
def test_a_version_is_chosen_by_the_tag_or_by_name(version: str) -> None:
    table = TABLES[version]["sglang"]
    others = [name for v, tables in TABLES.items() if v != version for name in tables["sglang"]["flags"]]
    own = min(table["flags"].keys() - set(others))
    for image in ({"image": {"tag": f"{version}-cuda13"}}, {"image": {"tag": "ours"}, "version": table["version"]}):
        engine = {"name": "sglang", **image, "args": {own: 1, "no-such": 1}}
        result, _ = chart.attempt({"global": {"engine": engine}})
        assert f"global.engine.args.{own}: {table['label']} has no such flag" not in result.stderr
        assert f"global.engine.args.no-such: {table['label']} has no such flag" in result.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_advice_names_flags_that_exist(program: str) -> None:
    """What a message says to use instead has to be accepted."""
    everywhere = {name for known in KNOWN.values() for name in known["flags"].keys() | known["aliases"].keys()}
    names = KNOWN[program]["flags"].keys() | KNOWN[program]["aliases"].keys()
    for flag, (_, text) in KNOWN[program]["removed"].items():
        assert text, f"{program}: {flag}: say in schemas/engines/removed.yaml what to do instead"
        if match := re.match(r"use ([a-z0-9-]+)(?=$|[:; ,])(?!.* in frontend)", text):
            assert match[1] in names, f"{program}: {flag}: {text}"
        elif match := re.match(r"use ([a-z0-9-]+) in frontend.args", text):
            assert match[1] in everywhere, f"{program}: {flag}: {text}"


def test_flags_that_the_chart_sets_exist() -> None:
    """A define `owned` with a flag that is gone would hide the message that says so."""
    for program in PROGRAMS:
        template_file = ROOT / "charts" / "common" / "templates" / "engines" / f"_{program}.tpl"
        if program == "frontend":
            template_file = ROOT / "charts" / "frontend" / "templates" / "_frontend.tpl"
        match = re.search(r'define "[a-z.-]*owned" -}}\n(.*?)\n{{- end }}', template_file.read_text(), re.DOTALL)
        assert match, template_file
        owned = yaml.load(match[1], Loader=yaml.CSafeLoader)
        # trtllm.a.b is a setting inside the flag trtllm.
        assert {name.partition(".")[0] for name in owned} <= KNOWN[program]["flags"].keys() | KNOWN[program][
            "aliases"
        ].keys()
