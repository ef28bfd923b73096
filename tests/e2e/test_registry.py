"""The chart and its images from a registry: an air gap with a mirror, and the upgrade from one version to the next."""

import base64
import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.base.wait import wait_for
from hack.chart.helm import Helm
from hack.chart.scenarios import SIMULATE
from hack.cluster import lifecycle as cluster
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.containers import build_images
from hack.release import mirror as mirrors
from hack.release import package
from hack.release import publish as releases
from hack.release import registry as oci
from hack.release.signing import Trust
from hack.tools import pinned
from tests.e2e import relay
from tests.e2e.quick import SOON
from tests.release import checkout as checkouts
from tests.release import registry as registries
from tests.release.checkout import NEXT, VERSION
from tests.release.registry import PASSWORD, USER, Registry

MODEL = "Qwen/Qwen3-0.6B"
KEY_PASSWORD = "key-password"
PUSH_SECONDS = 300.0

MakeRelease = Callable[..., Release]


@dataclass(frozen=True)
class AirGap:
    """A registry that holds two versions of the chart and the mirrored images of the simulated default values."""

    registry: Registry
    chart: str
    next_digest: str
    # What global.imageRegistry is in this cluster, and what was copied below it.
    image_registry: str
    images: frozenset[str]
    helm_options: tuple[str, ...]


