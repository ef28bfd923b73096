"""The images of a test cluster: cache keys, the simulated model, agreement of the pins. Nothing is built."""

import dataclasses
import json
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from tokenizers import Tokenizer

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.step import Step
from hack.base.versions import tools, versions
from hack.cluster import enforcer
from hack.containers import build_images
from hack.containers.context import generate_stubs
from hack.containers.runtimes import Runtime
from hack.data import aiperf, fake_gpu, runtime
from hack.data.runtime.model import SPECIAL_TOKENS, VOCABULARY_SIZE, write_model
from hack.tools import gobuild


def pins(requirements: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", requirements.read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model(folder)
    return folder


class TestCache:
    @pytest.fixture(autouse=True)
    def _cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def test_a_warm_cache_needs_no_runtime(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        for image in build_images.images().values():
            image.archive.parent.mkdir(parents=True, exist_ok=True)
            image.archive.write_bytes(b"")
        everywhere = ["sim-runtime", "etcd", "nats", "oauth2-proxy", "kube-router"]
        assert build_images.archives() == build_images.archives(everywhere), "the others are for whoever asks for them"
        assert build_images.archives(["aiperf"]) == [build_images.images()["aiperf"].archive]
        assert build_images.archives(["nats"]) == [build_images.images()["nats"].archive]

    @pytest.mark.parametrize(
        ("module", "attribute"), [(fake_gpu, "PROGRAM"), (fake_gpu, "PROTO"), (runtime, "RENDEZVOUS")]
    )
    def test_the_key_follows_the_content(
        self, module: ModuleType, attribute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = build_images.images()
        original: Path = getattr(module, attribute)
        copy = tmp_path / original.name
        copy.write_text(original.read_text())
        monkeypatch.setattr(module, attribute, copy)
        assert build_images.images()["sim-runtime"].key == before["sim-runtime"].key
        copy.write_text(copy.read_text() + "# changed\n")
        after = build_images.images()
        assert after["sim-runtime"].key != before["sim-runtime"].key
        assert after["etcd"].key == before["etcd"].key

    def test_the_key_follows_the_pins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = build_images.images()
        monkeypatch.setitem(versions()["images"]["nats"], "version", "9.9.9")
        after = build_images.images()
        assert after["nats"].key != before["nats"].key
        assert after["nats"].reference == "docker.io/dynamo-disagg/nats:9.9.9"

    @pytest.mark.parametrize(
        "change",
        [
            {"module": "nats"},
            {"packages": ["./cmd/adapter"]},
            {"names": {"operator": "keda"}},
            {"ldflags": "-X a=b"},
            {"tags": "some"},
            {"changed": None},
            {"runs": ""},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_the_key_follows_the_stand_in(self, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        before = build_images.images()
        changed = dataclasses.replace(build_images.STAND_INS["keda"], **change)
        monkeypatch.setitem(build_images.STAND_INS, "keda", changed)
        after = build_images.images()
        assert {name for name, image in after.items() if image.key != before[name].key} == {"keda"}

    @pytest.mark.parametrize(
        ("packages", "images"),
        [
            ("FIREWALL_PACKAGES", {"kube-router"}),
            ("BASE_PACKAGES", {"sim-runtime", "sim-runtime-previous", "aiperf"}),
            ("BASE_OPTIONS", {"sim-runtime", "sim-runtime-previous", "aiperf"}),
        ],
    )
    def test_the_key_follows_the_debian_packages(
        self, packages: str, images: set[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = build_images.images()
        monkeypatch.setattr(build_images, packages, [*getattr(build_images, packages), "one-more"])
        after = build_images.images()
        assert {name for name, image in after.items() if image.key != before[name].key} == images

    def test_only_old_archives_of_the_same_image_are_removed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def make(_image: object, _runtime: object, _step: object, output: Path) -> str:
            output.touch()
            return "made"

        monkeypatch.setattr(build_images, "_make_upstream", make)
        known = build_images.images()
        folder = known["keda"].archive.parent
        folder.mkdir(parents=True)
        old, new, other = folder / f"keda-{'0' * 16}.tar", folder / f"keda-{'1' * 16}.tar", "keda-metrics-apiserver"
        for file in (old, new, known[other].archive):
            file.touch()
            if file != new:
                os.utime(file, (0, 0))
        build_images._provide(known["keda"], Runtime("docker", "28"))
        assert {*folder.glob("*.tar")} == {new, known["keda"].archive, known[other].archive}

    def test_an_unknown_image_is_named(self) -> None:
        with pytest.raises(
            UserError, match='unknown image "natz": choose from sim-runtime, sim-runtime-previous, aiperf, etcd, nats'
        ):
            build_images.archives(["natz"])


class TestModel:
    def test_is_the_same_every_time(self, model: Path, tmp_path: Path) -> None:
        write_model(tmp_path)
        names = sorted(path.name for path in model.iterdir())
        assert names == ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
        for name in names:
            assert (model / name).read_bytes() == (tmp_path / name).read_bytes()

    def test_has_the_entries_the_mocker_needs(self, model: Path) -> None:
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        config = json.loads((model / "config.json").read_text())
        assert tokenizer.get_vocab_size() == VOCABULARY_SIZE == config["vocab_size"]
        assert VOCABULARY_SIZE >= 32_000
        assert tokenizer.token_to_id(SPECIAL_TOKENS[0]) == config["bos_token_id"]
        assert tokenizer.token_to_id(SPECIAL_TOKENS[1]) == config["eos_token_id"]

    @pytest.mark.parametrize("text", ["Hello, banana!", "two\nlines\tand  spaces", "Käse 漢字 🙂", "\x00\x7f"])
    def test_any_text_survives(self, model: Path, text: str) -> None:
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text

    def test_words_are_single_tokens(self, model: Path) -> None:
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        assert tokenizer.encode(" banana").tokens == ["Ġbana", "na"]


class TestPins:
    def test_dynamo(self) -> None:
        pinned = pins(runtime.FOLDER / "requirements.txt")
        version = versions()["images"]["sim-runtime"]["version"]
        assert pinned["ai-dynamo"] == pinned["ai-dynamo-runtime"] == version

    def test_aiperf(self) -> None:
        pinned = pins(aiperf.FOLDER / "requirements.txt")
        assert pinned["aiperf"] == versions()["images"]["aiperf"]["version"]
        left_out = {line for line in (aiperf.FOLDER / "excludes.txt").read_text().splitlines() if line[0] != "#"}
        assert left_out.isdisjoint(pinned)

    def test_generated_stubs_fit_the_image(self, tmp_path: Path) -> None:
        """The image's packages must not be older than those the stubs are generated for."""
        generate_stubs(tmp_path)
        pinned = pins(runtime.FOLDER / "requirements.txt")
        protobuf = re.search(r"Protobuf Python Version: (\S+)", (tmp_path / "deviceplugin_pb2.py").read_text())
        grpc = re.search(r"GRPC_GENERATED_VERSION = '(\S+)'", (tmp_path / "deviceplugin_pb2_grpc.py").read_text())
        assert protobuf
        assert grpc
        assert ordered(pinned["protobuf"]) >= ordered(protobuf[1])
        assert ordered(pinned["grpcio"]) >= ordered(grpc[1])

    @pytest.mark.parametrize(
        ("image", "module"),
        [
            ("etcd", "go.etcd.io/etcd/server/v3"),
            ("nats", "github.com/nats-io/nats-server/v2"),
            ("kube-router", "github.com/cloudnativelabs/kube-router/v2"),
            ("keda", "github.com/kedacore/keda/v2"),
            ("metrics-server", "sigs.k8s.io/metrics-server"),
            ("kube-state-metrics", "k8s.io/kube-state-metrics/v2"),
        ],
    )
    def test_stand_ins_have_the_version_they_stand_for(self, image: str, module: str) -> None:
        entry = versions()["images"][image]
        sources = (gobuild.GO_MODULES / image / "go.mod").read_text()
        assert re.search(rf"{module} v{re.escape(entry['version'])}\s", sources)
        tag = entry["pulled"].rsplit(":", 1)[1]
        assert re.fullmatch(rf"v?{re.escape(entry['version'])}(-alpine)?", tag)

    def test_the_image_of_prometheus_is_the_tool(self) -> None:
        major, minor, patch = versions()["images"]["prometheus"]["version"].split(".")
        assert tools()["prometheus"].version == f"0.{major}{minor}.{patch}"
        assert versions()["images"]["prometheus"]["pulled"].endswith(f":v{major}.{minor}.{patch}")

    @pytest.mark.parametrize("component", ["etcd", "nats"])
    def test_the_chart_uses_the_same_upstream_images(self, component: str) -> None:
        image: dict[str, Any] = yaml.safe_load((ROOT / "values.yaml").read_text())[component]["image"]
        upstream = f"{image['registry']}/{image['repository']}:{image['tag']}"
        assert upstream == versions()["images"][component]["pulled"]

    def test_simulated_ranks_find_their_program(self) -> None:
        """The chart names its path in the image."""
        containerfile = (runtime.FOLDER / "Containerfile").read_text()
        assert "COPY simulation /opt/simulation\n" in containerfile
        templates = (ROOT / "charts" / "common" / "templates" / "_worker-pod.tpl").read_text()
        used = set(re.findall(r"/opt/simulation/[a-z_.]+", templates))
        assert used == {f"/opt/simulation/{runtime.RENDEZVOUS.name}"}

    def test_the_enforcer_of_policies_runs_in_the_built_image(self) -> None:
        assert enforcer.image() == build_images.images()["kube-router"].reference.removeprefix("docker.io/")

    def test_the_plugin_runs_in_the_built_image(self) -> None:
        manifest = yaml.safe_load(fake_gpu.MANIFEST.read_text())
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        reference = build_images.images()["sim-runtime"].reference
        assert container["image"] == reference.removeprefix("docker.io/")


def ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_a_runtime_that_fails_without_a_word_is_no_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not build_images._pulled("quay.io/none:1", Runtime("docker", "28"), Step("test"))
