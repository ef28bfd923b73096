"""Which value pins which image: read from renders, so that none is missed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.chart.manifests import merged
from hack.chart.scenarios import EVERYTHING
from hack.release import pin


def places(tmp_path: Path, values: dict[str, Any]) -> dict[str, str]:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return pin.places([file], [])


def test_the_engines_image_is_that_of_all_its_pods(tmp_path: Path) -> None:
    found = places(tmp_path, {"preflight": {"enabled": True}})
    assert list(found) == ["global.engine.image.digest"]
    assert found["global.engine.image.digest"].startswith("nvcr.io/nvidia/ai-dynamo/vllm-runtime:1.6.1")


def test_every_image_has_its_value(tmp_path: Path) -> None:
    own = {"repository": "library/python", "registry": "docker.io", "tag": "3.12-slim"}
    values = merged(
        EVERYTHING, {"preflight": {"enabled": True, "image": own}, "frontend": {"image": {"tag": "1.6.1-b"}}}
    )
    found = places(tmp_path, values)
    assert {path.removesuffix(".image.digest") for path in found} == {
        *("global.engine", "frontend", "preflight", "etcd", "nats"),
    }
    assert found["preflight.image.digest"] == "docker.io/library/python:3.12-slim"
    assert found["etcd.image.digest"].startswith("quay.io/coreos/etcd:v")


def test_what_is_not_pulled_is_not_asked_for(tmp_path: Path) -> None:
    simulated = {"global": {"simulation": {"enabled": True}}}
    assert list(places(tmp_path, simulated)) == ["global.simulation.image.digest"]


def test_pinned_images_stay_as_they_are(tmp_path: Path) -> None:
    image = {"image": {"digest": "sha256:" + "a" * 64}}
    assert places(tmp_path, {"global": {"engine": image}}) == {}


def test_the_weights_image_too(tmp_path: Path) -> None:
    source = {"type": "ociImage", "ociImage": {"image": {"repository": "models/a", "tag": "1"}, "path": "a"}}
    found = places(tmp_path, {"global": {"model": {"name": "org/model", "sizeGiB": 30, "source": source}}})
    assert found["global.model.source.ociImage.image.digest"] == "models/a:1"


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_file_says_what_it_pins(name: str) -> None:
    text = pin.written({"etcd": {"image": {"digest": name}}}, {"etcd.image.digest": "quay.io/etcd:v3"})
    assert "#   etcd.image.digest: quay.io/etcd:v3\n" in text
    assert yaml.safe_load(text) == {"etcd": {"image": {"digest": name}}}
