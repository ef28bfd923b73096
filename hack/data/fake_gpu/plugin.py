"""A Kubernetes device plugin that advertises devices which do not exist.

It speaks the kubelet's device plugin API v1beta1 (deviceplugin.proto), so scheduling, admission, allocation
and device health behave as with real GPUs. Nothing in a container becomes a GPU.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import sys
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import deviceplugin_pb2 as api  # type: ignore[import-not-found]  # generated from deviceplugin.proto
import deviceplugin_pb2_grpc as rpc  # type: ignore[import-not-found]
import grpc

API_VERSION = "v1beta1"
HEALTHY = "Healthy"
UNHEALTHY = "Unhealthy"
SOCKET_FOLDER = Path("/var/lib/kubelet/device-plugins")
HEALTH_FILE = Path("/run/fake-gpu/unhealthy")
# The kubelet opens ListAndWatch right after a registration; without it the registration came to nothing.
WATCH_GRACE_SECONDS = 20.0

log = logging.getLogger("fake-gpu")


def parse_resources(texts: Iterable[str]) -> dict[str, int]:
    """Resource counts by name from texts such as "nvidia.com/gpu=8" (also several, separated by commas)."""
    resources: dict[str, int] = {}
    for item in (part.strip() for text in texts for part in text.split(",") if part.strip()):
        name, _, count = item.rpartition("=")
        if not re.fullmatch(r"[a-z0-9.-]+/[A-Za-z0-9._-]+", name) or not count.isdigit() or int(count) == 0:
            raise ValueError(f'resource "{item}" is not of the form nvidia.com/gpu=8')
        if name in resources:
            raise ValueError(f'resource "{name}" is given twice')
        resources[name] = int(count)
    if not resources:
        raise ValueError("no resource given, as in nvidia.com/gpu=8")
    return resources


def device_ids(resource: str, count: int) -> list[str]:
    """The ids of a resource's devices: gpu-0, gpu-1, ... for nvidia.com/gpu."""
    return [f"{resource.rpartition('/')[2]}-{index}" for index in range(count)]


def in_order(devices: Iterable[str]) -> list[str]:
    """Device ids by number, so that gpu-10 comes after gpu-9."""
    return sorted(devices, key=lambda device: (len(device), device))


