"""The cluster command without a cluster: runtimes by fake executables, files it writes, and its messages."""

import dataclasses
import json
import os
import platform
import shutil
import socket
import tarfile
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from hack.base import step
from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.step import Step, stop_all_on_failure
from hack.base.versions import versions
from hack.cluster import config, network, nodes, state
from hack.cluster import lifecycle as cluster
from hack.cluster import load as loading
from hack.cluster.apiserver import NoAnswerError
from hack.cluster.nodes import Node
from hack.cluster.state import Found
from hack.containers import archive, build_images, node_build, node_image, packages, runtimes
from hack.containers.runtimes import Runtime
from hack.tools import pinned

Executable = Callable[[str, str], Path]
PODMAN_INFO = json.dumps({"host": {"cgroupVersion": "v2"}, "version": {"Version": "5.4.2"}})
DOCKER_INFO = json.dumps({"ServerVersion": "28.2.2", "CgroupVersion": "2"})
NO_DAEMON = json.dumps({"ServerErrors": ["Cannot connect to the Docker daemon at unix:///var/run/docker.sock."]})
NODE = Node(
    name="c-control-plane",
    ready=True,
    reason="",
    address="10.89.0.2",
    pod_network="10.244.0.0/24",
    control_plane=True,
    version="v1.36.4",
    labels={},
    taints=(),
    extended_resources={},
    images=(),
)
WORKER = dataclasses.replace(
    NODE, name="c-worker", address="10.89.0.3", pod_network="10.244.1.0/24", control_plane=False
)


