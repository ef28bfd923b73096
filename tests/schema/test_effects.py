"""No dead values: each value of the schema, changed, changes what is rendered.

The changed value comes from the schema (an example, another option, one more). Where that does not do,
effects.yaml says under which other values a value matters and what to change it to.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.chart import render as chart
from hack.chart.manifests import merged, nested
from hack.schema import valueschema
from hack.schema.valueschema import ANY, MISSING, Node


@dataclass(frozen=True)
class Effect:
    """How to see that a value matters."""

    # Values under which it matters.
    when: dict[str, Any] = field(default_factory=dict)
    # The changed value.
    to: Any = MISSING
    # Changed values, where one value cannot be changed alone.
    values: dict[str, Any] = field(default_factory=dict)
    # Part of the message with which the change is refused, for values that limit others.
    refused: str = ""
    # Why nothing that Helm renders can show the value.
    invisible: str = ""


def table() -> dict[str, Effect]:
    """effects.yaml: `{a,b}.x` once for a and once for b, with `component` in the entry replaced likewise."""
    content = yaml.load((Path(__file__).parent / "effects.yaml").read_text(), Loader=yaml.CSafeLoader)
    effects = {}
    for key, entry in content.items():
        match = re.fullmatch(r"\{(.+)\}(\..+)", key)
        if not match:
            effects[key] = Effect(**entry)
            continue
        for component in match[1].split(","):
            effects[component + match[2]] = Effect(**_in_place(entry, component))
    return effects


def _in_place(entry: Any, component: str) -> Any:
    if isinstance(entry, dict):
        return {component if k == "component" else k: _in_place(v, component) for k, v in entry.items()}
    return entry


EFFECTS = table()
LEAVES = {node.name: node for node in valueschema.leaves()}


def groups(name: str) -> dict[str, Any]:
    """The conditions of the groups a value is in."""
    when: dict[str, Any] = {}
    for group in sorted((g for g in EFFECTS if name.startswith(f"{g}.")), key=len):
        when = merged(when, EFFECTS[group].when)
    return when


def effect_of(name: str) -> Effect:
    """A value's own entry, under the conditions of its groups."""
    own = EFFECTS.get(name, Effect())
    return replace(own, when=merged(groups(name), own.when))


VISIBLE = [name for name in LEAVES if not effect_of(name).invisible]


def changed(node: Node, effect: Effect) -> dict[str, Any]:
    """Values with the changed value in them."""
    if effect.values:
        return merged(effect.when, effect.values)
    if ANY in node.path:
        pytest.fail(f"{node.name}: add an entry to effects.yaml, `when` with such an entry, `values` with another")
    value = valueschema.another_value(node) if effect.to is MISSING else effect.to
    if value is MISSING:
        pytest.fail(f"{node.name}: the schema suggests no other value: add an example, or `to` in effects.yaml")
    return merged(effect.when, nested(node.path, value))


@pytest.mark.parametrize("name", VISIBLE)
def test_a_value_has_an_effect(name: str) -> None:
    effect = effect_of(name)
    after = changed(LEAVES[name], effect)
    assert after != effect.when, f"{name}: the changed value is the one in `when`"
    before = chart.render(effect.when)
    result, objects = chart.attempt(after)
    if effect.refused:
        assert effect.refused in result.stderr
        return
    assert not result.code, f"{name}: give values with which the chart renders, or `refused`: {result.stderr}"
    same = objects == before
    assert not same, f"{name}: nothing changes with {after}: the value is dead, or effects.yaml lacks `when`"


def test_the_table_has_no_stale_entries() -> None:
    names = {node.name for node in valueschema.nodes()}
    assert set(EFFECTS) - names == set()


@pytest.mark.parametrize("name", [n for n, e in EFFECTS.items() if e.when and n in LEAVES and ANY not in n])
def test_conditions_are_needed(name: str) -> None:
    """A `when` that is not needed would hide that a value works without it."""
    without = groups(name)
    result, alone = chart.attempt(changed(LEAVES[name], replace(EFFECTS[name], when=without)))
    useless = not result.code and alone != chart.render(without)
    assert not useless, f"{name}: works without `when`: remove it from effects.yaml"


@pytest.mark.parametrize("name", [n for n, e in EFFECTS.items() if e.invisible])
def test_invisible_values_are_invisible(name: str) -> None:
    effect = effect_of(name)
    after = chart.render(changed(LEAVES[name], effect))
    assert after == chart.render(effect.when), f"{name} has an effect now: remove `invisible`"
