"""Bundle the hand-written YAML below schemas/ into values.schema.json, the one file Helm reads.

schemas/root.yaml describes the values; every other schemas/<file>.yaml is a map of names to schemas.
`$ref: <file>.yaml#/<name>` refers to those, `$ref: kubernetes#/<Kind>` to a Kubernetes definition, and
`$ref: kubernetes#/<Kind>!<property>` to one without a property, for maps that are keyed by it, and with
a `?` at the end to one whose properties may be null, which takes a value of a lower layer back.
A `$ref` among properties stands for all properties of the map it refers to.
Helm cannot follow a reference to a file, so the bundle holds everything that is reached below `$defs`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml
from hack.schema import flagtypes
from hack.schema import kubernetes as openapi
from hack.schema.draft7 import for_helm

Schema = dict[str, Any]

SOURCES = ROOT / "schemas"
BUNDLE = ROOT / "values.schema.json"
# Not in the package: Helm would carry it along.
EDITOR = SOURCES / "editor.json"
LIMITS = openapi.FOLDER / "limits.yaml"
# Below these every amount may be taken back, a default too.
AMOUNTS = ("requests", "limits")
FILE_REFERENCE = re.compile(r"(?P<file>[a-z0-9/.-]+\.yaml)#/(?P<name>[A-Za-z0-9]+)")
KUBERNETES_REFERENCE = re.compile(r"kubernetes#/(?P<kind>[A-Za-z0-9.]+)(!(?P<without>[A-Za-z0-9]+))?(?P<nullable>[?])?")
# The keywords the sources use. A text with a comma that was not quoted would otherwise become one.
KEYWORDS = {
    *("$comment", "$ref", "$schema", "title", "description", "default", "examples", "deprecated"),
    *("type", "const", "enum", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "items", "minItems", "maxItems", "uniqueItems", "contains"),
    *("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
    *("minProperties", "maxProperties"),
}
CORE = "io.k8s.api.core.v1."


class Bundler:
    """Collects the definitions that are reached from a root schema."""

    def __init__(self, sources: Path, kubernetes: dict[str, Schema]) -> None:
        self.sources = sources
        self.kubernetes = kubernetes
        self.files: dict[str, Schema] = {}
        self.definitions: dict[str, Schema] = {}

    def bundle(self, *roots: str) -> Schema:
        """The self-contained schema of source files whose keywords belong together."""
        bundled: Schema = {}
        for root in roots:
            bundled |= self._resolved(read_yaml(self.sources / root), root)
        bundled["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        bundled["$defs"] = openapi.reachable(self.definitions, openapi.references(bundled))
        return dict(bundled)

    def _resolved(self, schema: Any, file: str) -> Any:
        """A copy of a schema with every source reference replaced by one into `$defs`."""
        if isinstance(schema, list):
            return [self._resolved(item, file) for item in schema]
        if not isinstance(schema, dict):
            return schema
        result: Schema = {}
        for key, value in schema.items():
            if not isinstance(key, str):
                raise UserError(f"schemas/{file}: the key {key!r} is not text; put it in quotes")
            if key not in KEYWORDS:
                raise UserError(f"schemas/{file}: {key!r} is no schema keyword; put texts that hold a comma in quotes")
            if key == "$ref":
                result[key] = f"#/$defs/{self._define(value, file)}"
            elif key in openapi.DATA:
                result[key] = value
            elif key in openapi.NAMED_SCHEMAS:
                result[key] = {
                    str(name): self._resolved(child, file) for name, child in self._named(value, file).items()
                }
            else:
                result[key] = self._resolved(value, file)
        return result

    def _define(self, reference: str, file: str) -> str:
        """Add what a reference of a source file points to; returns its name in `$defs`."""
        if match := KUBERNETES_REFERENCE.fullmatch(reference):
            full_name = self._kubernetes_name(match["kind"], file, reference)
            key = self._define_kubernetes(full_name)
            if without := match["without"]:
                key = self._define_without(key, without, file, reference)
            return self._define_nullable(key) if match["nullable"] else key
        target, name = self._find(reference, file)
        key = f"{target.removesuffix('.yaml').replace('/', '.')}.{name}"
        if key not in self.definitions:
            self.definitions[key] = {}  # stops a definition that refers to itself
            self.definitions[key] = self._resolved(self.files[target][name], target)
        return key

    def _find(self, reference: str, file: str) -> tuple[str, str]:
        """File and name of what a reference to a source file points to; the file is read."""
        match = FILE_REFERENCE.fullmatch(reference)
        if not match:
            raise UserError(f"schemas/{file}: $ref {reference!r} is neither <file>.yaml#/<name> nor kubernetes#/<Kind>")
        target, name = match["file"], match["name"]
        if target not in self.files:
            if not (self.sources / target).is_file():
                raise UserError(f"schemas/{file}: $ref {reference!r}: there is no file schemas/{target}")
            self.files[target] = read_yaml(self.sources / target)
        if name not in self.files[target]:
            known = ", ".join(self.files[target])
            raise UserError(f"schemas/{file}: $ref {reference!r}: schemas/{target} has no {name}, only {known}")
        return target, name

    def _named(self, schemas: Schema, file: str) -> Schema:
        """A map of named schemas, with those of the map that it refers to; its own win."""
        if not isinstance(schemas.get("$ref"), str):
            return schemas
        target, name = self._find(schemas["$ref"], file)
        shared: Schema = self.files[target][name]
        return shared | {key: child for key, child in schemas.items() if key != "$ref"}

    def _kubernetes_name(self, kind: str, file: str, reference: str) -> str:
        """The full name of a definition that was named by its kind, by its end or in full."""
        found = [name for name in self.kubernetes if f".{name}".endswith(f".{kind}")]
        if len(found) > 1 and CORE + kind in found:
            found = [CORE + kind]
        if len(found) != 1:
            reason = f"it could be {' or '.join(found)}" if found else "there is no such definition"
            raise UserError(f"schemas/{file}: $ref {reference!r}: {reason} in schemas/kubernetes")
        return found[0]

    def _define_kubernetes(self, full_name: str) -> str:
        """Add a Kubernetes definition under its short kind, or a longer end where two share it."""
        parts = full_name.split(".")
        short = parts[-1]
        clashes = sum(name.endswith(f".{short}") for name in self.kubernetes) > 1
        if clashes and not full_name.startswith(CORE):
            short = ".".join(parts[-3:])
        key = f"k8s.{short}"
        if key not in self.definitions:
            self.definitions[key] = {}
            self.definitions[key] = self._without_extensions(self.kubernetes[full_name])
        return key

    def _define_without(self, key: str, name: str, file: str, reference: str) -> str:
        """Add a variant of a Kubernetes definition that lacks one property."""
        schema = self.definitions[key]
        if name not in schema.get("properties", {}):
            raise UserError(f"schemas/{file}: $ref {reference!r}: {key} has no property {name}")
        variant = dict(schema)
        variant["properties"] = {k: v for k, v in schema["properties"].items() if k != name}
        variant["required"] = [k for k in schema.get("required", []) if k != name]
        self.definitions[f"{key}-{name}"] = variant
        return f"{key}-{name}"

    def _define_nullable(self, key: str) -> str:
        """Add a variant of a Kubernetes definition whose properties may be null."""
        variant = dict(self.definitions[key])
        variant["properties"] = {
            name: {**child, "type": [child["type"], "null"]}
            if "type" in child
            else {"if": {"type": "object"}, "then": child, "else": {"type": "null"}}
            for name, child in variant["properties"].items()
        }
        for child in variant["properties"].values():
            if "enum" in child:
                child["enum"] = [*child["enum"], None]
        self.definitions[f"{key}-nullable"] = variant
        return f"{key}-nullable"

    def _without_extensions(self, schema: Any) -> Any:
        """A Kubernetes definition as values need it: no x-kubernetes-* keywords, no defaults."""
        if isinstance(schema, list):
            return [self._without_extensions(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        result: Schema = {}
        for key, value in schema.items():
            if key == "$ref":
                result[key] = f"#/$defs/{self._define_kubernetes(value.removeprefix('#/definitions/'))}"
            elif key == "properties":
                result[key] = {name: self._without_extensions(child) for name, child in value.items()}
            elif not key.startswith("x-kubernetes-") and key != "default":
                result[key] = self._without_extensions(value)
        return result


def limited(schema: Schema, limits: Schema) -> Schema:
    """A schema with further keywords at all depths."""
    result = dict(schema)
    for key, value in limits.items():
        result[key] = limited(schema.get(key, {}), value) if isinstance(value, dict) else value
    return result


def presence(defaults: Schema) -> Schema:
    """A schema that requires every key of values.yaml, so that no null can delete what a template reads."""
    schema: Schema = {"required": sorted(key for key, value in defaults.items() if value not in ({}, []))}
    nested = {
        key: presence(value)
        for key, value in defaults.items()
        if isinstance(value, dict) and value and key not in AMOUNTS
    }
    if nested:
        schema["properties"] = nested
    return schema


def fillables(defaults: Schema, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of users' maps and lists that may be left without any: `env:` with all lines below commented out."""
    for key, value in defaults.items():
        if value in ({}, []):
            yield (*at, key)
        elif isinstance(value, dict):
            yield from fillables(value, (*at, key))


