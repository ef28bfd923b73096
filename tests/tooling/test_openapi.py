"""hack/schema/kubernetes.py: what it keeps of Kubernetes' OpenAPI, and what it says about a stale file."""

from pathlib import Path
from typing import Any

import pytest

from hack.base.log import UserError
from hack.schema import kubernetes as openapi
from hack.verbs import cli

META = "#/components/schemas/meta.v1.ObjectMeta"


def documents() -> dict[str, dict[str, Any]]:
    """An API server's documents with every wanted kind, as small as they can be."""
    result = {}
    for api_version, kinds in openapi.ROOT_KINDS.items():
        group, _, version = api_version.rpartition("/")
        schemas: dict[str, Any] = {
            "meta.v1.ObjectMeta": {"type": "object", "properties": {"name": {"type": "string"}}},
            "unrelated.v1.Thing": {"type": "object"},
        }
        for kind in kinds:
            schemas[f"test.{api_version}.{kind}"] = {
                "type": "object",
                "description": "prose",
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": {"allOf": [{"$ref": META}], "default": {}, "description": "prose"},
                    "status": {"type": "object"},
                },
                "x-kubernetes-group-version-kind": [{"group": group, "kind": kind, "version": version}],
            }
        result[api_version] = {"components": {"schemas": schemas}}
    return result


def test_only_what_the_kinds_reach_is_kept() -> None:
    kept = openapi.pruned(documents())
    assert "meta.v1.ObjectMeta" in kept
    assert "unrelated.v1.Thing" not in kept
    assert len(kept) == 1 + sum(len(kinds) for kinds in openapi.ROOT_KINDS.values())


def test_a_kind_is_closed_fixed_and_without_status() -> None:
    kept = openapi.pruned(documents())["test.apps/v1.Deployment"]
    assert kept == {
        "type": "object",
        "properties": {
            "apiVersion": {"const": "apps/v1"},
            "kind": {"const": "Deployment"},
            "metadata": {"$ref": "#/definitions/meta.v1.ObjectMeta"},
        },
        "required": ["apiVersion", "kind"],
        "additionalProperties": False,
        "x-kubernetes-group-version-kind": [{"group": "apps", "kind": "Deployment", "version": "v1"}],
    }


def test_a_server_without_a_kind_is_refused() -> None:
    incomplete = documents()
    del incomplete["batch/v1"]["components"]["schemas"]["test.batch/v1.Job"]
    with pytest.raises(UserError, match="batch/v1 Job: expected one definition, found none"):
        openapi.pruned(incomplete)


def test_defaults_that_decide_identity_stay() -> None:
    kept = openapi.simplified(
        {"properties": {"protocol": {"type": "string", "default": "TCP"}, "name": {"default": ""}}}
    )
    assert kept["properties"] == {"protocol": {"type": "string", "default": "TCP"}, "name": {}}


def test_maps_and_unknown_fields_on_purpose_stay_open() -> None:
    assert "additionalProperties" not in openapi.simplified(
        {"properties": {"a": {}}, "x-kubernetes-preserve-unknown-fields": True}
    )
    labels = {"type": "object", "additionalProperties": {"type": "string"}}
    assert openapi.simplified(labels) == labels


@pytest.mark.parametrize("file", [openapi.KUBERNETES_FILE, openapi.GATEWAY_FILE], ids=lambda f: f.stem)
def test_the_committed_files_are_as_the_tool_writes_them(file: Path) -> None:
    assert openapi.dumped(openapi.load(file)) == file.read_text()


def test_the_committed_file_has_every_kind() -> None:
    found = {
        (f"{g['group']}/{g['version']}".removeprefix("/"), g["kind"])
        for schema in openapi.load().values()
        for g in schema.get("x-kubernetes-group-version-kind", [])
    }
    wanted = {(version, kind) for version, kinds in openapi.ROOT_KINDS.items() for kind in kinds}
    assert wanted <= found


def test_differences_name_the_definitions(tmp_path: Path) -> None:
    file = tmp_path / "v1.json"
    file.write_text(openapi.dumped({"a": {"type": "string"}, "b": {}}))
    assert openapi.differences(file, {"a": {"type": "integer"}, "b": {}, "c": {}}) == ["a", "c"]


def test_an_unreadable_kubeconfig_is_one_clear_message(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("no: kubeconfig")
    with pytest.raises(UserError, match="cannot read kubeconfig"):
        cli.run(["schema", "kubernetes", "--kubeconfig", str(file)])
