"""Random values: they render to objects that fit, or are refused with a message; no template ever stumbles."""

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hack.chart import kubeschema, policy, scenarios
from hack.chart.manifests import Manifests, merged
from hack.chart.policy import objects
from hack.chart.renderer import Outcome, Renderer
from hack.schema import valueschema
from tests.schema import strategies

# Tests of this many values each, so that the workers of pytest-xdist share them: a third right, the others wrong. How
# many in all is the profile's: tests/conftest.py.
EXAMPLES = 50
RIGHT = range(settings().max_examples // (3 * EXAMPLES))
WRONG = range(2 * len(RIGHT))
RELEASES = ("demo", "true", "null", "on", "e1", "a-b", "x" * 34, "x" * 35)
BASES = [s for s in scenarios.ALL if "simulate" not in s.name or s.name in ("a3u-multi+simulate", "a4x-10p8d+simulate")]

REFUSED_BY_RULES = re.compile(
    r"execution error at \(dynamo-disagg/templates/validate.yaml:\d+:\d+\): \n\n"
    r"\d+ problem\(s\) in the values, nothing was installed:\n(  - [^\n]+: [^\n]+: [^\n]+\n)+"
)
REFUSED_BY_SCHEMA = re.compile(r"values don't meet the specifications of the schema\(s\).*\n- at '", re.DOTALL)

slow = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    # Explaining a failure renders hundreds of times more.
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


def base_of(scenario: scenarios.Scenario) -> dict[str, Any]:
    """A scenario's values without the chart's defaults."""
    values: dict[str, Any] = {}
    for file in scenario.files:
        values = merged(values, scenarios.content(file))
    return merged(values, scenario.values)


def laid_over(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Values merged as Helm does it where a null is accepted: below global, where the default stays."""
    result = dict(base)
    for key, value in change.items():
        if value is None and key in base:
            continue
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = laid_over(result[key], value)
        else:
            result[key] = value
    return result


def with_mistakes(broken: bool) -> st.SearchStrategy[dict[str, Any]]:
    strategy = strategies.mistaken if broken else strategies.some_values
    return st.sampled_from(BASES).flatmap(lambda scenario: strategy(base_of(scenario)))


def check_objects(manifests: Manifests) -> None:
    """What must hold whatever the values are."""
    assert kubeschema.problems(*manifests) == []
    # Names of these may be the user's own.
    own = ("ServiceAccount", "PersistentVolumeClaim")
    named = Manifests([item for item in manifests if item["kind"] not in own])
    broken = [text for kept in policy.ALWAYS for text in kept(manifests)]
    assert [*objects.names_fit(named), *broken] == []


def check_refusal(error: str) -> None:
    """A refusal is a message for users, never a template that stumbled."""
    assert REFUSED_BY_RULES.fullmatch(error) or REFUSED_BY_SCHEMA.match(error), error


@pytest.fixture(scope="session")
def first_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run; pytest prints it."""
    return int(request.config.getoption("hypothesis_seed"))


@pytest.mark.parametrize("shard", RIGHT)
def test_valid_values_render_or_break_a_rule(shard: int, render_fast: Renderer, first_seed: int) -> None:
    seen: Counter[str] = Counter()

    @slow
    @seed(first_seed + shard)
    @given(values=with_mistakes(False), release=st.sampled_from(RELEASES))
    def check(values: dict[str, Any], release: str) -> None:
        note(f"--hypothesis-seed={first_seed}")
        result = render_fast(values, release=release)
        seen["refused" if result.error else "rendered"] += 1
        if result.error:
            note(result.error)
            assert REFUSED_BY_RULES.fullmatch(result.error), "the schema refuses what it allows, or a template stumbled"
        else:
            check_objects(result.manifests)

    check()
    assert seen["rendered"] > EXAMPLES / 4, f"too few values are accepted to say much: {seen}"


@pytest.mark.parametrize("shard", WRONG)
def test_mistakes_are_refused_with_a_message(shard: int, render_fast: Renderer, first_seed: int) -> None:
    seen: Counter[str] = Counter()

    @slow
    @seed(first_seed + len(RIGHT) + shard)
    @given(values=with_mistakes(True))
    def check(values: dict[str, Any]) -> None:
        note(f"--hypothesis-seed={first_seed}")
        result: Outcome = render_fast(values)
        seen["refused" if result.error else "rendered"] += 1
        if result.error:
            check_refusal(result.error)
            return
        # What was no mistake after all: another implementation of JSON Schema agrees.
        effective = laid_over(scenarios.content("values.yaml"), values)
        assert [e.message for e in SCHEMA.iter_errors(effective)] == []
        check_objects(result.manifests)

    check()
    assert seen["refused"] > EXAMPLES / 2, f"too few mistakes are refused to say much: {seen}"


SCHEMA = Draft202012Validator(valueschema.bundle())
