"""Whatever is typed as a variable, a flag or an argument arrives in the container as it was typed."""

import json
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hack.chart import render as chart
from hack.chart.manifests import Container

# What YAML, shells and templates trip over, beside what hypothesis thinks of.
AWKWARD = [
    *("", " ", "yes", "no", "on", "y", "null", "~", "true", "0x10", "0o7", "1e3", "1_000", "012", "1.10", ".5"),
    *("a: b", "- a", "#c", "a #b", "'", '"', "\\", "\\n", "%d", "{{ .Values }}", "$(POD_IP)x", "$$", "`id`"),
    *("é", "漢字", "😀", "two\nlines", "tab\there", "  both ends  ", "|", ">", "&a", "*a", "!t", "@", "1:30"),
]
# Kubernetes takes any text but NUL; values are JSON, so no lone surrogates. Carriage returns and the like are
# left out: YAML normalises them on the way, and no command line needs them.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30)
NUMBER = st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
JSON = st.recursive(
    TEXT | NUMBER | st.booleans(), lambda x: st.lists(x, max_size=3) | st.dictionaries(TEXT, x, max_size=3)
)
DETERMINISTIC = settings(
    max_examples=5,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # shrinking would render thousands of times
    suppress_health_check=list(HealthCheck),
)


def engine(values: dict[str, Any]) -> Container:
    return chart.render({"prefill": values, "global": {"engine": {"version": "unchecked"}}}).pod("prefill").container()


@DETERMINISTIC
@given(st.lists(TEXT, min_size=20, max_size=40))
def test_variables(texts: list[str]) -> None:
    variables = {f"V{number}": text for number, text in enumerate([*AWKWARD, *texts])}
    found = engine({"env": variables}).env()
    assert {name: found[name] for name in variables} == variables


@DETERMINISTIC
@given(st.lists(TEXT, min_size=20, max_size=40))
def test_raw_arguments(texts: list[str]) -> None:
    arguments = [*AWKWARD, *texts]
    assert engine({"extraArgs": arguments}).args()[-len(arguments) :] == arguments


@DETERMINISTIC
@given(st.lists(TEXT | NUMBER, min_size=20, max_size=40))
def test_flags(values: list[str | int]) -> None:
    flags = {f"x-{number}": value for number, value in enumerate([*AWKWARD, *values])}
    arguments = engine({"engineArgs": flags}).args()
    for name, value in flags.items():
        assert arguments[arguments.index(f"--{name}") + 1] == str(value)


@DETERMINISTIC
@given(st.lists(st.dictionaries(TEXT, JSON, min_size=1, max_size=4), min_size=10, max_size=20))
def test_structured_flags_are_json(values: list[dict[str, Any]]) -> None:
    flags = {f"x-{number}": value for number, value in enumerate(values)}
    arguments = engine({"engineArgs": flags}).args()
    for name, value in flags.items():
        assert json.loads(arguments[arguments.index(f"--{name}") + 1]) == value
