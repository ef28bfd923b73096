"""values.schema.json as a document: fresh, self-contained, strict, described, and true about defaults."""

import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from hack.base.paths import ROOT
from hack.schema import bundle as bundler
from hack.schema import valueschema
from hack.schema.valueschema import ANY, MISSING, Node

# Objects that accept keys they do not name, and why. An entry that is not needed fails.
OPEN_OBJECTS = {
    "#/$defs/common.injectedGlobal": "Helm's own copy of global, which is checked where it was written",
    "#/$defs/global.values": "a wrapping chart keeps its own keys in global; dynamo-disagg.validate.globals is strict",
}


@pytest.fixture(scope="module")
def schemas() -> dict[str, dict[str, Any]]:
    return dict(valueschema.all_schemas(valueschema.bundle()))


@pytest.fixture(scope="module")
def defaults() -> dict[str, Any]:
    content: dict[str, Any] = yaml.load((ROOT / "values.yaml").read_text(), Loader=yaml.CSafeLoader)
    return content


def own(pointer: str) -> bool:
    """Whether a schema was written here: Kubernetes' definitions and the derived list of keys are not."""
    return not pointer.startswith(("#/$defs/k8s.", "#/$defs/presence"))


def test_the_bundle_is_fresh() -> None:
    stale = [str(file) for file, text in bundler.generated().items() if not file.exists() or file.read_text() != text]
    assert stale == [], "run python3 -m hack schema bundle"


def test_the_bundle_is_small() -> None:
    # It travels in the release Secret of every revision.
    assert bundler.BUNDLE.stat().st_size < 400_000


def test_the_bundle_says_which_json_schema_it_is() -> None:
    """That it is valid, bundled() checks."""
    assert valueschema.bundle()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_reference_stays_inside(schemas: dict[str, dict[str, Any]]) -> None:
    definitions = valueschema.bundle()["$defs"]
    references = {s["$ref"] for s in schemas.values() if "$ref" in s}
    assert {r for r in references if r.removeprefix("#/$defs/") not in definitions} == set()
    assert [p for p, s in schemas.items() if "$id" in s or "$anchor" in s] == []


def test_patterns_work_in_go(schemas: dict[str, dict[str, Any]]) -> None:
    """Helm's RE2 has no look-around and no back references; Python would accept both."""
    patterns = {p: s["pattern"] for p, s in schemas.items() if "pattern" in s}
    for pointer, schema in schemas.items():
        patterns.update({f"{pointer}/{p}": p for p in schema.get("patternProperties", {})})
    foreign = re.compile(r"\(\?(?![:imsU])|\\[1-9]|\\Z|[*+?]\+")
    assert {p: text for p, text in patterns.items() if foreign.search(text)} == {}
    for text in patterns.values():
        re.compile(text)


def test_every_object_is_strict(schemas: dict[str, dict[str, Any]]) -> None:
    loose = {
        pointer
        for pointer, schema in schemas.items()
        if (schema.get("type") == "object" or "properties" in schema)
        and own(pointer)
        and "$ref" not in schema
        # {if: {type: object}} asks a question, it describes nothing.
        and not pointer.endswith("/if")
        and "additionalProperties" not in schema
    }
    assert loose == set(OPEN_OBJECTS)


def test_every_list_says_what_is_in_it(schemas: dict[str, dict[str, Any]]) -> None:
    vague = [p for p, s in schemas.items() if own(p) and s.get("type") == "array" and "items" not in s]
    assert vague == []


def test_every_value_has_a_description() -> None:
    silent = [n.name for n in valueschema.nodes() if not n.schema.get("description") and n.path[-1] != ANY]
    assert silent == []


def test_descriptions_are_sentences() -> None:
    for node in valueschema.nodes():
        text = node.schema.get("description", "")
        assert not text or node.foreign or text.endswith("."), f"{node.name}: {text!r} does not end in a full stop"


def get(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return MISSING
        values = values[key]
    return values


def test_schema_defaults_are_those_of_values_yaml(defaults: dict[str, Any]) -> None:
    different = {}
    for node in valueschema.leaves():
        if ANY in node.path:
            continue
        actual = get(defaults, node.path)
        if actual is not node.default and actual != node.default:
            written = "absent" if actual is MISSING else repr(actual)
            said = "absent" if node.default is MISSING else repr(node.default)
            different[node.name] = f"values.yaml: {written}, schema default: {said}"
    assert different == {}


def value_leaves(values: dict[str, Any], known: dict[tuple[str, ...], Node], at: tuple[str, ...] = ()) -> Any:
    for key, value in values.items():
        path = (*at, key)
        node = known.get(path)
        if isinstance(value, dict) and node is not None and node.inner and not node.foreign:
            yield from value_leaves(value, known, path)
        else:
            yield path


def test_every_value_of_values_yaml_is_in_the_schema(defaults: dict[str, Any]) -> None:
    known = {n.path: n for n in valueschema.nodes()}
    assert [".".join(p) for p in value_leaves(defaults, known) if p not in known] == []


def test_values_yaml_has_no_null(defaults: dict[str, Any]) -> None:
    """Helm 4.2 drops null defaults, older versions keep them."""
    known = {n.path: n for n in valueschema.nodes()}
    assert [p for p in value_leaves(defaults, known) if get(defaults, p) is None] == []


def test_examples_are_valid() -> None:
    wrong = {}
    for node in valueschema.nodes():
        for example in node.schema.get("examples", []):
            schema = {**node.schema, "$defs": valueschema.bundle()["$defs"]}
            errors = [e.message for e in Draft202012Validator(schema).iter_errors(example)]
            if errors:
                wrong[f"{node.name}: {example}"] = errors
    assert wrong == {}


@pytest.mark.parametrize("file", sorted((ROOT / "values").rglob("*.yaml")), ids=lambda p: p.stem)
def test_values_files_point_editors_to_the_schema(file: Any) -> None:
    first = file.read_text().splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match, f"{file.name}: the first line must be a yaml-language-server comment"
    assert (file.parent / match[1]).resolve() == bundler.BUNDLE
