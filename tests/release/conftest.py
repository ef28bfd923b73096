"""Fixtures of the release tier: a real registry and cosign keys. No cluster."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.base.paths import ROOT
from hack.release import package
from hack.release.signing import Trust
from hack.tools import pinned
from tests.release import checkout as checkouts
from tests.release import registry as registries
from tests.release.registry import Registry

KEY_PASSWORD = "key-password"


@pytest.fixture(scope="session", autouse=True)
def release_binaries(pytestconfig: pytest.Config) -> dict[str, Path]:
    """The tools of a release; building them takes minutes the first time, so the progress is shown."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        return pinned.ensure(["crane", "cosign", "registry", "actionlint"])


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with TLS and one user, for the whole run; every test has paths of its own in it."""
    with registries.running(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The registry's user in the environment, and no login of the user who runs the tests."""
    monkeypatch.setenv("REGISTRY_USERNAME", registries.USER)
    monkeypatch.setenv("REGISTRY_PASSWORD", registries.PASSWORD)
    monkeypatch.setenv("COSIGN_PASSWORD", KEY_PASSWORD)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-docker-login"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "no-podman-login"))
    for name in ("GITHUB_ACTIONS", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def key_pair(tmp_path_factory: pytest.TempPathFactory, release_binaries: dict[str, Path]) -> Callable[[str], Path]:
    """Folders with cosign.key and cosign.pub, one for each name."""
    made: dict[str, Path] = {}

    def pair(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(f"keys-{name}")
            subprocess.run(
                [release_binaries["cosign"], "generate-key-pair"],
                cwd=made[name],
                env={**os.environ, "COSIGN_PASSWORD": KEY_PASSWORD},
                check=True,
                capture_output=True,
            )
        return made[name]

    return pair


@pytest.fixture
def signer(key_pair: Callable[[str], Path]) -> Trust:
    """The publisher's private key; nothing is sent to the public transparency log."""
    return Trust(key=str(key_pair("publisher") / "cosign.key"), transparency_log=False)


@pytest.fixture
def public(key_pair: Callable[[str], Path]) -> Trust:
    """The publisher's public key."""
    return Trust(key=str(key_pair("publisher") / "cosign.pub"), transparency_log=False)


@pytest.fixture(scope="session")
def image_list() -> list[str]:
    """The images of all scenarios, which take most of the time of packaging to find out."""
    return package.all_images(ROOT)


@pytest.fixture(autouse=True)
def images_known(monkeypatch: pytest.MonkeyPatch, image_list: list[str]) -> None:
    """Packaging takes the images as found once; that it finds them is tested in tests/tooling/test_release.py."""
    monkeypatch.setattr(package, "all_images", lambda _chart: image_list)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean checkout of the project as it is now."""
    return checkouts.make(tmp_path / "checkout")
