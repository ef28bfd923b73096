"""Which value pins which image: read from renders, so that none is missed."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.base.log import UserError
from hack.chart.manifests import merged
from hack.chart.scenarios import EVERYTHING
from hack.release import pin
from hack.release import registry as oci
from hack.tools import pinned
from hack.verbs.cli import run


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


class Logins:
    """In place of crane: which registries a login would be sent to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.seen: list[list[str]] = []
        monkeypatch.setenv("DOCKER_CONFIG", str(folder / "no-docker-login"))
        monkeypatch.setenv("REGISTRY_USERNAME", "me")
        monkeypatch.setenv("REGISTRY_PASSWORD", "secret")
        monkeypatch.setattr(pinned, "ensure", lambda _: {})
        monkeypatch.setattr(pin, "digest", self.digest)

    def digest(self, client: oci.Client, image: str) -> str:
        self.seen.append(list(json.loads((Path(client.env["DOCKER_CONFIG"]) / "config.json").read_text())["auths"]))
        return "sha256:" + "a" * 64


SEVERAL = {
    "global": {"discovery": {"backend": "etcd"}},
    "etcd": {"enabled": True, "image": {"registry": "registry.corp", "repository": "etcd"}},
}


@pytest.mark.parametrize(
    ("values", "login", "hosts"),
    [
        (SEVERAL, "", "nvcr.io, registry.corp;"),
        (SEVERAL, "registry.corpse", "nvcr.io, registry.corp, not registry.corpse;"),
        ({}, "", "nvcr.io;"),
    ],
)
def test_a_login_is_sent_to_no_registry_that_it_may_not_be_of(
    values: dict[str, Any], login: str, hosts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins, file = Logins(monkeypatch, tmp_path), tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=rf"Give the registry \(--login, make: LOGIN=\), one of {hosts}"):
        pin.pins([file], login=login)
    assert logins.seen == []


def test_a_login_is_sent_to_its_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logins, file = Logins(monkeypatch, tmp_path), tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(SEVERAL))
    run(["images", "pin", "-f", str(file), "--login=registry.corp", f"--out={tmp_path / 'digests.yaml'}"])
    assert logins.seen == [["registry.corp"]] * 2


@pytest.mark.parametrize("name", ["a", "b"])
def test_the_file_says_what_it_pins(name: str) -> None:
    text = pin.written({"etcd": {"image": {"digest": name}}}, {"etcd.image.digest": "quay.io/etcd:v3"})
    assert "#   etcd.image.digest: quay.io/etcd:v3\n" in text
    assert yaml.safe_load(text) == {"etcd": {"image": {"digest": name}}}
