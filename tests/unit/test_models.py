"""Where weights come from."""

import re
from typing import Any

import pytest
import yaml

from hack.base.paths import ROOT
from hack.chart import kubeschema, podsecurity
from hack.chart.helm import Helm, HelmError
from hack.chart.manifests import PodTemplate, merged, nested
from hack.chart.render import Render
from hack.chart.scenarios import model as source

COMPONENTS = ["frontend", "prefill", "decode"]
GUIDE = [
    yaml.safe_load(block)
    for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "models.md").read_text(), re.DOTALL)
]


def test_the_served_name_is_what_clients_ask_for(render: Render, role: str) -> None:
    container = render(source("pvc", claimName="weights", path="a/b")).pod(role).container()
    assert container.flag("served-model-name") == "org/model"
    assert container.flag("model") == "/models/a/b"


def test_a_served_name_may_have_a_tag(render: Render, role: str) -> None:
    manifests = render(merged(source("pvc", claimName="weights"), nested("global.model.name", "org/model:tag")))
    assert manifests.pod(role).container().flag("served-model-name") == "org/model:tag"
    probe = manifests.pod("frontend").container().spec["startupProbe"]["httpGet"]
    assert probe["path"] == "/v1/models/org/model:tag/ready"


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


# Cloud Storage


def bucket(**more: Any) -> dict[str, Any]:
    return source("gcsfuse", bucket="weights", **more)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_bucket_is_mounted_read_only_and_nothing_is_downloaded(render: Render, component: str) -> None:
    pod = render(bucket(mountOptions="implicit-dirs,file-cache:max-size-mb:-1")).pod(component)
    container = pod.container()
    assert pod.volumes()["model"]["csi"] == {
        "driver": "gcsfuse.csi.storage.gke.io",
        "readOnly": True,
        "volumeAttributes": {"bucketName": "weights", "mountOptions": "implicit-dirs,file-cache:max-size-mb:-1"},
    }
    mounts = {m["name"]: m for m in container.spec["volumeMounts"]}
    assert mounts["model"] == {"name": "model", "mountPath": "/models", "readOnly": True}
    assert container.env()["HF_HUB_OFFLINE"] == "1"
    assert "HF_TOKEN" not in container.env()


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_bucket_needs_the_drivers_sidecar(render: Render, component: str) -> None:
    """Without the annotation the mount hangs; without its limits lifted, reading is throttled."""
    annotations = render(bucket()).pod(component).metadata["annotations"]
    assert annotations["gke-gcsfuse/volumes"] == "true"
    for resource in ("cpu", "memory", "ephemeral-storage"):
        assert annotations[f"gke-gcsfuse/{resource}-limit"] == "0"
    other = {component: {"podAnnotations": {"gke-gcsfuse/memory-limit": "10Gi"}}}
    assert render(bucket() | other).pod(component).metadata["annotations"]["gke-gcsfuse/memory-limit"] == "10Gi"


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_bucket_no_sidecar(render: Render, component: str) -> None:
    annotations = render().pod(component).metadata.get("annotations", {})
    assert [name for name in annotations if name.startswith("gke-gcsfuse/")] == []


@pytest.mark.parametrize(("path", "model"), [("", "/models"), ("a/b", "/models/a/b"), ("a/b/", "/models/a/b")])
def test_paths_in_a_bucket(render: Render, role: str, path: str, model: str) -> None:
    assert render(bucket(path=path)).pod(role).container().flag("model") == model


@pytest.mark.parametrize(
    "block",
    [
        {"tokenSecret": {"name": "1", "key": "2"}, "cache": {"claimName": "3"}},
        {"cache": {"claimName": "3"}, "download": {"enabled": True, "revision": "1e3"}},
        {"cache": {"claimName": "3", "create": {"enabled": True, "size": "4e10"}}, "download": {"enabled": True}},
    ],
)
def test_names_that_look_like_numbers_stay_names(render: Render, role: str, block: dict[str, Any]) -> None:
    volumes = render(source("huggingface", **block)).pod(role).volumes()
    assert [v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v] == ["3"]


def test_who_reads_the_bucket(render: Render, role: str) -> None:
    annotations = {"iam.gke.io/gcp-service-account": "reader@project.iam.gserviceaccount.com"}
    manifests = render(merged(bucket(), {"global": {"serviceAccount": {"annotations": annotations}}}))
    account = manifests.one("ServiceAccount")
    assert account["metadata"]["annotations"] == annotations
    assert manifests.pod(role).spec["serviceAccountName"] == account["metadata"]["name"]


# One source instead of another: Helm cannot remove the keys of a lower values file, so each source has its block.

