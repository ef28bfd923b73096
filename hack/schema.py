"""Bundle the hand-written YAML below schemas/ into values.schema.json, the one file Helm reads.

schemas/root.yaml describes the values; every other schemas/<file>.yaml is a map of names to schemas.
`$ref: <file>.yaml#/<name>` refers to those, `$ref: kubernetes#/<Kind>` to a Kubernetes definition, and
`$ref: kubernetes#/<Kind>!<property>` to one without a property, for maps that are keyed by it, and with
a `?` at the end to one whose properties may be null, which takes a value of a lower layer back.
Helm cannot follow a reference to a file, so the bundle holds everything that is reached below `$defs`.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from hack import openapi
from hack.log import UserError, console, main
from hack.paths import ROOT

Schema = dict[str, Any]

SOURCES = ROOT / "schemas"
BUNDLE = ROOT / "values.schema.json"
LIMITS = openapi.FOLDER / "limits.yaml"
# Below these every amount may be taken back, a default too.
AMOUNTS = ("requests", "limits")
FILE_REFERENCE = re.compile(r"(?P<file>[a-z0-9/-]+\.yaml)#/(?P<name>[A-Za-z0-9]+)")
KUBERNETES_REFERENCE = re.compile(r"kubernetes#/(?P<kind>[A-Za-z0-9.]+)(!(?P<without>[A-Za-z0-9]+))?(?P<nullable>[?])?")
# The keywords the sources use. A text with a comma that was not quoted would otherwise become one.
KEYWORDS = {
    *("$comment", "$ref", "$schema", "title", "description", "default", "examples", "deprecated"),
    *("type", "const", "enum", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "items", "minItems", "maxItems", "uniqueItems", "contains"),
    *("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
    *("minProperties", "maxProperties", "dependentRequired", "dependentSchemas"),
}
CORE = "io.k8s.api.core.v1."


def read_yaml(path: Path) -> Schema:
    """A YAML file that holds one map."""
    try:
        content = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a map, found {type(content).__name__}")
    return content


class Bundler:
    """Collects the definitions that are reached from a root schema."""

    def __init__(self, sources: Path, kubernetes: dict[str, Schema]) -> None:
        self.sources = sources
        self.kubernetes = kubernetes
        self.files: dict[str, Schema] = {}
        self.definitions: dict[str, Schema] = {}

    def bundle(self) -> Schema:
        """The self-contained schema of schemas/root.yaml."""
        root = read_yaml(self.sources / "root.yaml")
        bundled = self._resolved(root, "root.yaml")
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
                result[key] = {str(name): self._resolved(child, file) for name, child in value.items()}
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
        key = f"{target.removesuffix('.yaml').replace('/', '.')}.{name}"
        if key not in self.definitions:
            self.definitions[key] = {}  # stops a definition that refers to itself
            self.definitions[key] = self._resolved(self.files[target][name], target)
        return key

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
    schema: Schema = {"required": sorted(defaults)}
    nested = {
        key: presence(value)
        for key, value in defaults.items()
        if isinstance(value, dict) and value and key not in AMOUNTS
    }
    if nested:
        schema["properties"] = nested
    return schema


def dumped(schema: Schema) -> str:
    """The text of a bundle: small, sorted, one line per definition so that a diff names what changed."""

    def compact(value: Any) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    lines = []
    for key, value in sorted(schema.items()):
        if key in ("$defs", "properties"):
            inner = ",\n".join(f"{compact(name)}:{compact(child)}" for name, child in sorted(value.items()))
            lines.append(f"{compact(key)}:{{\n{inner}\n}}")
        else:
            lines.append(f"{compact(key)}:{compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def bundled(sources: Path = SOURCES, defaults: Path | None = ROOT / "values.yaml") -> Schema:
    """The bundle of a folder of sources, checked to be a valid schema of draft 2020-12.

    `defaults` is the values file whose keys must stay present.
    """
    kubernetes: dict[str, Schema] = {}
    for file in (openapi.KUBERNETES_FILE, openapi.GATEWAY_FILE):
        kubernetes |= openapi.load(file)
    for kind, limits in read_yaml(LIMITS).items():
        for name in [name for name in kubernetes if name.endswith(f".{kind}")]:
            kubernetes[name] = limited(kubernetes[name], limits)
    schema = Bundler(sources, kubernetes).bundle()
    if defaults:
        schema["$defs"]["presence"] = presence(read_yaml(defaults))
        schema["$ref"] = "#/$defs/presence"
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise UserError(f"schemas: not a valid schema at {error.json_path}: {error.message}") from error
    return schema


def run(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.schema",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python -m hack.schema\n  python -m hack.schema --check",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the bundle is stale")
    options = parser.parse_args(arguments)

    text = dumped(bundled())
    current = BUNDLE.is_file() and BUNDLE.read_text() == text
    if options.check:
        if not current:
            raise UserError(f"{BUNDLE.name} is stale: run python -m hack.schema and commit the result")
        console.print(f"{BUNDLE.name} is current")
        return 0
    if not current:
        BUNDLE.write_text(text)
    console.print(f"{BUNDLE.name}: {len(text) / 1000:.0f} kB, {'unchanged' if current else 'written'}")
    return 0


if __name__ == "__main__":
    main(run)
