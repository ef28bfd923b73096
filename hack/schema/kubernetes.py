"""Write the pruned Kubernetes schemas below schemas/kubernetes/ that values and objects are checked against.

Two files, both `{"definitions": {<full name>: <JSON schema>}}` with `#/definitions/...` references:
v1.36.json comes from /openapi/v3 of a real API server, gateway-v1.json from the Gateway API's own CRD.
"""

import copy
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.yamlfile import read_yaml
from hack.tools import gobuild

Schema = dict[str, Any]

FOLDER = ROOT / "schemas" / "kubernetes"
KUBERNETES_FILE = FOLDER / "v1.36.json"
GATEWAY_FILE = FOLDER / "gateway-v1.json"

# What the chart renders or refers to, by API group and version.
ROOT_KINDS: dict[str, tuple[str, ...]] = {
    "v1": (
        "ConfigMap",
        "PersistentVolumeClaim",
        "Pod",
        "Secret",
        "Service",
        "ServiceAccount",
    ),
    "apps/v1": ("Deployment", "StatefulSet"),
    "apiextensions.k8s.io/v1": ("CustomResourceDefinition",),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "batch/v1": ("CronJob", "Job"),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    "resource.k8s.io/v1": ("ResourceClaimTemplate",),
}
GATEWAY_CRDS = {"gateway.networking.k8s.io_httproutes.yaml": "HTTPRoute"}
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

# Kubernetes writes these two types as free-form unions; these are their documented grammars.
QUANTITY: Schema = {
    "type": ["string", "number"],
    "pattern": r"^[+-]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
}
INT_OR_STRING: Schema = {"type": ["integer", "string"]}
OVERRIDES: dict[str, Schema] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": QUANTITY,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
}
# Keywords that hold schemas by name, so that their keys are not keywords.
NAMED_SCHEMAS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
# Keywords that hold plain data, in which nothing is a reference.
DATA = {"const", "default", "enum", "examples", "required"}
DROPPED = {
    "description",
    "format",
    "nullable",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-unions",
    "x-kubernetes-validations",
}


def simplified(schema: Schema) -> Schema:
    """A schema without prose and Kubernetes' empty defaults, closed where it names its properties."""
    if schema.get("x-kubernetes-int-or-string"):
        return dict(INT_OR_STRING)
    every = schema.get("allOf", [])
    if len(every) == 1 and "$ref" in every[0]:
        return {"$ref": every[0]["$ref"].replace("#/components/schemas/", "#/definitions/")}
    result: Schema = {}
    for key, value in schema.items():
        if key in DROPPED or (key == "default" and value in ("", 0, False, {}, None)):
            continue
        if key == "properties":
            result[key] = {name: simplified(child) for name, child in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            result[key] = simplified(value)
        elif key == "$ref":
            result[key] = value.replace("#/components/schemas/", "#/definitions/")
        else:
            result[key] = copy.deepcopy(value)
    # "required" alone does not close an object; a list of known properties does.
    open_on_purpose = "additionalProperties" in result or result.get("x-kubernetes-preserve-unknown-fields")
    if "properties" in result and not open_on_purpose:
        result["additionalProperties"] = False
    return result


def references(schema: Any) -> Iterator[str]:
    """The names of the definitions a schema refers to."""
    if isinstance(schema, list):
        for item in schema:
            yield from references(item)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref":
                yield value.rpartition("/")[2]
            elif key in NAMED_SCHEMAS:
                for child in value.values():
                    yield from references(child)
            elif key not in DATA:
                yield from references(value)


def reachable(definitions: dict[str, Schema], roots: Iterable[str]) -> dict[str, Schema]:
    """The definitions that can be reached from `roots`, sorted by name."""
    found: dict[str, Schema] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = definitions[name]
            waiting.extend(references(definitions[name]))
    return dict(sorted(found.items()))


def with_group_version_kind(schema: Schema, api_version: str, kind: str) -> Schema:
    """A root definition that fixes apiVersion and kind and has no status, which a chart never writes."""
    result = copy.deepcopy(schema)
    properties = result["properties"]
    properties.pop("status", None)
    properties["apiVersion"] = {"const": api_version}
    properties["kind"] = {"const": kind}
    result["required"] = sorted({*result.get("required", []), "apiVersion", "kind"})
    group, _, version = api_version.rpartition("/")
    result["x-kubernetes-group-version-kind"] = [{"group": group, "kind": kind, "version": version}]
    return result


def pruned(documents: dict[str, Schema]) -> dict[str, Schema]:
    """The definitions of ROOT_KINDS out of the OpenAPI v3 documents, which are keyed by group and version."""
    definitions: dict[str, Schema] = {}
    roots: list[str] = []
    for api_version, kinds in ROOT_KINDS.items():
        schemas = documents[api_version]["components"]["schemas"]
        for name, schema in schemas.items():
            if name not in definitions:
                definitions[name] = OVERRIDES.get(name) or simplified(schema)
        group, _, version = api_version.rpartition("/")
        for kind in kinds:
            wanted = {"group": group, "kind": kind, "version": version}
            names = [n for n, s in schemas.items() if wanted in s.get("x-kubernetes-group-version-kind", [])]
            if len(names) != 1:
                raise UserError(f"{api_version} {kind}: expected one definition, found {names or 'none'}")
            definitions[names[0]] = with_group_version_kind(definitions[names[0]], api_version, kind)
            roots.append(names[0])
    return reachable(definitions, roots)


def gateway_definitions() -> dict[str, Schema]:
    """HTTPRoute v1 out of the CRD in the Gateway API's Go module, whose version hack/data/go pins."""
    folder = gobuild.source("gateway-api", "sigs.k8s.io/gateway-api") / "config" / "crd" / "standard"
    definitions: dict[str, Schema] = {}
    for file, kind in GATEWAY_CRDS.items():
        crd = read_yaml(folder / file)
        (version,) = [v for v in crd["spec"]["versions"] if v["name"] == "v1"]
        schema = simplified(version["schema"]["openAPIV3Schema"])
        # A CRD leaves metadata to the API server; here it refers to the definition in the other file.
        schema["properties"]["metadata"] = {"$ref": f"#/definitions/{OBJECT_META}"}
        api_version = f"{crd['spec']['group']}/v1"
        definitions[f"{crd['spec']['group']}.v1.{kind}"] = with_group_version_kind(schema, api_version, kind)
    return definitions


def dumped(definitions: dict[str, Schema]) -> str:
    """The text of a schema file: one definition per line, so that a diff names what changed."""
    lines = [
        f"{json.dumps(name)}: {json.dumps(schema, sort_keys=True, separators=(',', ':'))}"
        for name, schema in definitions.items()
    ]
    return '{"definitions": {\n' + ",\n".join(lines) + "\n}}\n"


def load(path: Path = KUBERNETES_FILE) -> dict[str, Schema]:
    """The definitions of a committed schema file."""
    definitions: dict[str, Schema] = json.loads(path.read_text())["definitions"]
    return definitions


def differences(path: Path, definitions: dict[str, Schema]) -> list[str]:
    """The names of the definitions in which a committed file and fresh definitions differ."""
    old = load(path) if path.exists() else {}
    return sorted(name for name in old.keys() | definitions.keys() if old.get(name) != definitions.get(name))