BLOCKS: dict[str, dict[str, Any]] = {
    "huggingface": {"repository": "org/weights"},
    "pvc": {"claimName": "claim"},
    "gcsfuse": {"bucket": "weights"},
    "hostPath": {"path": "/mnt/weights"},
    "ociImage": {"image": {"repository": "weights", "tag": "1"}},
    "csi": {"driver": "csi.example.com"},
}
MODELS = dict.fromkeys(BLOCKS, "/models") | {"huggingface": "org/weights"}
# The volume by name, and what kind it is.
VOLUMES = {
    "huggingface": ("model-cache", "emptyDir"),
    "pvc": ("model", "persistentVolumeClaim"),
    "gcsfuse": ("model", "csi"),
    "hostPath": ("model", "hostPath"),
    "ociImage": ("model", "image"),
    "csi": ("model", "csi"),
}


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("scenario", ["a3u-multi", "tke-h20-multi", "a4x-1p1d"])
def test_a_file_on_top_of_a_scenario_chooses_another_source(
    render: Render, each_helm: Helm, role: str, scenario: str, kind: str
) -> None:
    block = BLOCKS[kind] | ({"path": ""} if kind in ("pvc", "gcsfuse") else {})
    values = {"global": {"model": {"source": {"type": kind, kind: block}}}}
    manifests = render(values, [f"values/{scenario}.yaml"], helm=each_helm.name)
    pod = manifests.pod(role)
    container = pod.container()
    assert (container.flag("model") or container.flag("model-path")) == MODELS[kind]
    name, of_kind = VOLUMES[kind]
    assert pod.volumes().keys() & {"model", "model-cache"} == {name}
    assert pod.volumes()[name].keys() == {"name", of_kind}
    assert ("HF_HUB_OFFLINE" in container.env()) == (kind != "huggingface")
    annotations = pod.metadata.get("annotations", {})
    assert ("gke-gcsfuse/volumes" in annotations) == (kind == "gcsfuse")


@pytest.mark.parametrize("kind", BLOCKS)
def test_blocks_that_are_not_chosen_change_nothing(render: Render, kind: str) -> None:
    alone = {"global": {"model": {"source": {"type": kind, kind: BLOCKS[kind]}}}}
    beside = {"global": {"model": {"source": {"type": kind, **BLOCKS}}}}
    assert render(beside) == render(alone)


@pytest.mark.parametrize("kind", sorted(BLOCKS.keys() - {"huggingface"}))
@pytest.mark.parametrize("component", COMPONENTS)
def test_what_is_mounted_is_read_only_and_nothing_is_downloaded(render: Render, component: str, kind: str) -> None:
    pod = render(source(kind, **BLOCKS[kind])).pod(component)
    mounts = {m["name"]: m for m in pod.container().spec["volumeMounts"]}
    assert mounts["model"] == {"name": "model", "mountPath": "/models", "readOnly": True}
    assert pod.container().env().items() >= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}.items()
    assert "initContainers" not in pod.spec


def test_a_folder_that_is_not_on_the_node_is_not_made(render: Render, role: str) -> None:
    volume = render(source("hostPath", path="/mnt/a")).pod(role).volumes()["model"]
    assert volume["hostPath"] == {"path": "/mnt/a", "type": "Directory"}


def test_an_image_comes_from_the_mirror_too(render: Render, role: str) -> None:
    image = {"registry": "a.example.com", "repository": "weights", "tag": "1", "pullPolicy": "Always"}
    volume = render(source("ociImage", image=image)).pod(role).volumes()["model"]
    assert volume["image"] == {"reference": "a.example.com/weights:1", "pullPolicy": "Always"}
    mirrored = merged(source("ociImage", image=image), {"global": {"imageRegistry": "b.example.com"}})
    assert render(mirrored).pod(role).volumes()["model"]["image"]["reference"] == "b.example.com/weights:1"


def test_image_volumes_need_a_kubernetes_that_has_them(render: Render, each_helm: Helm) -> None:
    values = source("ociImage", **BLOCKS["ociImage"])
    assert render(values, kube_version="1.35.0", helm=each_helm.name)
    with pytest.raises(HelmError, match=r"global.model.source.type: image volumes need Kubernetes 1.35, this is v1.34"):
        render(values, kube_version="1.34.2", helm=each_helm.name)


def test_a_driver_gets_what_it_wants_to_know(render: Render, role: str) -> None:
    block = {"driver": "csi.example.com", "readOnly": False, "volumeAttributes": {"n": "1"}}
    volume = render(source("csi", nodePublishSecretRef={"name": "s"}, **block)).pod(role).volumes()["model"]
    assert volume["csi"] == {**block, "nodePublishSecretRef": {"name": "s"}}


@pytest.mark.parametrize(
    "values", [v for v in GUIDE if "global" in v], ids=lambda v: v["global"]["model"]["source"]["type"]
)
def test_the_guides_values_are_accepted(render: Render, values: dict[str, Any]) -> None:
    assert "model" in render(values).pod("decode").volumes()


def test_the_guides_loader_fills_the_claim_that_is_created() -> None:
    (loader,) = (v for v in GUIDE if v.get("kind") == "Pod")
    assert kubeschema.problems(loader) == []
    assert podsecurity.violations(PodTemplate(loader, loader["metadata"], loader["spec"])) == []
