"""Mirroring a release's images between two paths of a real registry, and what the release pulls then."""

import io
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hack.base.log import UserError
from hack.base.paths import ROOT, TOOLS_BIN
from hack.chart import images
from hack.release import mirror as mirrors
from hack.release import pin
from hack.release import registry as oci
from tests.release.registry import PASSWORD, USER, Registry

TAG = "1.0"


@pytest.fixture(scope="module")
def upstream(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Small images of two platforms under one index, where values files of this module take theirs; with digests."""
    folder = tmp_path_factory.mktemp("upstream")
    layer = folder / "layer.tar"
    with tarfile.open(layer, "w") as archive:
        archive.addfile(tarfile.TarInfo("hello"), io.BytesIO())
    environment = {"DOCKER_CONFIG": str(folder), "SSL_CERT_FILE": str(registry.ca_file), "PATH": "/usr/bin:/bin"}

    def crane(*arguments: str) -> str:
        command = [str(TOOLS_BIN / "crane"), *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    crane("auth", "login", registry.host, "--username", USER, "--password", PASSWORD)
    digests = {}
    for name in ("runtime", "etcd"):
        base = f"{registry.host}/upstream/{name}"
        for platform in ("amd64", "arm64"):
            crane("append", "--oci-empty-base", "--new_layer", str(layer), "--new_tag", f"{base}:{platform}")
            crane("mutate", f"{base}:{platform}", "--set-platform", f"linux/{platform}", "--tag", f"{base}:{platform}")
        platforms = [part for p in ("amd64", "arm64") for part in ("--manifest", f"{base}:{p}")]
        crane("index", "append", "--tag", f"{base}:{TAG}", *platforms)
        digests[name] = crane("digest", f"{base}:{TAG}")
    return digests


@pytest.fixture
def values(registry: Registry, upstream: dict[str, str], tmp_path: Path) -> Callable[..., Path]:
    """A values file: the (simulated) runtime by tag, etcd by digest; with changes of the runtime's image."""

    def write(**changed: str) -> Path:
        image = {"registry": registry.host, "repository": "upstream/runtime", "tag": TAG, **changed}
        etcd = {"registry": registry.host, "repository": "upstream/etcd", "digest": upstream["etcd"]}
        content = {
            "global": {"simulation": {"enabled": True, "image": image}, "discovery": {"backend": "etcd"}},
            "etcd": {"enabled": True, "image": etcd},
        }
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(content))
        return file

    return write


def test_the_release_pulls_only_from_the_mirror(
    registry: Registry, values: Callable[..., Path], upstream: dict[str, str]
) -> None:
    mirror = f"{registry.host}/mirror/one"
    file = values()
    copied = mirrors.mirror([file], [], mirror, ca_file=registry.ca_file)
    assert copied == {
        f"{mirror}/upstream/runtime:{TAG}": upstream["runtime"],
        f"{mirror}/upstream/etcd@{upstream['etcd']}": upstream["etcd"],
    }
    pulled = set(images.references([file], registry=mirror))
    assert pulled == set(copied)
    for name in ("runtime", "etcd"):
        index = registry.get(f"/v2/mirror/one/upstream/{name}/manifests/{upstream[name]}").json()
        assert {m["platform"]["architecture"] for m in index["manifests"]} == {"amd64", "arm64"}


def test_a_second_run_changes_nothing(registry: Registry, values: Callable[..., Path]) -> None:
    file, mirror = values(), f"oci://{registry.host}/mirror/two"
    first = mirrors.mirror([file], [], mirror, ca_file=registry.ca_file)
    assert mirrors.mirror([file], [], mirror, ca_file=registry.ca_file) == first


def test_a_missing_image_is_named_before_anything_is_copied(registry: Registry, values: Callable[..., Path]) -> None:
    file = values(tag="no-such-tag")
    with pytest.raises(UserError, match=r"1 of 2 images not found or not readable:\n .*runtime:no-such-tag: "):
        mirrors.mirror([file], [], f"{registry.host}/mirror/three", ca_file=registry.ca_file)
    assert registry.tags("mirror/three/upstream/etcd") == []


def test_a_mirror_without_write_access(
    registry: Registry, values: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "wrong")
    with pytest.raises(UserError, match=r"UNAUTHORIZED.*: set REGISTRY_USERNAME"):
        mirrors.mirror([values()], [], f"{registry.host}/mirror/four", ca_file=registry.ca_file)


def test_the_documented_way_over_a_disk(
    registry: Registry, values: Callable[..., Path], upstream: dict[str, str], tmp_path: Path
) -> None:
    mirror, file = f"{registry.host}/mirror/disk", values()
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "mirror.md").read_text(), re.DOTALL)
    script = "".join(block for block in blocks if "/mnt/disk" in block)
    assert "crane pull" in script
    assert "crane push" in script
    for old, new in {
        "python3": sys.executable,
        "values/a3u-multi.yaml": str(file),
        "registry.corp/ai": mirror,
        "/mnt/disk": str(tmp_path),
        "crane ": f"{TOOLS_BIN / 'crane'} ",
    }.items():
        script = script.replace(old, new)
    with oci.connect(registry.host, ca_file=registry.ca_file) as client:
        subprocess.run(["bash", "-euc", script], cwd=ROOT, env=client.env, check=True, capture_output=True)
    for name in ("runtime", "etcd"):
        assert registry.get(f"/v2/mirror/disk/upstream/{name}/manifests/{upstream[name]}").ok


def test_a_pinned_release_pulls_by_digest(
    registry: Registry, values: Callable[..., Path], upstream: dict[str, str], tmp_path: Path
) -> None:
    file, digests = values(), tmp_path / "digests.yaml"
    found = pin.pins([file], login=registry.host, ca_file=registry.ca_file)
    assert found == {"global": {"simulation": {"image": {"digest": upstream["runtime"]}}}}, "etcd has its digest"
    digests.write_text(pin.written(found, pin.places([file], [])))
    pulled = set(images.references([file, digests]))
    assert pulled == {f"{registry.host}/upstream/{name}@{upstream[name]}" for name in ("runtime", "etcd")}


def test_an_image_without_a_digest_is_named(registry: Registry, values: Callable[..., Path]) -> None:
    says = r"no digest of:\n .*upstream/runtime:no-such-tag \(global.simulation.image.digest\): "
    with pytest.raises(UserError, match=says):
        pin.pins([values(tag="no-such-tag")], login=registry.host, ca_file=registry.ca_file)
