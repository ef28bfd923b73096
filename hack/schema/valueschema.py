"""The values' schema as a tree of values: what a user can set, with what default."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hack.schema import bundle as bundler

Schema = dict[str, Any]
Path = tuple[str, ...]

# Stands in a path for any key of a map and any entry of a list.
ANY = "*"
MISSING = object()
UNDECIDED = object()


@functools.cache
def bundle() -> Schema:
    """The bundle for editors: what Helm reads, and the engines' flags."""
    content: Schema = json.loads(bundler.EDITOR.read_text())
    return content


@dataclass(frozen=True)
class Node:
    """One value: its path, its keywords with all references followed, and its default (or MISSING)."""

    path: Path
    schema: Schema
    default: Any
    # The value's type is Kubernetes' own, so its inside is Kubernetes' business.
    foreign: bool = False

    @property
    def name(self) -> str:
        """The path as users write it."""
        return ".".join(self.path)

    @property
    def inner(self) -> dict[str, Schema]:
        """Schemas of the keys below, those of all variants of a tagged union together."""
        found: dict[str, Schema] = {}
        for part in [*self.schema.get("allOf", []), *self.schema.get("oneOf", [])]:
            found.update(followed(part.get("then", part)).get("properties", {}))
        found.update(self.schema.get("properties", {}))
        return found

    @property
    def entries(self) -> Schema | None:
        """The schema of a map's or a list's entries, if they have keys of their own."""
        candidates = [self.schema.get("items"), self.schema.get("additionalProperties")]
        for entry in [*candidates, *self.schema.get("patternProperties", {}).values()]:
            if isinstance(entry, dict) and not is_foreign(entry) and "properties" in followed(entry):
                return entry
        return None


def is_foreign(schema: Schema, definitions: Schema | None = None) -> bool:
    """Whether a schema refers, directly or not, to a Kubernetes type; the definitions are those of the bundle."""
    known, reference = definitions or bundle()["$defs"], str(schema.get("$ref", "")).removeprefix("#/$defs/")
    return reference.startswith("k8s.") or (bool(reference) and is_foreign(known[reference], known))


def followed(schema: Schema, definitions: Schema | None = None) -> Schema:
    """A schema with its `$ref` replaced by what it refers to; keywords beside it win."""
    if "$ref" not in schema:
        return schema
    known = definitions or bundle()["$defs"]
    target = followed(known[schema["$ref"].removeprefix("#/$defs/")], known)
    return overlaid(target, {k: v for k, v in schema.items() if k != "$ref"})


def overlaid(target: Schema, beside: Schema) -> Schema:
    """A schema with further keywords beside it, which win."""
    result = {**target, **beside}
    if "properties" in target and "properties" in beside:
        result["properties"] = {
            **target["properties"],
            **{k: overlaid(target["properties"].get(k, {}), v) for k, v in beside["properties"].items()},
        }
    return result


def nodes() -> Iterator[Node]:
    """Every value, groups before what is in them."""
    # The root's own reference only says which values may not be deleted.
    yield from _walk((), {k: v for k, v in bundle().items() if k != "$ref"}, UNDECIDED)


def leaves() -> list[Node]:
    """The values that are no mere group of other values."""
    return [n for n in nodes() if n.foreign or not n.inner]


def _walk(path: Path, schema: Schema, inherited: Any) -> Iterator[Node]:
    keywords = followed(schema)
    decided = "default" in keywords if inherited is UNDECIDED else True
    default = keywords.get("default", MISSING) if inherited is UNDECIDED else inherited
    node = Node(path, keywords, default, is_foreign(schema))
    if path:
        yield node
    if node.foreign:
        return
    for name, child in node.inner.items():
        # The default of a group says what is in the group, and what is not.
        below = default.get(name, MISSING) if isinstance(default, dict) else MISSING
        yield from _walk((*path, name), child, below if decided else UNDECIDED)
    if node.entries is not None:
        yield from _walk((*path, ANY), node.entries, UNDECIDED)


def all_schemas(schema: Any, at: str = "#") -> Iterator[tuple[str, Schema]]:
    """Every schema of the bundle with its JSON pointer, definitions included."""
    if isinstance(schema, list):
        for position, item in enumerate(schema):
            yield from all_schemas(item, f"{at}/{position}")
    elif isinstance(schema, dict):
        yield at, schema
        for key, value in schema.items():
            if key in ("properties", "patternProperties", "$defs"):
                for name, child in value.items():
                    yield from all_schemas(child, f"{at}/{key}/{name}")
            elif key not in ("default", "examples", "enum", "const", "required"):
                yield from all_schemas(value, f"{at}/{key}")


def another_value(node: Node) -> Any:
    """A valid value that is not the default, or MISSING when the schema does not suggest one."""
    schema, default = node.schema, node.default
    for example in schema.get("examples", []):
        if example != default:
            return example
    if "enum" in schema:
        return next((v for v in schema["enum"] if v not in (default, "")), MISSING)
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if "boolean" in types and len(types) == 1:
        return default is not True
    if "integer" in types or types == ["number"]:
        low: Any = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        candidates = [default + 1, default - 1] if isinstance(default, int | float) else [low + 1]
        return next((c for c in candidates if low <= c <= schema.get("maximum", c)), MISSING)
    if "string" in types:
        texts = (
            "changed",
            "/changed",
            "7Gi",
            "3h",
            "sha256:" + "0123456789abcdef" * 4,
            "nats://changed:4222",
        )
        return next((t for t in texts if t != default and re.search(schema.get("pattern", ""), t)), MISSING)
    if types == ["object"] and not node.inner:
        for pattern, entry in schema.get("patternProperties", {}).items():
            if "string" in (entry.get("type") or entry.get("else", {}).get("type", "")):
                return next(({k: "yes"} for k in ("example.com/changed", "CHANGED") if re.search(pattern, k)), MISSING)
    return MISSING