def allow_null(schema: Schema, path: Sequence[str], definitions: Schema) -> None:
    """Let a bundled value be null: dynamo-disagg.filled takes it for an empty one. Others of its kind keep theirs."""
    while "$ref" in schema and path:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    if path:
        allow_null(schema["properties"][path[0]], path[1:], definitions)
    elif "$ref" in schema:
        key = schema["$ref"].removeprefix("#/$defs/")
        if not key.endswith("-or-null"):
            variant = definitions.setdefault(f"{key}-or-null", dict(definitions[key]))
            allow_null(variant, path, definitions)
            schema["$ref"] += "-or-null"
    elif isinstance(schema["type"], str):
        schema["type"] = [schema["type"], "null"]


def dumped(schema: Schema) -> str:
    """The text of a bundle: small, sorted, one line per definition so that a diff names what changed."""

    def compact(value: Any) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    lines = []
    for key, value in sorted(schema.items()):
        if key in ("$defs", "definitions", "properties"):
            inner = ",\n".join(f"{compact(name)}:{compact(child)}" for name, child in sorted(value.items()))
            lines.append(f"{compact(key)}:{{\n{inner}\n}}")
        else:
            lines.append(f"{compact(key)}:{compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def bundled(
    sources: Path = SOURCES, defaults: Path | None = ROOT / "values.yaml", roots: tuple[str, ...] = ("root.yaml",)
) -> Schema:
    """The bundle of a folder of sources, checked to be a valid schema of draft 2020-12.

    `defaults` is the values file whose keys must stay present; `roots` are the files whose keywords it has.
    """
    kubernetes: dict[str, Schema] = {}
    for file in (openapi.KUBERNETES_FILE, openapi.GATEWAY_FILE):
        kubernetes |= openapi.load(file)
    for kind, limits in read_yaml(LIMITS).items():
        for name in [name for name in kubernetes if name.endswith(f".{kind}")]:
            kubernetes[name] = limited(kubernetes[name], limits)
    schema = Bundler(sources, kubernetes).bundle(*roots)
    if defaults:
        content = read_yaml(defaults)
        schema["$defs"]["presence"] = presence(content)
        for path in fillables(content):
            allow_null(schema, path, schema["$defs"])
        schema["$ref"] = "#/$defs/presence"
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise UserError(f"schemas: not a valid schema at {error.json_path}: {error.message}") from error
    return schema


def generated() -> dict[Path, str]:
    """The text of every file that is made from schemas/: for Helm, for editors and for templates/validate."""
    return {
        BUNDLE: dumped(for_helm(bundled())),
        EDITOR: dumped(bundled(roots=("root.yaml", "editor.yaml"))),
        **flagtypes.templates(),
    }
