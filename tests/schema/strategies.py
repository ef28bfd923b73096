"""Random values: what the schema allows, and small mistakes in it."""

import copy
import functools
import json
import re
from typing import Any

import hypothesis.strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from hack.schema import valueschema
from hack.schema.valueschema import ANY, Schema

Values = dict[str, Any]

# Kubernetes' own types nest deeply; what lies below this many levels is left out.
DEPTH = 4
# Texts that YAML would take for something else where a template forgets to quote them.
TRAPS = ("true", "null", "1e3", "0x10", "08", "1_000", "yes", "~", "a: b", "- a", "#a", "{{ .x }}", "%d", "'", '"', "é")
PRINTABLE = st.characters(codec="ascii", min_codepoint=32, exclude_characters="\x7f")


def valid(schema: Schema, depth: int = DEPTH) -> SearchStrategy[Any]:
    """Anything a schema of the bundle allows; cross-field rules may still refuse it."""
    keywords = valueschema.followed(schema)
    if "enum" in keywords:
        return st.sampled_from(keywords["enum"])
    if "then" in keywords:
        beside = {k: v for k, v in keywords.items() if k not in ("if", "then", "else")}
        then = valueschema.overlaid(valueschema.followed(keywords["then"]), beside)
        return st.one_of(valid(then, depth), valid(keywords["else"], depth))
    if "oneOf" in keywords:
        return st.one_of([valid(part, depth) for part in keywords["oneOf"]])
    types = keywords.get("type", "object" if "properties" in keywords else ["string", "integer", "boolean"])
    kinds = [types] if isinstance(types, str) else types
    return st.one_of([_of_type(kind, keywords, depth) for kind in kinds])


def _later(schema: Schema, depth: int) -> SearchStrategy[Any]:
    return st.deferred(lambda: valid(schema, depth))


def _of_type(kind: str, keywords: Schema, depth: int) -> SearchStrategy[Any]:
    match kind:
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "integer":
            low = keywords.get("minimum", 0)
            return st.integers(low, keywords.get("maximum", low + 5000))
        case "number":
            low = max(keywords.get("minimum", 1), keywords.get("exclusiveMinimum", -1) + 1)
            high = min(low + 5, keywords.get("maximum", low + 5))
            return st.one_of(st.integers(low, high), st.floats(low, high, width=16))
        case "string":
            return _text(keywords)
        case "array":
            if depth == 0 and not keywords.get("minItems"):
                return st.just([])
            items = valid(keywords["items"], depth - 1)
            low = keywords.get("minItems", 0)
            return st.lists(
                items, min_size=low, max_size=max(low, min(2, keywords.get("maxItems", 2))), unique_by=json.dumps
            )
        case _:
            return _object(keywords, depth)


def _text(keywords: Schema) -> SearchStrategy[str]:
    pattern = keywords.get("pattern")
    if pattern is None:
        return st.one_of(st.sampled_from(TRAPS), st.text(PRINTABLE, min_size=keywords.get("minLength", 0), max_size=12))
    # Python's $ also matches before a line's end, Go's does not.
    exact = re.sub(r"\$$|\$(?=[|)])", r"\\Z", pattern)
    traps = [text for text in TRAPS if re.search(exact, text)]
    shortest, longest = keywords.get("minLength", 0), keywords.get("maxLength", 1_000_000)
    texts = st.from_regex(exact, alphabet=PRINTABLE).filter(lambda text: shortest <= len(text) <= longest)
    return st.one_of(st.sampled_from(traps), texts) if traps else texts


def _object(keywords: Schema, depth: int) -> SearchStrategy[Values]:
    required = keywords.get("required", [])
    named = {k: v for k, v in keywords.get("properties", {}).items() if depth > 0 or k in required}
    # A map may require a key that it does not name: a claim's requests want storage.
    extra = keywords.get("additionalProperties")
    unnamed = extra if isinstance(extra, dict) else {}
    children = {key: _later(child, depth - 1) for key, child in ({key: unnamed for key in required} | named).items()}
    known = st.fixed_dictionaries(
        {key: children[key] for key in required},
        optional={key: child for key, child in children.items() if key not in required},
    )
    entries = [
        st.dictionaries(_text({"pattern": pattern}), valid(entry, depth - 1), max_size=2)
        for pattern, entry in keywords.get("patternProperties", {}).items()
    ]
    if unnamed and depth > 0:
        entries.append(
            st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), valid(unnamed, depth - 1), max_size=2)
        )
    low, high = keywords.get("minProperties", 0), keywords.get("maxProperties", 99)
    if named and high == 1:
        return st.one_of([st.fixed_dictionaries({key: child}) for key, child in children.items()])
    merged = st.tuples(known, *entries).map(lambda parts: {k: v for part in parts for k, v in part.items()})
    return merged.filter(lambda value: low <= len(value) <= high)


# Flags have schemas of their own, by engine; tests/schema/test_engine_flags.py has them.
FLAGS = ("args", "engineArgs", "extraArgs")
SETTABLE = [
    node
    for node in valueschema.nodes()
    if ANY not in node.path
    and (node.foreign or not node.inner)
    and node.path[-1] not in FLAGS
    and node.path[0] not in ("common", "enabled")
    and node.path[1:] != ("global",)
    and node.path != ("global", "engine", "version")
]


@functools.cache
def _of(position: int) -> SearchStrategy[Any]:
    """Values of one entry of SETTABLE."""
    return valid({**SETTABLE[position].schema, "default": None})


POSITIONS = st.integers(0, len(SETTABLE) - 1)


def _put(values: Values, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = value


@st.composite
def some_values(draw: DrawFn, base: Values) -> Values:
    """A few values, each anything its own schema allows, over a base."""
    values = copy.deepcopy(base)
    for position in draw(st.lists(POSITIONS, min_size=1, max_size=5, unique=True)):
        _put(values, SETTABLE[position].path, draw(_of(position)))
    return values


@st.composite
def mistaken(draw: DrawFn, base: Values) -> Values:
    """As some_values, with one value of a wrong type or range, a key that does not exist, or a null."""
    values = draw(some_values(base))
    position = draw(POSITIONS)
    node = SETTABLE[position]
    low, high = node.schema.get("minimum", 0), node.schema.get("maximum", 0)
    kind = draw(st.sampled_from(["type", "range", "key", "null", "case"]))
    if kind == "type":
        _put(values, node.path, draw(st.sampled_from(["", "a b", 1.5, -1, True, [], [1], {"a": 1}, [[]], {"": {}}])))
    elif kind == "range":
        _put(values, node.path, draw(st.sampled_from([low - 1, high + 1, -(2**40), 2**63, 1e300, "x" * 300, "\n"])))
    elif kind == "null":
        depth = draw(st.integers(1, len(node.path)))
        _put(values, node.path[:depth], None)
    else:
        wrong = node.path[-1].upper() if kind == "case" else f"{node.path[-1]}{draw(st.sampled_from('sx-_'))}"
        _put(values, (*node.path[:-1], wrong), draw(_of(position)))
    return values
