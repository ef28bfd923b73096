"""The bundle as Helm reads it: in draft 7, and small, because Helm compiles each schema in it whenever it renders."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from jsonschema import Draft7Validator

from hack.base.log import UserError
from hack.schema import kubernetes as openapi

Schema = dict[str, Any]

# Keywords that limit nothing.
ANNOTATIONS = {
    *("$schema", "$comment", "$defs", "definitions"),
    *("title", "description", "default", "examples", "deprecated"),
}

# Those that limit objects alone.
OF_OBJECTS = {"type", "properties", "patternProperties", "additionalProperties", "propertyNames"}
OF_OBJECTS |= {"required", "minProperties", "maxProperties"}
LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
PLAIN = {"type", "enum", *LEAST, *MOST}


def narrowed(schema: Schema, beside: Schema) -> Schema:
    """A schema and the keywords beside a reference to it as one, which holds where both hold.

    Raises UserError for a keyword that would not narrow the schema.
    """
    result = dict(schema)
    for key, new in beside.items():
        old = schema.get(key)
        if old is None or key in ANNOTATIONS or old == new:
            result[key] = new
        elif key == "properties":
            result[key] = {name: narrowed(old.get(name, {}), new.get(name, {})) for name in old | new}
        elif key == "required":
            result[key] = sorted({*old, *new})
        elif (
            (key == "type" and {*_listed(new)} <= {*_listed(old)})
            or (key == "enum" and all(choice in old for choice in new))
            or (key in LEAST and new >= old)
            or (key in MOST and new <= old)
        ):
            result[key] = new
        else:
            raise UserError(f"schemas: {key}: {new} beside a $ref does not narrow its {key}: {old}")
    return result


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def mapped(schema: Schema, change: Callable[[Schema, str], Schema]) -> Schema:
    """A schema with those directly below it changed; each is passed with its name, or its keyword."""
    result: Schema = {}
    for key, value in schema.items():
        if key in openapi.NAMED_SCHEMAS:
            result[key] = {name: change(child, name) for name, child in value.items()}
        elif key in openapi.DATA:
            result[key] = value
        elif isinstance(value, dict):
            result[key] = change(value, key)
        elif isinstance(value, list):
            result[key] = [change(child, key) if isinstance(child, dict) else child for child in value]
        else:
            result[key] = value
    return result


def of_draft_7(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """The same schema in draft 7, in which a `$ref` stands alone."""
    while "$ref" in schema and schema.keys() - ANNOTATIONS - {"$ref"}:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = narrowed(definitions[schema["$ref"].removeprefix("#/$defs/")], beside)
    result = mapped(schema, lambda child, _: of_draft_7(child, definitions))
    if "$ref" in result:
        result["$ref"] = result["$ref"].replace("#/$defs/", "#/definitions/")
    return {key.replace("$defs", "definitions"): value for key, value in result.items()}


def united(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """The same schema, without asking whether a value is an object: what objects must be limits nothing else."""
    if schema.get("if") == {"type": "object"} and schema["else"].keys() == {"type"}:
        then = schema["then"]
        while "$ref" in then:
            then = definitions[then["$ref"].removeprefix("#/definitions/")]
        if then["type"] == "object" and then.keys() <= OF_OBJECTS | ANNOTATIONS:
            beside = {key: value for key, value in schema.items() if key not in ("if", "then", "else")}
            schema = narrowed(limits(then), beside) | {"type": ["object", *_listed(schema["else"]["type"])]}
    return mapped(schema, lambda child, _: united(child, definitions))


def reached(schema: Schema) -> Schema:
    """The same schema, without definitions that nothing refers to."""
    values = {key: value for key, value in schema.items() if key != "definitions"}
    return values | {"definitions": openapi.reachable(schema["definitions"], openapi.references(values))}


def limits(schema: Schema) -> Schema:
    """What of a schema limits something."""
    return {key: value for key, value in schema.items() if key not in ANNOTATIONS}


class Sharer:
    """Makes one definition of what a schema has in several places, named by the first of them."""

    def __init__(self, schema: Schema) -> None:
        self.values = {key: value for key, value in schema.items() if key != "definitions"}
        self.definitions: dict[str, Schema] = dict(schema["definitions"])
        self.names = {_text(definition): name for name, definition in self.definitions.items()}
        self.times = Counter(self.names.keys())
        for part in (self.values, *self.definitions.values()):
            mapped(part, self._counted)

    def schema(self) -> Schema:
        """The same schema, shared."""
        for name, definition in list(self.definitions.items()):
            self.definitions[name] = self._inside(definition, name)
        return self._inside(self.values, "values") | {"definitions": self.definitions}

    def _counted(self, schema: Schema, _: str) -> Schema:
        text = _text(schema)
        self.times[text] += 1
        # What is in it a second time is no second place of its own.
        return mapped(schema, self._counted) if self.times[text] == 1 else schema

    def _inside(self, schema: Schema, name: str) -> Schema:
        def shared(child: Schema, key: str) -> Schema:
            place = f"{name}.{key if key.isidentifier() else 'entry'}"
            text = _text(child)
            # A reference is a schema too, so a plain one gains nothing.
            if "$ref" in child or self.times[text] == 1 or child.keys() - ANNOTATIONS <= PLAIN:
                return self._inside(child, place)
            if text not in self.names:
                self.names[text] = place
                self.definitions[place] = self._inside(limits(child), place)
            annotations = {key: value for key, value in child.items() if key in ANNOTATIONS}
            return annotations | {"$ref": f"#/definitions/{self.names[text]}"}

        return mapped(schema, shared)


def _text(schema: Schema) -> str:
    return json.dumps(limits(schema), sort_keys=True)


def for_helm(schema: Schema) -> Schema:
    """The schema of values.schema.json, checked to be valid: draft 7, which Helm compiles in two thirds of the time."""
    result = of_draft_7(schema, schema["$defs"]) | {"$schema": "http://json-schema.org/draft-07/schema#"}
    result = reached(Sharer(reached(united(result, result["definitions"]))).schema())
    Draft7Validator.check_schema(result)
    return result
