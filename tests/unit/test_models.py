"""Where weights come from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Render

COMPONENTS = ["frontend", "prefill", "decode"]


def source(kind: str, **values: Any) -> dict[str, Any]:
    """Values of a model whose weights come from a source of this type."""
    return {"global": {"model": {"name": "org/model", "source": {"type": kind, kind: values}}}}


def test_the_served_name_is_what_clients_ask_for(render: Render, role: str) -> None:
    container = render(source("pvc", claimName="weights", path="a/b")).pod(role).container()
    assert container.flag("served-model-name") == "org/model"
    assert container.flag("model") == "/models/a/b"


@pytest.mark.parametrize(
    ("values", "model"),
    [({}, "org/model"), ({"repository": "other/weights"}, "other/weights")],
)
def test_huggingface_repository(render: Render, role: str, values: dict[str, Any], model: str) -> None:
    assert render(source("huggingface", **values)).pod(role).container().flag("model") == model


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize(("key", "expected"), [(None, "HF_TOKEN"), ("token", "token")])
def test_a_token_comes_from_a_secret(render: Render, component: str, key: str | None, expected: str) -> None:
    secret = {"name": "hf"} | ({"key": key} if key else {})
    variables = render(source("huggingface", tokenSecret=secret)).pod(component).container().env()
    assert variables["HF_TOKEN"] == {"secretKeyRef": {"name": "hf", "key": expected}}


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_token_no_variable(render: Render, component: str) -> None:
    assert "HF_TOKEN" not in render().pod(component).container().env()


@pytest.mark.parametrize("component", COMPONENTS)
def test_downloads_go_to_a_writable_cache(render: Render, component: str) -> None:
    pod = render(source("huggingface", cache={"sizeLimit": "300Gi"})).pod(component)
    container = pod.container()
    mounts = {m["mountPath"]: m for m in container.spec["volumeMounts"]}
    mount = mounts[container.env()["HF_HOME"]]
    assert not mount.get("readOnly", False)
    assert pod.volumes()[mount["name"]]["emptyDir"] == {"sizeLimit": "300Gi"}


def test_workers_share_a_claim(render: Render, role: str) -> None:
    pod = render(source("huggingface", cache={"claimName": "cache"})).pod(role)
    assert pod.volumes()["model-cache"]["persistentVolumeClaim"] == {"claimName": "cache"}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_claim_is_mounted_read_only_and_nothing_is_downloaded(render: Render, component: str) -> None:
    pod = render(source("pvc", claimName="weights")).pod(component)
    container = pod.container()
    assert pod.volumes()["model"]["persistentVolumeClaim"] == {"claimName": "weights", "readOnly": True}
    mounts = {m["name"]: m for m in container.spec["volumeMounts"]}
    assert mounts["model"] == {"name": "model", "mountPath": "/models", "readOnly": True}
    assert container.env()["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize("path", ["a/b", "a/b/"])
def test_paths_in_a_claim(render: Render, role: str, path: str) -> None:
    assert render(source("pvc", claimName="w", path=path)).pod(role).container().flag("model") == "/models/a/b"
