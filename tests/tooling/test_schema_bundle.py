"""hack/schema/bundle.py on small sources of its own."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hack.base.log import UserError
from hack.schema import bundle as schema
from hack.schema import draft7
from hack.verbs import cli


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def bundle(folder: Path, root: str, **files: str) -> dict[str, Any]:
    named = {f"{name.replace('__', '/')}.yaml": text for name, text in files.items()}
    return schema.bundled(write(folder, {"root.yaml": root, **named}), defaults=None)


def test_references_between_files_end_in_defs(tmp_path: Path) -> None:
    bundled = bundle(
        tmp_path,
        "properties: {a: {$ref: worker.yaml#/worker}}",
        worker="worker: {properties: {args: {$ref: engines/vllm.yaml#/args}}}\nunused: {type: string}",
        engines__vllm="args: {type: object}",
    )
    assert bundled["properties"]["a"] == {"$ref": "#/$defs/worker.worker"}
    assert bundled["$defs"] == {
        "worker.worker": {"properties": {"args": {"$ref": "#/$defs/engines.vllm.args"}}},
        "engines.vllm.args": {"type": "object"},
    }


def test_a_definition_may_refer_to_itself(tmp_path: Path) -> None:
    bundled = bundle(tmp_path, "properties: {a: {$ref: x.yaml#/tree}}", x="tree: {items: {$ref: x.yaml#/tree}}")
    assert bundled["$defs"]["x.tree"] == {"items": {"$ref": "#/$defs/x.tree"}}


def test_a_value_named_like_a_keyword_is_no_keyword(tmp_path: Path) -> None:
    bundled = bundle(tmp_path, "properties: {default: {$ref: x.yaml#/y}, enum: {type: string}}", x="y: {type: integer}")
    assert bundled["properties"]["default"] == {"$ref": "#/$defs/x.y"}


def test_properties_may_be_shared(tmp_path: Path) -> None:
    shared = "pod: {labels: {$ref: x.yaml#/map}, class: {type: string}}\nmap: {type: object}"
    bundled = bundle(tmp_path, "properties: {$ref: x.yaml#/pod, class: {type: integer}}", x=shared)
    assert bundled["properties"] == {"labels": {"$ref": "#/$defs/x.map"}, "class": {"type": "integer"}}


def test_keywords_beside_a_reference_hold_in_draft_7(tmp_path: Path) -> None:
    """There they would count for nothing."""
    root = "properties: {a: {$ref: x.yaml#/y, minimum: 2, description: A number.}, b: {$ref: x.yaml#/y, default: 1}}"
    bundled = draft7.for_helm(bundle(tmp_path, root, x="y: {type: [integer, 'null'], minimum: 1}"))
    assert bundled["properties"]["a"] == {"type": ["integer", "null"], "minimum": 2, "description": "A number."}
    assert bundled["properties"]["b"] == {"$ref": "#/definitions/x.y", "default": 1}
    assert bundled["definitions"].keys() == {"x.y"}


def test_keywords_beside_a_reference_narrow_it(tmp_path: Path) -> None:
    root = "properties: {a: {$ref: x.yaml#/y, minimum: 0}}"
    with pytest.raises(UserError, match=r"minimum: 0 beside a \$ref does not narrow its minimum: 1"):
        draft7.for_helm(bundle(tmp_path, root, x="y: {type: integer, minimum: 1}"))


def test_helm_compiles_what_stands_in_two_places_once(tmp_path: Path) -> None:
    """With what is said of each place kept there; a plain type is no smaller as a reference."""
    root = """
    properties:
      a: {type: object, description: The first., properties: {c: {type: string, pattern: x}}}
      b: {type: object, description: The second., properties: {c: {type: string, pattern: x}}}
      d: {type: string}
      e: {type: string}
    """
    bundled = draft7.for_helm(bundle(tmp_path, root))
    reference = {"$ref": "#/definitions/values.a"}
    assert bundled["properties"]["a"] == reference | {"description": "The first."}
    assert bundled["properties"]["b"] == reference | {"description": "The second."}
    assert bundled["properties"]["d"] == {"type": "string"}
    assert bundled["definitions"] == {
        "values.a": {"type": "object", "properties": {"c": {"type": "string", "pattern": "x"}}}
    }


def test_an_object_or_something_else_is_one_schema(tmp_path: Path) -> None:
    root = "properties: {a: {if: {type: object}, then: {$ref: x.yaml#/y, minProperties: 1}, else: {type: 'null'}}}"
    bundled = draft7.for_helm(bundle(tmp_path, root, x="y: {type: object, additionalProperties: false}"))
    expected = {"type": ["object", "null"], "additionalProperties": False, "minProperties": 1}
    assert bundled["properties"]["a"] == expected


def test_what_is_asked_of_more_than_objects_is_asked_still(tmp_path: Path) -> None:
    root = "properties: {a: {if: {type: object}, then: {type: object, enum: [{}]}, else: {type: 'null'}}}"
    assert "if" in draft7.for_helm(bundle(tmp_path, root))["properties"]["a"]


def test_defaults_are_data(tmp_path: Path) -> None:
    bundled = bundle(tmp_path, 'properties: {a: {default: {"$ref": not-a-reference}}}')
    assert bundled["properties"]["a"]["default"] == {"$ref": "not-a-reference"}


@pytest.mark.parametrize(
    ("value", "fragment"),
    [
        ([{"key": "nvidia.com/gpu", "operator": "Exists"}], None),
        ([{"key": "nvidia.com/gpu", "opperator": "Exists"}], "opperator"),
        ([{"key": 1}], "1 is not of type"),
    ],
)
def test_kubernetes_types_are_closed(tmp_path: Path, value: Any, fragment: str | None) -> None:
    bundled = bundle(tmp_path, "properties: {t: {type: array, items: {$ref: kubernetes#/Toleration}}}")
    messages = [e.message for e in Draft202012Validator(bundled).iter_errors({"t": value})]
    assert (messages == []) if fragment is None else any(fragment in m for m in messages)


@pytest.mark.parametrize(
    ("limit", "valid"),
    [("10Gi", True), (2, True), ("1.5", True), ("100m", True), ("10Gb", False), ("", False), (True, False)],
)
def test_quantities(tmp_path: Path, limit: Any, valid: bool) -> None:
    bundled = bundle(tmp_path, "properties: {r: {$ref: kubernetes#/ResourceRequirements}}")
    assert Draft202012Validator(bundled).is_valid({"r": {"limits": {"memory": limit}}}) is valid


def test_a_property_can_be_left_out_for_maps_keyed_by_it(tmp_path: Path) -> None:
    bundled = bundle(tmp_path, "properties: {v: {additionalProperties: {$ref: kubernetes#/Volume!name}}}")
    validator = Draft202012Validator(bundled)
    assert validator.is_valid({"v": {"scratch": {"emptyDir": {}}}})
    assert not validator.is_valid({"v": {"scratch": {"name": "scratch", "emptyDir": {}}}})
    assert "k8s.Volume" not in bundled["$defs"], "only what is reached is in the bundle"


def test_kubernetes_prose_and_extensions_are_dropped(tmp_path: Path) -> None:
    text = schema.dumped(bundle(tmp_path, "properties: {a: {$ref: kubernetes#/PodSpec}}"))
    assert "x-kubernetes-" not in text
    assert '"description"' not in json.dumps(json.loads(text)["$defs"]["k8s.Container"])


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (
            "properties: {a: {$ref: missing.yaml#/a}}",
            "schemas/root.yaml: $ref 'missing.yaml#/a': there is no file schemas/missing.yaml",
        ),
        (
            "properties: {a: {$ref: x.yaml#/b}}",
            "schemas/root.yaml: $ref 'x.yaml#/b': schemas/x.yaml has no b, only a",
        ),
        (
            "properties: {a: {$ref: kubernetes#/Tolerance}}",
            "schemas/root.yaml: $ref 'kubernetes#/Tolerance': there is no such definition",
        ),
        (
            "properties: {a: {$ref: kubernetes#/Volume!title}}",
            "schemas/root.yaml: $ref 'kubernetes#/Volume!title': k8s.Volume has no property title",
        ),
        (
            "properties: {a: {$ref: 'https://example.com/a.json'}}",
            "schemas/root.yaml: $ref 'https://example.com/a.json' is neither",
        ),
        ("properties: {a: {type: 5}}", "not a valid schema at $.properties.a.type"),
        (
            "properties: {a: {description: First, second}}",
            "schemas/root.yaml: 'second' is no schema keyword; put texts",
        ),
        ("properties: {y: {}}\n1: {}", "root.yaml: the key 1 is not text; put it in quotes"),
        ("properties: [", "{folder}/root.yaml: not valid YAML"),
        ("[]", "{folder}/root.yaml: expected a map"),
    ],
)
def test_a_mistake_in_the_sources_is_named(tmp_path: Path, root: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        bundle(tmp_path, root, x="a: {type: string}")
    assert message.replace("{folder}", str(tmp_path)) in str(caught.value)


ROOT_OF_A = "{type: object, properties: {a: {type: object, properties: {b: {type: integer}, c: {type: object}}}}}"


def test_no_null_can_delete_a_default(tmp_path: Path) -> None:
    write(tmp_path, {"root.yaml": ROOT_OF_A, "values.yaml": "a: {b: 1, c: {}}"})
    bundled = schema.bundled(tmp_path, defaults=tmp_path / "values.yaml")
    validator = Draft202012Validator(bundled)
    assert validator.is_valid({"a": {"b": 2, "c": {}}})
    assert validator.is_valid({"a": {"b": 2, "c": None}}), "a map of users' entries may be empty"
    assert [e.message for e in validator.iter_errors({"a": {"c": {}}})] == ["'b' is a required property"]


def test_check_refuses_a_stale_bundle_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = tmp_path / "values.schema.json"
    stale.write_text("{}")
    monkeypatch.setattr("hack.verbs.schema.ROOT", tmp_path)
    monkeypatch.setattr(schema, "generated", lambda: {stale: '{"type":"object"}'})
    monkeypatch.setattr("hack.flags.files.templates", dict)
    with pytest.raises(UserError, match=r"stale: run `python3 -m hack schema bundle`"):
        cli.run(["schema", "bundle", "--check"])
    assert stale.read_text() == "{}"
    assert cli.run(["schema", "bundle"]) == 0
    assert cli.run(["schema", "bundle", "--check"]) == 0


def test_the_text_is_stable_and_loses_nothing(tmp_path: Path) -> None:
    bundled = bundle(tmp_path, "properties: {b: {$ref: kubernetes#/Affinity}, a: {type: string}}")
    assert json.loads(schema.dumped(bundled)) == bundled
    assert schema.dumped(bundled) == schema.dumped(json.loads(schema.dumped(bundled)))
