"""The fake GPU device plugin against a fake kubelet: real gRPC over Unix sockets, no cluster."""

import importlib
import queue
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from hack.base.log import UserError
from hack.cluster import gpus, kube
from hack.containers.context import generate_stubs

POLL_SECONDS = 0.05
GPUS = "nvidia.com/gpu"
NIC = "networking.gke.io.networks/rdma-0"


class FakeKubelet:
    """Takes registrations on kubelet.sock and answers each with a ListAndWatch, as the kubelet does."""

    def __init__(self, modules: "Modules", folder: Path) -> None:
        self.modules = modules
        self.folder = folder
        self.requests: queue.Queue[Any] = queue.Queue()
        self.server = grpc.server(ThreadPoolExecutor(max_workers=4))
        self.channels: list[grpc.Channel] = []
        modules.rpc.add_RegistrationServicer_to_server(self, self.server)
        # What the kubelet does first: sockets of plugins from before its restart go.
        for leftover in folder.glob("*.sock"):
            leftover.unlink()
        self.server.add_insecure_port(f"unix://{folder}/kubelet.sock")
        self.server.start()

    def Register(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.requests.put(request)
        return self.modules.api.Empty()

    def registration(self) -> Any:
        return self.requests.get(timeout=5)

    def dial(self, request: Any) -> Any:
        channel = grpc.insecure_channel(f"unix://{self.folder / request.endpoint}")
        self.channels.append(channel)
        return self.modules.rpc.DevicePluginStub(channel)

    def stop(self) -> None:
        for channel in self.channels:
            channel.close()
        self.server.stop(grace=None).wait()


class Modules:
    """The plugin and the generated modules of its API."""

    def __init__(self, folder: Path) -> None:
        generate_stubs(folder)
        self.api: Any = importlib.import_module("deviceplugin_pb2")
        self.rpc: Any = importlib.import_module("deviceplugin_pb2_grpc")
        self.plugin: Any = importlib.import_module("hack.data.fake_gpu.plugin")


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Modules]:
    folder = tmp_path_factory.mktemp("stubs")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield Modules(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: the path of a Unix socket must be short.
    with tempfile.TemporaryDirectory(prefix="kubelet-") as folder:
        yield Path(folder)


@pytest.fixture
def kubelet(modules: Modules, folder: Path) -> Iterator[FakeKubelet]:
    kubelet = FakeKubelet(modules, folder)
    yield kubelet
    kubelet.stop()


@pytest.fixture
def plugin(modules: Modules, folder: Path) -> Iterator[Any]:
    """A running plugin with 8 GPUs and one NIC."""
    plugin = modules.plugin.Plugin({GPUS: 8, NIC: 1}, folder, folder / "unhealthy")
    thread = threading.Thread(target=plugin.run, args=(POLL_SECONDS,))
    thread.start()
    yield plugin
    plugin.stop()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert not list(folder.glob("fake-*.sock"))


def gpu_registration(kubelet: FakeKubelet) -> Any:
    requests = {request.resource_name: request for request in (kubelet.registration(), kubelet.registration())}
    assert set(requests) == {GPUS, NIC}
    return requests[GPUS]


def health(answer: Any) -> dict[str, str]:
    return {device.ID: device.health for device in answer.devices}


def test_registers_every_resource(kubelet: FakeKubelet, plugin: Any) -> None:
    request = gpu_registration(kubelet)
    assert request.version == "v1beta1"
    assert not request.options.pre_start_required
    stub = kubelet.dial(request)
    assert stub.GetDevicePluginOptions(kubelet.modules.api.Empty()) == request.options
    devices = health(next(stub.ListAndWatch(kubelet.modules.api.Empty())))
    assert devices == {f"gpu-{index}": "Healthy" for index in range(8)}


def test_health_follows_the_file(kubelet: FakeKubelet, plugin: Any) -> None:
    stream = kubelet.dial(gpu_registration(kubelet)).ListAndWatch(kubelet.modules.api.Empty(), timeout=10)
    assert set(health(next(stream)).values()) == {"Healthy"}
    write = kubelet.modules.plugin.write_health
    write(plugin.health_file, GPUS, ["gpu-3", "gpu-5"])
    broken = health(next(stream))
    assert {device for device, state in broken.items() if state == "Unhealthy"} == {"gpu-3", "gpu-5"}
    # Another resource's health is its own.
    write(plugin.health_file, NIC, ["rdma-0-0"])
    write(plugin.health_file, GPUS, [])
    assert set(health(next(stream)).values()) == {"Healthy"}
    assert plugin.health_file.read_text() == f"{NIC} rdma-0-0\n"


def test_allocates_per_container(kubelet: FakeKubelet, plugin: Any) -> None:
    api = kubelet.modules.api
    stub = kubelet.dial(gpu_registration(kubelet))
    request = api.AllocateRequest(
        container_requests=[
            api.ContainerAllocateRequest(devices_ids=["gpu-7", "gpu-1"]),
            api.ContainerAllocateRequest(devices_ids=["gpu-0"]),
        ]
    )
    answer = stub.Allocate(request)
    visible = [dict(container.envs) for container in answer.container_responses]
    assert visible == [{"NVIDIA_VISIBLE_DEVICES": "gpu-1,gpu-7"}, {"NVIDIA_VISIBLE_DEVICES": "gpu-0"}]
    unknown = api.AllocateRequest(container_requests=[api.ContainerAllocateRequest(devices_ids=["gpu-8"])])
    with pytest.raises(grpc.RpcError, match="has no gpu-8"):
        stub.Allocate(unknown)


def test_prefers_low_numbers_after_the_required(kubelet: FakeKubelet, plugin: Any) -> None:
    api = kubelet.modules.api
    stub = kubelet.dial(gpu_registration(kubelet))
    container = api.ContainerPreferredAllocationRequest(
        available_deviceIDs=["gpu-6", "gpu-2", "gpu-5", "gpu-4"], must_include_deviceIDs=["gpu-5"], allocation_size=3
    )
    answer = stub.GetPreferredAllocation(api.PreferredAllocationRequest(container_requests=[container]))
    assert list(answer.container_responses[0].deviceIDs) == ["gpu-5", "gpu-2", "gpu-4"]


def test_registers_again_with_a_restarted_kubelet(
    modules: Modules, folder: Path, kubelet: FakeKubelet, plugin: Any
) -> None:
    first = gpu_registration(kubelet)
    modules.plugin.write_health(plugin.health_file, GPUS, ["gpu-0"])
    kubelet.stop()
    (folder / "kubelet.sock").unlink(missing_ok=True)
    restarted = FakeKubelet(modules, folder)
    try:
        second = gpu_registration(restarted)
        assert second.endpoint != first.endpoint
        devices = health(next(restarted.dial(second).ListAndWatch(modules.api.Empty(), timeout=10)))
        assert devices == {"gpu-0": "Unhealthy"} | {f"gpu-{index}": "Healthy" for index in range(1, 8)}
    finally:
        restarted.stop()


def test_registers_again_when_the_kubelet_never_watches(
    modules: Modules, monkeypatch: pytest.MonkeyPatch, kubelet: FakeKubelet, plugin: Any
) -> None:
    monkeypatch.setattr(modules.plugin, "WATCH_GRACE_SECONDS", 0.3)
    first = gpu_registration(kubelet)
    second = gpu_registration(kubelet)
    assert second.endpoint != first.endpoint


def test_waits_for_a_kubelet_that_starts_later(modules: Modules, folder: Path, plugin: Any) -> None:
    kubelet = FakeKubelet(modules, folder)
    try:
        gpu_registration(kubelet)
    finally:
        kubelet.stop()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["nvidia.com/gpu=8"], {"nvidia.com/gpu": 8}),
        (["nvidia.com/gpu=8,a.b/c=1", "d.e/f=2"], {"nvidia.com/gpu": 8, "a.b/c": 1, "d.e/f": 2}),
    ],
)
def test_resources(modules: Modules, texts: list[str], expected: dict[str, int]) -> None:
    assert modules.plugin.parse_resources(texts) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nvidia.com/gpu", "not of the form"),
        ("gpu=8", "not of the form"),
        ("nvidia.com/gpu=0", "not of the form"),
        ("nvidia.com/gpu=1,nvidia.com/gpu=2", "given twice"),
        ("", "no resource given"),
    ],
)
def test_bad_resources(modules: Modules, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        modules.plugin.parse_resources([text])


def kubeconfig_for(port: int, folder: Path) -> Path:
    path = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    config = {
        "current-context": "c",
        "clusters": [cluster],
        "contexts": [context],
        "users": [{"name": "u", "user": {}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_an_api_server_that_stalls_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "REQUEST_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        kubeconfig = kubeconfig_for(server.getsockname()[1], tmp_path)
        with pytest.raises(UserError, match=r"the API server of .*kubeconfig does not answer: .*timed out"):
            gpus.allocatable(kubeconfig)


def test_an_api_server_that_is_gone_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        kubeconfig = kubeconfig_for(server.getsockname()[1], tmp_path)
    with pytest.raises(UserError, match=r"the API server of .*kubeconfig does not answer: .*refused"):
        gpus.allocatable(kubeconfig)


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no kubeconfig at .*/missing: start the cluster"):
        gpus.allocatable(tmp_path / "missing")
