"""Which images some values need, and what they are called in a mirror."""

import json
from pathlib import Path
from typing import Any

import pytest

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.chart import images
from hack.chart import render as chart
from hack.chart.scenarios import SIMULATE
from hack.release import mirror
from hack.verbs import cli

SCENARIOS = sorted((ROOT / "values").glob("*.yaml"))
MIRROR = "registry.corp:5000/ai"


@pytest.mark.parametrize("file", SCENARIOS[:2], ids=lambda f: f.stem)
def test_every_container_of_the_release_and_of_its_tests(file: Path) -> None:
    manifests = chart.render({}, [file])
    assert images.needed([file]) == sorted({c.spec["image"] for c in manifests.containers()})


def test_optional_subcharts() -> None:
    on = ["etcd.enabled=true", "global.discovery.backend=etcd", "nats.enabled=true", "global.requestPlane=nats"]
    names = {image.rpartition("/")[2].partition(":")[0] for image in images.needed([], on)}
    assert names == {"vllm-runtime", "etcd", "nats"}


def test_a_digest_stays_a_digest() -> None:
    digest = "sha256:" + "0123456789abcdef" * 4
    settings = [f"global.engine.image.digest={digest}", "global.engine.image.repository=a/b"]
    (copy,) = mirror.copies([], settings, MIRROR)
    assert copy.source.endswith(f"a/b@{digest}")
    assert copy.target == f"{MIRROR}/a/b@{digest}"


def test_a_mirrored_release_pulls_from_nowhere_else() -> None:
    files = [SCENARIOS[0], SIMULATE]
    targets = {copy.target for copy in mirror.copies(files, [], MIRROR)}
    assert targets == set(images.needed(files, [f"global.imageRegistry={MIRROR}"]))
    assert all(target.startswith(f"{MIRROR}/") for target in targets)


def test_an_image_out_of_the_mirrors_reach_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "references", lambda *_, **__: ["quay.io/stray:1"])
    with pytest.raises(UserError, match=r"global\.imageRegistry does not reach quay\.io/stray:1"):
        mirror.copies([], [], MIRROR)


def test_images_of_any_kind_of_object() -> None:
    pod: dict[str, Any] = {
        "containers": [{"image": "a"}, {"name": "none"}],
        "initContainers": [{"image": "b"}],
        "volumes": [{"image": {"reference": "c", "pullPolicy": "Always"}}, {"emptyDir": {}}],
    }
    group = {"spec": {"leaderWorkerTemplate": {"leaderTemplate": {"spec": pod}, "workerTemplate": {"spec": pod}}}}
    assert list(images._images([{"spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}])) == ["a", "b", "c"]
    assert list(images._images(group)) == ["a", "b", "c"] * 2
    assert list(images._images({"properties": {"containers": {"type": "array"}, "image": {"type": "string"}}})) == []


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("nvcr.io/a/b:1", "nvcr.io/a/b"),
        ("localhost:5000/a@sha256:0", "localhost:5000/a"),
        ("localhost/a", "localhost/a"),
        ("library/nats:2", "docker.io/library/nats"),
        ("nats", "docker.io/nats"),
    ],
)
def test_registry_of_an_image(image: str, repository: str) -> None:
    assert str(mirror.repository(image)) == repository


def test_values_the_chart_refuses() -> None:
    with pytest.raises(UserError, match=r"cannot be rendered with these values: [\s\S]*'decoder' not allowed"):
        images.needed([], ["decoder.replicas=2"])


def test_command_list(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def rendered(files: tuple[Path, ...], settings: tuple[str, ...], registry: str = "nvcr.io", **_: Any) -> list[str]:
        assert (files, settings) == ((SCENARIOS[0], SIMULATE), ("x=1",))
        return [f"{registry}/b:1", f"{registry}/a:1", f"{registry}/b:1"]

    monkeypatch.setattr(images, "references", rendered)
    monkeypatch.setattr(mirror, "references", rendered)
    call = ["images", "list", "-f", str(SCENARIOS[0]), "--values", str(SIMULATE), "--set", "x=1"]
    assert cli.run(call) == 0
    assert capsys.readouterr().out == "nvcr.io/a:1\nnvcr.io/b:1\n"
    assert cli.run([*call, "--to", f"oci://{MIRROR}"]) == 0
    assert capsys.readouterr().out == f"nvcr.io/a:1 {MIRROR}/a:1\nnvcr.io/b:1 {MIRROR}/b:1\n"
    assert cli.run([*call, "--to", MIRROR, "--json"]) == 0
    pairs = json.loads(capsys.readouterr().out)
    assert pairs == [["nvcr.io/a:1", f"{MIRROR}/a:1"], ["nvcr.io/b:1", f"{MIRROR}/b:1"]]


def test_a_wrong_mirror() -> None:
    with pytest.raises(UserError, match="is not the address of an OCI registry"):
        cli.run(["images", "mirror", "--to", "https://registry.corp"])