class Resource(rpc.DevicePluginServicer):  # type: ignore[misc]
    """One extended resource: its devices, its gRPC server and its registration with the kubelet."""

    def __init__(self, name: str, count: int, folder: Path) -> None:
        self.name = name
        self.devices = device_ids(name, count)
        self.folder = folder
        # Short: the path of a Unix socket has at most 107 characters, and resource names are long.
        self.prefix = f"fake-{zlib.crc32(name.encode()):08x}-"
        self.starts = 0
        self.socket = folder / f"{self.prefix}0.sock"
        self.kubelet_socket = folder / "kubelet.sock"
        self.watchers = 0
        self._unhealthy: frozenset[str] = frozenset()
        self._changed = threading.Condition()
        self._generation = 0
        self._server: grpc.Server | None = None

    def start(self) -> None:
        """Serve the plugin API on a fresh socket and register it with the kubelet."""
        self.stop()
        # A new name every time: gRPC may still unlink the last server's socket after its end.
        self.starts += 1
        self.socket = self.folder / f"{self.prefix}{self.starts}.sock"
        server = grpc.server(ThreadPoolExecutor(max_workers=8))
        rpc.add_DevicePluginServicer_to_server(self, server)
        server.add_insecure_port(f"unix://{self.socket}")
        server.start()
        self._server = server
        with grpc.insecure_channel(f"unix://{self.kubelet_socket}") as channel:
            request = api.RegisterRequest(
                version=API_VERSION,
                endpoint=self.socket.name,
                resource_name=self.name,
                options=self._options(),
            )
            rpc.RegistrationStub(channel).Register(request, timeout=5)
        log.info("registered FAKE devices: %s=%d", self.name, len(self.devices))

    def stop(self) -> None:
        """End the server and every open ListAndWatch."""
        with self._changed:
            self._generation += 1
            self._changed.notify_all()
        if self._server is not None:
            self._server.stop(grace=0.5).wait()
            self._server = None
        for socket in self.folder.glob(f"{self.prefix}*.sock"):
            socket.unlink(missing_ok=True)

    def set_unhealthy(self, devices: Iterable[str]) -> None:
        """Report exactly these devices as unhealthy; the kubelet hears of it at once."""
        unhealthy = frozenset(devices)
        with self._changed:
            if unhealthy == self._unhealthy:
                return
            self._unhealthy = unhealthy
            self._changed.notify_all()
        log.info("%s: unhealthy devices: %s", self.name, ", ".join(in_order(unhealthy)) or "none")

    def _options(self) -> Any:
        return api.DevicePluginOptions(pre_start_required=False, get_preferred_allocation_available=True)

    def _device_list(self) -> Any:
        return api.ListAndWatchResponse(
            devices=[
                api.Device(ID=device, health=UNHEALTHY if device in self._unhealthy else HEALTHY)
                for device in self.devices
            ]
        )

    # The methods of the API keep the names of the API.

    def GetDevicePluginOptions(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """What the kubelet may call: GetPreferredAllocation yes, PreStartContainer no."""
        return self._options()

    def ListAndWatch(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        """The device list now, and again after every change of health, until the server stops."""
        with self._changed:
            generation, sent = self._generation, None
            self.watchers += 1
        try:
            while context.is_active():
                with self._changed:
                    if self._generation != generation:
                        return
                    current = self._unhealthy
                    if current == sent:
                        # The time limit lets a stream whose kubelet has gone end.
                        self._changed.wait(timeout=1)
                        continue
                    answer, sent = self._device_list(), current
                yield answer
        finally:
            with self._changed:
                self.watchers -= 1

    def GetPreferredAllocation(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """The devices that must be included, then the lowest numbers."""
        answer = api.PreferredAllocationResponse()
        for container in request.container_requests:
            chosen = list(container.must_include_deviceIDs)
            others = in_order(set(container.available_deviceIDs) - set(chosen))
            answer.container_responses.add(deviceIDs=[*chosen, *others][: container.allocation_size])
        return answer

    def Allocate(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Per container NVIDIA_VISIBLE_DEVICES with its GPUs; other resources get no environment."""
        answer = api.AllocateResponse()
        for container in request.container_requests:
            devices = in_order(container.devices_ids)
            if unknown := [device for device in devices if device not in self.devices]:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{self.name} has no {', '.join(unknown)}")
            envs = {"NVIDIA_VISIBLE_DEVICES": ",".join(devices)} if self.name == "nvidia.com/gpu" else {}
            answer.container_responses.add(envs=envs)
            log.info("%s: allocated FAKE devices %s", self.name, ", ".join(devices))
        return answer

    def PreStartContainer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Never called, because the options say so; answers all the same."""
        return api.PreStartContainerResponse()


class Plugin:
    """All resources of a node; registers again when the kubelet restarts, and follows the health file."""

    def __init__(
        self, resources: dict[str, int], folder: Path = SOCKET_FOLDER, health_file: Path = HEALTH_FILE
    ) -> None:
        self.resources = [Resource(name, count, folder) for name, count in resources.items()]
        self.kubelet_socket = folder / "kubelet.sock"
        self.health_file = health_file
        self._stopped = threading.Event()

    def run(self, poll_seconds: float = 1.0) -> None:
        """Serve until `stop` is called."""
        registered: dict[str, tuple[int, int]] = {}
        idle: dict[str, float] = {}
        waiting = False
        while not self._stopped.is_set():
            kubelet = _identity(self.kubelet_socket)
            for resource in self.resources:
                resource.set_unhealthy(self.unhealthy(resource))
                name = resource.name
                idle[name] = 0.0 if resource.watchers else idle.get(name, 0.0) + poll_seconds
                # A restarted kubelet has a new socket and has removed those of all plugins.
                stale = registered.get(name) != kubelet or not resource.socket.exists()
                if kubelet is None or not (stale or idle[name] > WATCH_GRACE_SECONDS):
                    continue
                try:
                    resource.start()
                except grpc.RpcError as error:
                    registered.pop(name, None)
                    log.warning("%s: the kubelet did not take the registration: %s", name, error)
                else:
                    registered[name], idle[name] = kubelet, 0.0
            if kubelet is None and not waiting:
                log.warning("waiting for the kubelet: no socket at %s", self.kubelet_socket)
            waiting = kubelet is None
            self._stopped.wait(poll_seconds)
        for resource in self.resources:
            resource.stop()

    def stop(self) -> None:
        """Make `run` return."""
        self._stopped.set()

    def unhealthy(self, resource: Resource) -> set[str]:
        """The devices of a resource that the health file names."""
        return read_health(self.health_file).get(resource.name, set())


def read_health(path: Path) -> dict[str, set[str]]:
    """Unhealthy devices by resource, from lines such as "nvidia.com/gpu gpu-3"; no file means all healthy."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    health: dict[str, set[str]] = {}
    for resource, device in (line.split() for line in lines):
        health.setdefault(resource, set()).add(device)
    return health


def write_health(path: Path, resource: str, unhealthy: Iterable[str]) -> None:
    """Make exactly these devices of one resource unhealthy; a running plugin sees it within a second."""
    health = {**read_health(path), resource: set(unhealthy)}
    lines = [f"{name} {device}\n" for name, devices in health.items() for device in in_order(devices)]
    # Renamed over the old file, so that the plugin never reads half of it.
    temporary = path.with_suffix(".new")
    temporary.write_text("".join(lines))
    temporary.replace(path)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a socket from its successor of the same name: inode and change time in nanoseconds."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of the plugin."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="examples:\n"
        "  python3 plugin.py --resource nvidia.com/gpu=8 --resource rdma.example.com/nic-0=1\n"
        "  python3 plugin.py --set-unhealthy nvidia.com/gpu=gpu-3,gpu-4    (none after =: all are healthy)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--resource",
        action="append",
        metavar="NAME=COUNT",
        help="devices to advertise; may be repeated (default: the variable FAKE_RESOURCES, comma-separated)",
    )
    parser.add_argument(
        "--set-unhealthy",
        metavar="NAME=DEVICES",
        help="tell the plugin that runs on this node which devices of a resource are broken, and exit",
    )
    parser.add_argument("--all-healthy", action="store_true", help="the opposite, for all resources, and exit")
    options = parser.parse_args(argv)
    if options.all_healthy:
        HEALTH_FILE.unlink(missing_ok=True)
        return 0
    if options.set_unhealthy:
        resource, _, devices = options.set_unhealthy.partition("=")
        write_health(HEALTH_FILE, resource, [device for device in devices.split(",") if device])
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    try:
        resources = parse_resources(options.resource or [os.environ.get("FAKE_RESOURCES", "")])
    except ValueError as error:
        parser.error(str(error))
    log.warning("this node's devices are FAKE: no GPU is behind %s", ", ".join(resources))
    plugin = Plugin(resources)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: plugin.stop())
    plugin.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