@pytest.fixture
def executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Executable:
    """Make shell scripts that alone are on PATH; nothing can be installed, the cache is empty."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(packages, "can_install", lambda: False)
    monkeypatch.setattr(runtimes, "podman_environment", dict)

    def make(name: str, body: str) -> Path:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)
        return file

    return make


def says(text: str) -> str:
    """The body of a script that prints a text."""
    return f"/bin/cat <<'END'\n{text}\nEND"


# Container runtime


def test_docker_is_taken_where_its_daemon_answers(executable: Executable) -> None:
    executable("docker", says(DOCKER_INFO))
    executable("podman", says(PODMAN_INFO))
    assert runtimes.find() == Runtime("docker", "28.2.2")
    assert runtimes.find("podman") == Runtime("podman", "5.4.2")


@pytest.mark.parametrize(
    ("docker", "reason"),
    [
        (says(NO_DAEMON), "Cannot connect to the Docker daemon"),
        (says(DOCKER_INFO.replace("28.2.2", "20.10.24")), "version 20.10.24 is too old, 23 or newer is needed"),
        (says(PODMAN_INFO), "names no docker version"),
        ("echo 'permission denied' >&2; exit 1", "permission denied"),
        ("echo nonsense", "no JSON"),
    ],
    ids=["no daemon", "too old", "podman in disguise", "not allowed", "nonsense"],
)
def test_podman_is_taken_where_docker_is_not_usable(executable: Executable, docker: str, reason: str) -> None:
    executable("docker", docker)
    with pytest.raises(runtimes.UnusableError, match=reason):
        runtimes.probe("docker")
    executable("podman", says(PODMAN_INFO))
    assert runtimes.find().name == "podman"


def test_a_runtime_that_does_not_answer_is_given_up(executable: Executable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "PROBE_SECONDS", 0.2)
    executable("docker", "while :; do :; done")
    with pytest.raises(runtimes.UnusableError, match=r"no answer from `docker info` within 0\.2 s"):
        runtimes.probe("docker")


def test_without_a_runtime_the_message_has_every_reason_and_the_fix(executable: Executable) -> None:
    executable("docker", says(NO_DAEMON))
    with pytest.raises(UserError) as error:
        runtimes.find()
    message = str(error.value)
    assert "docker: Cannot connect to the Docker daemon" in message
    assert "podman: not installed" in message
    assert "Install and start Docker 23 or newer" in message


def test_a_wanted_runtime_is_not_silently_replaced(executable: Executable) -> None:
    executable("podman", says(PODMAN_INFO))
    with pytest.raises(UserError, match=r"docker: not installed\nLeave --runtime out"):
        runtimes.find("docker")


def test_podman_is_installed_where_that_is_possible(executable: Executable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "can_install", lambda: True)
    installed: list[str] = []

    def install(_: object, names: list[str]) -> None:
        installed.extend(names)
        executable("podman", says(PODMAN_INFO))

    monkeypatch.setattr(packages, "install", install)
    assert runtimes.find().name == "podman"
    assert "podman" in installed
    assert runtimes.all_usable()[0].name == "podman"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ordinary Linux host as root, seen through files the test can change."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    for name, file in {"PROCESS_STATUS": "status", "CGROUP_V2_ONLY": "cgroup", "SYSTEMD_RUNS": "systemd"}.items():
        (tmp_path / file).write_text("CapEff:\t000001ffffffffff\n")
        monkeypatch.setattr(runtimes, name, tmp_path / file)
    return tmp_path


def test_an_ordinary_host_needs_no_settings(host: Path) -> None:
    assert runtimes.podman_settings() == ""


def test_a_restricted_host_gets_exactly_the_settings_it_needs(host: Path) -> None:
    (host / "status").write_text("CapEff:\t000001fffeffffff\n")
    settings = tomllib.loads(runtimes.podman_settings())
    assert list(settings) == ["containers"]
    assert [text.split("=")[0] for text in settings["containers"]["default_ulimits"]] == ["nofile", "nproc"]
    (host / "status").write_text("CapEff:\t000001ffffffffff\n")
    (host / "cgroup").unlink()
    assert tomllib.loads(runtimes.podman_settings()) == {"engine": {"runtime": "runc"}}
    (host / "systemd").unlink()
    assert tomllib.loads(runtimes.podman_settings()) == {"engine": {"runtime": "runc", "cgroup_manager": "cgroupfs"}}


# Node image


def fake_runtime(executable: Executable, local: str = "", registry: bool = False) -> Runtime:
    executable(
        "podman",
        f'case "$1 $2 $3" in\n'
        f'"image inspect {local}") echo \'[{{"Id": "abc"}}]\' ;;\n'
        f'"manifest inspect "*|"pull "*) {"exit 0" if registry else "echo no such host >&2; exit 1"} ;;\n'
        f"*) exit 1 ;;\nesac",
    )
    return Runtime("podman", "5.4.2")


def test_an_own_image_in_the_store_comes_first(executable: Executable) -> None:
    own = node_build.reference()
    image = node_image.provide(fake_runtime(executable, local=own, registry=True))
    assert (image.reference, image.own) == (own, True)


def test_a_cached_archive_comes_before_a_pull(executable: Executable, monkeypatch: pytest.MonkeyPatch) -> None:
    used = fake_runtime(executable, registry=True)
    node_build.cached_archive().parent.mkdir(parents=True)
    node_build.cached_archive().touch()
    loaded: list[Runtime] = []
    monkeypatch.setattr(node_build, "load", lambda used, step: loaded.append(used))
    assert node_image.provide(used).source == "built earlier, from the cached archive"
    assert loaded == [used]


def test_upstream_is_pulled_where_a_registry_answers(executable: Executable) -> None:
    image = node_image.provide(fake_runtime(executable, registry=True))
    assert (image.reference, image.source, image.own) == (versions()["node-image"]["pulled"], "pulled", False)


def test_without_a_registry_the_image_is_built(executable: Executable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_build, "build", lambda used, step: None)
    image = node_image.provide(fake_runtime(executable))
    assert (image.reference, image.source, image.own) == (node_build.reference(), "built now", True)


def test_what_a_build_needs_is_named_at_once(executable: Executable) -> None:
    with pytest.raises(UserError, match=r"cannot be built here without .*Go 1\.26 or newer, mmdebstrap"):
        node_image.provide(fake_runtime(executable))


def test_a_given_image_that_is_nowhere_is_refused(executable: Executable) -> None:
    with pytest.raises(
        UserError, match=r'(?s)node image "docker\.io/foo/bar:1" is neither known to podman.*no such host'
    ):
        node_image.provide(fake_runtime(executable), "foo/bar:1")


def test_node_images_of_other_checkouts_stay_for_a_day(executable: Executable, tmp_path: Path) -> None:
    folder = node_build.cached_archive().parent
    folder.mkdir(parents=True)
    for name in (node_build.key(), "theirs", "old"):
        (folder / f"{name}.tar").touch()
    os.utime(folder / "old.tar", (0, 0))
    tags = [node_build.reference(), *(f"{node_build.NAME}:v1.36.4-{name}" for name in ("theirs", "old"))]
    log = tmp_path / "removed"
    executable("podman", f'if [ "$1" = images ]; then echo "{" ".join(tags)}"; else echo "$@" >> {log}; fi')
    node_build._prune(Runtime("podman", "5.4.2"))
    assert {file.stem for file in folder.iterdir()} == {node_build.key(), "theirs"}
    assert log.read_text() == f"image rm {tags[2]}\n"


def test_the_key_of_the_node_image_follows_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tmp_path / "node"
    files.mkdir()
    (files / "Containerfile").write_text("FROM scratch")
    monkeypatch.setattr(node_build, "NODE_FILES", files)
    first = node_build.key()
    assert node_build.key() == first
    (files / "Containerfile").write_text("FROM other")
    assert node_build.key() != first


def test_the_sandbox_image_is_the_pinned_pause() -> None:
    settings = tomllib.loads((node_build.NODE_FILES / "rootfs/etc/containerd/config.toml").read_text())
    plugin = settings["plugins"]["io.containerd.grpc.v1.cri"]
    assert plugin["sandbox_image"] == f"registry.k8s.io/pause:{versions()['node-image']['pause']}"


@pytest.mark.parametrize("module", ["etcd", "coredns", "local-path-provisioner"])
def test_the_go_modules_of_the_node_image_are_the_pinned_versions(module: str) -> None:
    required = (ROOT / "hack" / "data" / "go" / module / "go.mod").read_text()
    assert f" v{versions()['node-image'][module]}" in required


# Archives and loading


def test_an_archive_names_its_images_and_is_reproducible(tmp_path: Path) -> None:
    binary = tmp_path / "tool"
    binary.write_text("#!/bin/true\n")
    image = archive.Image("docker.io/a/b:1", {"/usr/bin/tool": binary}, {"/bin": "usr/bin"}, entrypoint=["/bin/tool"])
    archive.write(tmp_path / "one.tar", [image])
    archive.write(tmp_path / "two.tar", [image])
    images = loading.archive_images(tmp_path / "one.tar")
    assert list(images) == ["docker.io/a/b:1"]
    assert images == loading.archive_images(tmp_path / "two.tar")
    with tarfile.open(tmp_path / "one.tar") as file:
        content = file.extractfile(f"{images['docker.io/a/b:1']}.json")
        assert content is not None
        settings = json.load(content)
    assert settings["config"]["Entrypoint"] == ["/bin/tool"]
    assert len(settings["rootfs"]["diff_ids"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.tar", "tool", "two.tar"]


def test_dockers_short_names_are_the_full_ones(tmp_path: Path) -> None:
    archive.write(tmp_path / "short.tar", [archive.Image("a/b:1", {})])
    assert list(loading.archive_images(tmp_path / "short.tar")) == ["docker.io/a/b:1"]


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("a: 1\n")
    with pytest.raises(UserError, match=r"values\.yaml is no image archive"):
        loading.archive_images(file)


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("dynamo-disagg/sim-runtime:1.6.1", "docker.io/dynamo-disagg/sim-runtime:1.6.1"),
        ("localhost/dynamo-disagg/sim-runtime:1.6.1", "docker.io/dynamo-disagg/sim-runtime:1.6.1"),
        ("nats:2.15", "docker.io/library/nats:2.15"),
        ("busybox", "docker.io/library/busybox:latest"),
        ("quay.io/coreos/etcd:v3.6.14", "quay.io/coreos/etcd:v3.6.14"),
        ("registry:5000/a", "registry:5000/a:latest"),
    ],
)
def test_images_get_the_name_kubernetes_looks_for(short: str, full: str) -> None:
    assert runtimes.full_name(short) == full


def test_an_image_that_is_nowhere_cannot_be_loaded(executable: Executable) -> None:
    with pytest.raises(UserError, match=r'image "nope:1" is neither a file nor known to podman'):
        loading.load(fake_runtime(executable), ["nope:1"], ["c-worker"])


# What kind and the nodes are told


def test_the_own_image_gets_the_own_network() -> None:
    settings = yaml.safe_load(config.cluster_config("c", 2, own_image=True, cgroup_v1=True, api_port=6443))
    assert settings["networking"] == {
        "apiServerPort": 6443,
        "disableDefaultCNI": True,
        "kubeProxyMode": "nftables",
    }
    assert [node["role"] for node in settings["nodes"]] == ["control-plane", "worker", "worker"]
    patches = [yaml.safe_load(patch) for patch in settings["kubeadmConfigPatches"]]
    assert {"kind": "KubeletConfiguration", "failCgroupV1": False} in patches
    assert any(patch["kind"] == "ClusterConfiguration" for patch in patches)


def test_a_pulled_image_on_an_ordinary_host_gets_kinds_defaults() -> None:
    settings = yaml.safe_load(config.cluster_config("c", 1, own_image=False, cgroup_v1=False))
    assert settings["networking"] == {}
    assert settings["kubeadmConfigPatches"] == []


def test_a_node_reaches_the_pods_of_all_others() -> None:
    script = network.routes(NODE, [NODE, WORKER])
    assert "ip route replace 10.244.1.0/24 via 10.89.0.3" in script
    assert "ip route replace 10.244.0.0/24" not in script
    plugins = json.loads(network.plugin_config(WORKER.pod_network))["plugins"]
    assert plugins[0]["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]


# States of a cluster, and messages


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch, executable: Executable) -> None:
    """Nothing is built or started: `up` gets as far as the checks."""
    monkeypatch.setattr(pinned, "ensure", lambda names: {})
    monkeypatch.setattr(build_images, "archives", lambda names: [])
    monkeypatch.setattr(node_image, "provide", forbidden)


def forbidden(*_: object) -> None:
    pytest.fail("got past the check")


def exists(monkeypatch: pytest.MonkeyPatch, containers: dict[str, str]) -> Found:
    """Let a cluster with these containers exist."""
    found = Found(Runtime("podman", "5.4.2"), containers)
    monkeypatch.setattr(state, "find", lambda name: found)
    return found


def test_an_unknown_machine_is_refused_before_anything_is_done(no_tools: None) -> None:
    with pytest.raises(UserError, match=r'unknown machine "gke-a3ulta".*gke-a3ultra'):
        cluster.up(machine="gke-a3ulta")


@pytest.mark.parametrize("name", ["A", "a b", "-a", "../a", "a" * 60, ""])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="is no cluster name"):
        state.check_name(name)


def test_a_stopped_node_makes_a_cluster_half_made(no_tools: None, monkeypatch: pytest.MonkeyPatch) -> None:
    exists(monkeypatch, {"c-control-plane": "running", "c-worker": "exited"})
    with pytest.raises(UserError) as error:
        cluster.up("c")
    message = str(error.value)
    assert "c-control-plane (running), c-worker (exited), but c-worker does not run" in message
    assert "python3 -m hack cluster down --name c" in message
    assert "--recreate" in message


def test_a_silent_api_makes_a_cluster_half_made(no_tools: None, monkeypatch: pytest.MonkeyPatch) -> None:
    exists(monkeypatch, {"dynamo-disagg-control-plane": "running"})
    monkeypatch.setattr(Runtime, "output", lambda *_: "node-image")
    monkeypatch.setattr(cluster, "_kind", lambda *_: None)
    monkeypatch.delenv("DYNAMO_DISAGG_CLUSTER", raising=False)

    def refuse(*_: object) -> None:
        raise NoAnswerError("connection refused")

    monkeypatch.setattr(nodes, "get_nodes", refuse)
    with pytest.raises(UserError, match=r"(?s)its API server does not answer: connection refused.*`make cluster-down`"):
        cluster.up()


def test_another_number_of_workers_is_not_ignored(no_tools: None, monkeypatch: pytest.MonkeyPatch) -> None:
    exists(monkeypatch, {"c-control-plane": "running", "c-worker": "running"})
    monkeypatch.setattr(Runtime, "output", lambda *_: "node-image")
    monkeypatch.setattr(cluster, "_kind", lambda *_: None)
    monkeypatch.setattr(nodes, "get_nodes", lambda *_: [NODE, WORKER])
    with pytest.raises(UserError, match=r"has 1 workers, not 2: give --workers 1 to use it, or --recreate"):
        cluster.up("c")


def test_a_busy_port_is_refused_before_anything_is_made(no_tools: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "find", lambda name: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=rf"port {port} on 127\.0\.0\.1 .*Address already in use.*--api-port"):
            cluster.up("c", api_port=port)
    state.check_port(port)


def test_a_failure_half_way_leaves_nothing(no_tools: None, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    monkeypatch.setattr(state, "find", lambda name: None)
    monkeypatch.setattr(state, "remove", lambda used, name: removed.append(name))
    monkeypatch.setattr(runtimes, "find", lambda wanted: Runtime("podman", "5.4.2"))
    monkeypatch.setattr(runtimes, "prepare_host", lambda step: None)
    monkeypatch.setattr(node_image, "provide", lambda used, given: node_image.NodeImage("i", "given", False))

    def fail(*_: object) -> None:
        raise UserError("kind: create failed")

    monkeypatch.setattr(cluster, "_kind_create", fail)
    with pytest.raises(UserError, match="kind: create failed"):
        cluster.up("c")
    assert removed == ["c"]


def test_down_is_fine_where_nothing_is(executable: Executable, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.down("nothing-of-that-name")
    assert "nothing to remove" in capsys.readouterr().out


def test_waiting_in_vain_says_what_was_seen_last(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = dataclasses.replace(WORKER, ready=False, reason="cni plugin not initialized")
    monkeypatch.setattr(nodes, "get_nodes", lambda path: [NODE, broken])
    step = Step("test")
    with pytest.raises(UserError, match=r"every node Ready: .*; last observed: .*c-worker: cni plugin not initialized"):
        nodes.wait_for_nodes(Path("file"), "every node Ready", lambda seen: all(n.ready for n in seen), 0, step)


def test_the_failure_of_one_step_ends_the_others() -> None:
    def run() -> None:
        with ThreadPoolExecutor() as pool, stop_all_on_failure():
            pool.submit(Step("other").run, ["sleep", "60"], "waiting")
            while not step._running:
                time.sleep(0.01)
            raise UserError("the first failed")

    started = time.monotonic()
    with pytest.raises(UserError, match="the first failed"):
        run()
    assert time.monotonic() - started < 30


def test_nodes_are_read_from_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = {
        "metadata": {"name": "c-worker", "labels": {"a": "b"}, "annotations": {}},
        "spec": {"podCIDR": "10.244.1.0/24", "taints": [{"key": "gpu", "effect": "NoSchedule"}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "False", "message": "cni plugin not initialized"}],
            "addresses": [{"type": "InternalIP", "address": "10.89.0.3"}],
            "allocatable": {"cpu": "2", "nvidia.com/gpu": "8"},
            "images": [{"names": None}, {"names": ["docker.io/a/b:1"]}],
        },
    }
    plane = {"metadata": {"name": "c-z", "labels": {nodes.CONTROL_PLANE_LABEL: ""}}, "spec": {}}
    fake = {"metadata": {"name": "kwok-0", "annotations": {nodes.KWOK_ANNOTATION: "fake"}}, "spec": {}}
    server = SimpleNamespace(get_json=lambda *_: {"items": [worker, fake, plane]})
    monkeypatch.setattr(nodes, "ApiServer", lambda _: server)
    first, second = nodes.get_nodes(Path("kubeconfig"))
    assert (first.name, first.control_plane, first.ready) == ("c-z", True, False)
    assert (second.ready, second.reason) == (False, "cni plugin not initialized")
    assert (second.address, second.pod_network) == ("10.89.0.3", "10.244.1.0/24")
    assert second.extended_resources == {"nvidia.com/gpu": "8"}
    assert second.images == ("docker.io/a/b:1",)
    assert second.taints == ("gpu=:NoSchedule",)


def test_numbered_devices_share_a_line() -> None:
    resources = {"nvidia.com/gpu": "8", **{f"example.com/rdma-{number}": "1" for number in range(8)}}
    assert cluster._devices(resources) == ["example.com/rdma-*: 1 each of 8", "nvidia.com/gpu: 8"]
