"""Image references: registry, repository, tag or digest, pull secrets, one registry for all."""

from typing import Any

import pytest

from hack.chart.manifests import Manifests, merged, nested
from hack.chart.render import Render

DIGEST = "sha256:" + "0123456789abcdef" * 4
EVERYTHING = {
    "etcd": {"enabled": True},
    "nats": {"enabled": True},
    "global": {"discovery": {"backend": "etcd"}, "requestPlane": "nats"},
}
DYNAMO = "nvcr.io/nvidia/ai-dynamo/vllm-runtime:1.6.1"


def images(manifests: Manifests) -> dict[str, str]:
    return {c.id: c.spec["image"] for c in manifests.containers()}


def test_default_images(render: Render) -> None:
    manifests = render(EVERYTHING)
    by_component = {c: manifests.pod(c).container().spec["image"] for c in ("frontend", "prefill", "decode")}
    assert by_component == {"frontend": DYNAMO, "prefill": DYNAMO, "decode": DYNAMO}
    assert manifests.pod("etcd").container().spec["image"].startswith("quay.io/coreos/etcd:v3.6.")
    assert manifests.pod("nats").container().spec["image"].startswith("docker.io/library/nats:2.")


def test_one_registry_for_all(render: Render) -> None:
    values = merged(EVERYTHING, nested("global.imageRegistry", "mirror.example.com:5000/a"))
    for name, image in images(render(values)).items():
        assert image.startswith("mirror.example.com:5000/a/"), name
        assert image.count(":") == 2, name


@pytest.mark.parametrize("component", ["frontend", "etcd", "nats", "prefill"])
def test_a_digest_pins_and_replaces_the_tag(render: Render, component: str) -> None:
    path = "global.engine" if component == "prefill" else component
    values = merged(EVERYTHING, nested(f"{path}.image.digest", DIGEST))
    image = render(values).pod(component).container().spec["image"]
    assert image.endswith(f"@{DIGEST}")
    assert ":" not in image.removesuffix(f"@{DIGEST}")


def test_the_frontend_takes_the_engines_image(render: Render) -> None:
    own = {"registry": "r.example.com", "repository": "a/b", "tag": "c", "pullPolicy": "Always"}
    manifests = render({"global": {"engine": {"image": own, "version": "unchecked"}}})
    for component in ("frontend", "prefill", "decode"):
        container = manifests.pod(component).container()
        assert container.spec["image"] == "r.example.com/a/b:c"
        assert container.spec["imagePullPolicy"] == "Always"


@pytest.mark.parametrize(
    ("engine", "frontend", "image"),
    [
        ({"digest": DIGEST}, {}, f"nvcr.io/nvidia/ai-dynamo/vllm-runtime@{DIGEST}"),
        ({"digest": DIGEST}, {"tag": "1"}, "nvcr.io/nvidia/ai-dynamo/vllm-runtime:1"),
        ({"digest": DIGEST}, {"repository": "a/b"}, "nvcr.io/a/b:1.6.1"),
        ({}, {"registry": "r.example.com"}, "r.example.com/nvidia/ai-dynamo/vllm-runtime:1.6.1"),
    ],
    ids=["inherited digest", "own tag", "own repository", "own registry"],
)
def test_a_digest_is_not_inherited_by_another_image(
    render: Render, engine: dict[str, Any], frontend: dict[str, Any], image: str
) -> None:
    values = {"global": {"engine": {"image": engine, "version": "unchecked"}}, "frontend": {"image": frontend}}
    assert render(values).pod("frontend").container().spec["image"] == image


def test_a_tag_that_looks_like_a_number_stays_text(render: Render) -> None:
    assert (
        render({"global": {"engine": {"image": {"tag": "1.10"}, "version": "unchecked"}}})
        .pod("decode")
        .container()
        .spec["image"]
        .endswith(":1.10")
    )


def test_pull_secrets_reach_every_pod(render: Render) -> None:
    for pod in render(merged(EVERYTHING, nested("global.imagePullSecrets", ["a", "b"]))).pods():
        assert pod.spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}], pod.id