@pytest.fixture(scope="module")
def air_gap(
    kube: Kube, running: cluster.Cluster, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[AirGap]:
    """The chart published twice, its images mirrored, and the mirror reachable from the nodes."""
    folder = tmp_path_factory.mktemp("air-gap")
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # building the tools takes minutes the first time
        pinned.ensure(["crane", "cosign", "registry"])
    with (
        pytest.MonkeyPatch.context() as patch,
        registries.running(folder, relay.address(running.name)) as registry,
        relay.on_every_node(kube, registry) as node_host,
    ):
        patch.setenv("REGISTRY_USERNAME", USER)
        patch.setenv("REGISTRY_PASSWORD", PASSWORD)
        patch.setenv("COSIGN_PASSWORD", KEY_PASSWORD)
        patch.setenv("DOCKER_CONFIG", str(folder / "no-docker-login"))
        mirrored = mirror(registry)
        digest = publish_two_versions(registry, folder, patch)
        login = ("--registry-config", str(folder / "helm-login.json"), "--ca-file", str(registry.ca_file))
        Helm().run("registry", "login", registry.host, "--username", USER, "--password", PASSWORD, *login)
        yield AirGap(
            registry,
            f"oci://{registry.host}/charts/dynamo-disagg",
            digest,
            f"{node_host}/mirror",
            frozenset(image.replace(registry.host, node_host) for image in mirrored),
            login,
        )
        relay.forget_images(running.name, node_host)


def mirror(registry: Registry) -> list[str]:
    """Put the simulated runtime where its upstream would be, and mirror the release's images from there.

    It gets an id of its own: Kubernetes remembers with which Secret an image's id was pulled, and would ask the
    releases of other tests, which use the same image without any registry, for that Secret.
    """
    runtime = build_images.images()["sim-runtime"]
    upstream = oci.Repository.parse(f"{registry.host}/upstream")
    image = f"{upstream}/{runtime.reference.split('/', 1)[1]}"
    (archive,) = build_images.archives(["sim-runtime"])
    with oci.connect(registry.host, ca_file=registry.ca_file) as client:
        client.crane("push", str(archive), image, about=upstream, timeout=PUSH_SECONDS)
        client.crane("mutate", image, "--label", f"test={secrets.token_hex(8)}", "--tag", image, about=upstream)
    settings = [f"global.simulation.image.registry={upstream}"]
    return list(mirrors.mirror([SIMULATE], settings, f"{registry.host}/mirror", ca_file=registry.ca_file))


def publish_two_versions(registry: Registry, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """Publish the chart as it is, and a next version with another default; returns the next one's digest."""
    environment = {**os.environ, "COSIGN_PASSWORD": KEY_PASSWORD}
    cosign = pinned.ensure(["cosign"])["cosign"]
    subprocess.run([cosign, "generate-key-pair"], cwd=folder, env=environment, check=True, capture_output=True)
    trust = Trust(key=str(folder / "cosign.key"), transparency_log=False)
    found = package.all_images(ROOT)
    patch.setattr(package, "all_images", lambda _chart: found)
    checkout = checkouts.make(folder / "checkout")

    def publish() -> str:
        url = f"oci://{registry.host}/charts"
        return releases.publish(url, trust, folder / "dist", root=checkout, ca_file=registry.ca_file)

    publish()
    values, log = checkout / "values.yaml", checkout / "CHANGELOG.md"
    values.write_text(values.read_text().replace("  migrationLimit: 3\n", "  migrationLimit: 4\n"))
    log.write_text(log.read_text().replace("[Unreleased]\n", "[Unreleased]\n\n### Changed\n\n- Migrations.\n", 1))
    releases.bump(NEXT, root=checkout)
    checkouts.commit(checkout, NEXT)
    return publish()


def values_of(air_gap: AirGap) -> dict[str, Any]:
    """What a user behind the gap sets."""
    simulation = {"enabled": True, "speedupRatio": 20, "image": {"pullPolicy": "Always"}}
    return {
        "global": {
            "imageRegistry": air_gap.image_registry,
            "imagePullSecrets": ["mirror"],
            "simulation": simulation,
        },
        **{role: SOON for role in ("prefill", "decode")},
    }


@pytest.fixture
def pull_secret(release: MakeRelease, kube: Kube, namespace: str, air_gap: AirGap) -> Iterator[None]:
    """The Secret of `kubectl create secret docker-registry`; gone before the namespace is looked over."""
    host = air_gap.image_registry.partition("/")[0]
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    secret = {
        "metadata": {"name": "mirror"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps({"auths": {host: {"auth": auth}}})},
    }
    kube.core.create_namespaced_secret(namespace, secret)
    yield
    kube.core.delete_namespaced_secret("mirror", namespace)


def container_images(kube: Kube, namespace: str) -> set[str]:
    """The images of all containers in a namespace."""
    return {c.image for pod in kube.pods(namespace) for c in [*(pod.spec.init_containers or []), *pod.spec.containers]}


@pytest.mark.usefixtures("pull_secret")
def test_installed_behind_an_air_gap_and_upgraded_from_the_registry(
    release: MakeRelease, kube: Kube, namespace: str, air_gap: AirGap
) -> None:
    first = release(chart=air_gap.chart)
    first.install(values_of(air_gap), options=["--version", VERSION, *air_gap.helm_options])
    assert container_images(kube, namespace) == air_gap.images
    assert "OK: 2 proved, 2 simulated" in first.test()
    pulled = kube.core.list_namespaced_event(namespace, field_selector="reason=Pulled").items
    assert pulled
    assert all(air_gap.image_registry in event.message for event in pulled), [event.message for event in pulled]

    upgraded = release(chart=f"{air_gap.chart}@{air_gap.next_digest}")
    upgraded.install(values_of(air_gap), options=list(air_gap.helm_options))
    (status,) = json.loads(upgraded.attempt("list", "--output", "json").stdout)
    assert (status["chart"], status["revision"], status["status"]) == (f"dynamo-disagg-{NEXT}", "2", "deployed")
    frontend = kube.apps.read_namespaced_deployment("demo-frontend", namespace)
    arguments = frontend.spec.template.spec.containers[0].args
    assert arguments[arguments.index("--migration-limit") + 1] == "4"
    upgraded.endpoint.wait_for_model(MODEL)
    assert upgraded.endpoint.chat(MODEL, max_tokens=8).usage["completion_tokens"] == 8
    assert container_images(kube, namespace) == air_gap.images


def test_without_the_pull_secret_the_mirror_refuses(
    release: MakeRelease, kube: Kube, namespace: str, air_gap: AirGap
) -> None:
    values = values_of(air_gap)
    values["global"]["imagePullSecrets"] = []
    release(chart=air_gap.chart).install(values, wait=False, options=["--version", VERSION, *air_gap.helm_options])

    def reasons() -> set[str]:
        states = [s.state.waiting for pod in kube.pods(namespace) for s in pod.status.container_statuses or []]
        return {state.reason for state in states if state is not None}

    wait_for("pull refused", reasons, lambda seen: bool(seen & {"ErrImagePull", "ImagePullBackOff"}), 180)
