"""Kubernetes' own schemas for rendered objects, stricter than the API server: unknown fields are errors."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from hack.base.yamlfile import read_yaml
from hack.chart.manifests import Object, object_id
from hack.schema import kubernetes as openapi

CUSTOM_RESOURCES = Path(__file__).with_name("customresources.yaml")
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


@functools.cache
def definitions() -> dict[str, dict[str, Any]]:
    """All committed definitions, by full name."""
    return openapi.load(openapi.KUBERNETES_FILE) | openapi.load(openapi.GATEWAY_FILE)


@functools.cache
def _names() -> dict[tuple[str, str], str]:
    names = {}
    for name, schema in definitions().items():
        for entry in schema.get("x-kubernetes-group-version-kind", []):
            group, version = entry["group"], entry["version"]
            names[f"{group}/{version}" if group else version, entry["kind"]] = name
    return names


def _unique_keys(_: Any, keys: list[str], items: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """x-kubernetes-list-map-keys: server-side apply refuses two entries with the same keys."""
    if not isinstance(items, list):
        return
    item_schema = schema["items"]
    if "$ref" in item_schema:
        item_schema = definitions()[item_schema["$ref"].removeprefix("#/definitions/")]
    defaults = {k: item_schema.get("properties", {}).get(k, {}).get("default") for k in keys}
    seen = set()
    for item in items:
        identity = tuple(item.get(k, defaults[k]) for k in keys)
        if identity in seen:
            yield ValidationError(f"two entries with {dict(zip(keys, identity, strict=True))}")
        seen.add(identity)


def _unique_set(_: Any, list_type: str, items: Any, __: dict[str, Any]) -> Iterator[ValidationError]:
    """x-kubernetes-list-type set: no value twice."""
    if list_type == "set" and isinstance(items, list):
        texts = [json.dumps(item, sort_keys=True) for item in items]
        for text in sorted({t for t in texts if texts.count(t) > 1}):
            yield ValidationError(f"{text} is listed twice")


def _remembered(validator: Any, ref: str, part: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """$ref: most parts of an object are those of an earlier one, and what fitted is not looked at again."""
    key = ref, json.dumps(part, sort_keys=True)
    if key not in _fitting:
        errors = list(Draft202012Validator.VALIDATORS["$ref"](validator, ref, part, schema))
        yield from errors
        if not errors:
            _fitting.add(key)


_fitting: set[tuple[str, str]] = set()
_Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {"$ref": _remembered, "x-kubernetes-list-map-keys": _unique_keys, "x-kubernetes-list-type": _unique_set},
)


@functools.cache
def _custom() -> dict[str, Any]:
    return read_yaml(CUSTOM_RESOURCES)


@functools.cache
def _validator(api_version: str, kind: str) -> Any:
    if spec := _custom().get(f"{api_version} {kind}"):
        properties = {
            "apiVersion": {"const": api_version},
            "kind": {"const": kind},
            "metadata": {"$ref": f"#/definitions/{META}"},
            "spec": {"additionalProperties": False, **spec},
        }
        closed = {"properties": properties, "required": list(properties), "additionalProperties": False}
        return _Validator({**closed, "definitions": definitions()})
    name = _names().get((api_version, kind))
    if name is None:
        raise LookupError(
            f"{api_version} {kind} is not in schemas/kubernetes: add it to ROOT_KINDS of hack/schema/kubernetes.py"
        )
    return _Validator({"$ref": f"#/definitions/{name}", "definitions": definitions()})


def problems(*items: Object) -> list[str]:
    """What is wrong with objects, as `Kind/name: path: message` lines; empty when nothing is."""
    return [line for item in items for line in _problems(json.dumps(item, sort_keys=True))]


@functools.lru_cache(maxsize=20_000)
def _problems(text: str) -> tuple[str, ...]:
    item = json.loads(text)
    found = _validator(item["apiVersion"], item["kind"]).iter_errors(item)
    return tuple(sorted(f"{object_id(item)}: {e.json_path}: {e.message[:300]}" for e in found))
