"""The probe of the KV path: which lane it names, what it says, two real processes with the real NIXL and Mooncake."""

import ctypes
import os
import re
import socket
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.base.step import Step
from hack.containers import packages as debian
from kv_probe import ProbeError, __main__, by_mooncake, by_nixl, memory, sides
from kv_probe.lanes import Lane, of_mooncake, of_ucx
from kv_probe.verdict import verdict
from tests.localdynamo import packages as installed

FILES = ROOT / "files"
PINS = Path(__file__).parent / "kv_probe"
BLOCK = 4 * 2**20
# What Mooncake's library is linked to, beside what its wheel brings.
MOONCAKE_NEEDS = ["libibverbs1", "libnuma1", "libcurl4"]


def log(rows: str, what: str = "read by ucp_get*(multi) into cuda/GPU0 from cuda/dev[0]") -> str:
    """A table as UCX 1.22 logs it; other operations stand before and behind it."""
    lines = [
        "ucp_context_0 inter-node cfg#2",
        f"remote memory {what}",
        "Range | Description | Config",
        *rows.split("\n"),
    ]
    other = [
        "ucp_context_0 inter-node cfg#2",
        "active message by ucp_am_send* from host memory",
        "0..inf | short | tcp/lo",
    ]
    return "\n".join(f"[1795918988.471113] [vm:16244:0]   | {line} |" for line in [*other, *lines, *other])


@pytest.mark.parametrize(
    ("rows", "lane", "words"),
    [
        # Measured on an H200: between two containers with equal process numbers, and with other numbers.
        ("0..inf | software emulation | tcp/lo", "TCP", "software emulation, tcp/lo"),
        ("0..inf | zero-copy | cuda_ipc/cuda", "NVLink, or one GPU (cuda_ipc)", "zero-copy, cuda_ipc/cuda"),
        (
            "0 | copy-out | tcp/eth0\n1..64 | software emulation | tcp/eth0\n65..inf | zero-copy | rc_mlx5/mlx5_1:1",
            "RDMA",
            "zero-copy, rc_mlx5/mlx5_1:1",
        ),
        ("1..64K | copy-out | tcp/eth0\n64K..8M | zero-copy | dc_mlx5/mlx5_0:1", "RDMA", "zero-copy, dc_mlx5/mlx5_0:1"),
        ("0..inf | software emulation | sysv/memory", "shared memory of the host", "software emulation, sysv/memory"),
        ("0..inf | zero-copy | srd/rdmap0", "EFA", "zero-copy, srd/rdmap0"),
        ("0..inf | zero-copy | rocm_ipc/rocm", "unknown", "zero-copy, rocm_ipc/rocm"),
        ("0..2K | zero-copy | rc_mlx5/mlx5_0:1", "unknown", "UCX logged no READ"),
    ],
)
def test_the_lane_of_a_read(rows: str, lane: str, words: str) -> None:
    assert of_ucx(log(rows), "READ", BLOCK) == Lane(lane, words)


def test_other_operations_are_not_the_transfer() -> None:
    pushed = log("0..inf | zero-copy | rc_mlx5/mlx5_0:1", "write by ucp_put*(multi) from cuda/GPU0 to cuda/dev[0]")
    assert (of_ucx(pushed, "WRITE", BLOCK).name, of_ucx(pushed, "READ", BLOCK).name) == ("RDMA", "unknown")
    # NIXL's own, beside the blocks of the KV cache.
    message = log("0..inf | software emulation | tcp/lo", "write by ucp_put* from host memory to cuda/dev[0]")
    assert of_ucx(f"{pushed}\n{message}", "WRITE", BLOCK).name == "RDMA"
    assert of_ucx("", "READ", BLOCK) == Lane("unknown", "UCX logged no READ")
    older = "| perftest cfg#2 | remote memory read by ucp_get*(multi) into cuda |\n| 65..inf | zero-copy | rc_mlx5/a:1|"
    assert of_ucx(older, "READ", BLOCK).name == "RDMA"


def side(node: str = "a", process: int = 1, memory: str = "NVIDIA H200") -> dict[str, Any]:
    return {"node": node, "process": process, "memory": memory}


@pytest.mark.parametrize(
    ("lane", "one", "other", "says"),
    [
        (Lane("RDMA", "zero-copy, rc_mlx5/mlx5_0:1"), side(), side("b"), "OK: the KV cache goes over RDMA"),
        (
            Lane("RDMA", "software emulation, rc_mlx5/mlx5_0:1"),
            side(),
            side("b"),
            "WARN: RDMA, but through host memory: to read a GPU's, the NICs need nvidia-peermem",
        ),
        (Lane("TCP", "zero-copy, tcp/eth0"), side(), side("b"), "WARN: the KV cache goes over TCP: see global.rdma"),
        (
            Lane("TCP", "software emulation, tcp/lo"),
            side(),
            side(),
            "both have number 1, and the driver refuses its own: try --apart, and with NIXL 1.5 one PID namespace",
        ),
        (
            Lane("TCP", "software emulation, tcp/lo"),
            side(),
            side(process=10),
            "WARN: the KV cache goes over TCP on one node: the side that moves it needs",
        ),
        (
            Lane("shared memory of the host", "software emulation, sysv/memory"),
            side(),
            side(process=10),
            "shared memory of the host on one node: the side that moves it",
        ),
        (
            Lane("shared memory of the host", "zero-copy, cma/memory"),
            side(memory="host memory"),
            side(memory="host memory"),
            "WARN: this says nothing of GPUs, whose memory takes other lanes: use --memory gpu",
        ),
    ],
)
def test_the_verdict_says_what_to_change(lane: Any, one: dict[str, Any], other: dict[str, Any], says: str) -> None:
    assert says in verdict(lane, 5, True, one, other, 0)


def test_the_verdict_names_what_a_read_of_one_node_wants() -> None:
    tcp = Lane("TCP", "software emulation, tcp/lo")
    says = "UCX_CUDA_IPC_ENABLE_GET_ZCOPY=y where UCX sees no NVLink"
    assert says in verdict(tcp, 0.4, True, side(), side(process=10), 0, told=False)
    assert says not in verdict(tcp, 0.4, True, side(), side("b"), 0, told=False)


def test_the_verdict_fails_below_the_floor_and_for_wrong_bytes() -> None:
    tcp = Lane("TCP", "software emulation, tcp/eth0")
    slow = verdict(tcp, 0.5, True, side(), side("b"), 1)
    assert slow.startswith("FAIL: 0.50 GB/s is below 1: the KV cache goes over TCP: see global.rdma")
    rdma = verdict(Lane("RDMA", "zero-copy, rc_mlx5/a:1"), 0.5, True, side(), side("b"), 1)
    assert rdma == "FAIL: 0.50 GB/s is below 1"
    assert verdict(tcp, 5, False, side(), side("b"), 0).startswith("FAIL: other bytes arrived than were sent")


def test_what_nixl_raises_is_one_sentence() -> None:
    class Agent:
        def add_remote_agent(self, _: bytes) -> str:
            raise RuntimeError("NIXL_ERR_REMOTE_DISCONNECT")

    nixl = by_nixl.Nixl.__new__(by_nixl.Nixl)
    nixl.agent = Agent()
    side: Any = types.SimpleNamespace(connector=nixl)
    with pytest.raises(ProbeError, match=r"NIXL gave up a transfer \(RuntimeError: NIXL_ERR_REMOTE_DISCONNECT\)"):
        sides.transfers(side, {"agent": ""}, "READ")


class Driver:
    """libcuda on a machine without a GPU: its device memory is memory of the host."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.kept: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            if name == self.broken:
                return 100
            if name == "cuDeviceGetName":
                arguments[0].value = b"NVIDIA H200"
            elif name == "cuMemAlloc_v2":
                self.kept.append(ctypes.create_string_buffer(arguments[1].value))
                arguments[0]._obj.value = ctypes.addressof(self.kept[-1])
            elif name == "cuMemsetD8_v2":
                ctypes.memset(arguments[0].value, arguments[1].value, arguments[2].value)
            elif name == "cuMemcpyDtoH_v2":
                ctypes.memmove(arguments[0], arguments[1].value, arguments[2].value)
            return 0

        return call


def test_memory_of_a_gpu_is_filled_and_read_by_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: {"libcuda.so.1": Driver()}[name])
    found = memory.memory("auto", 4096, 7)
    assert (found.kind, found.name, found.content()) == ("VRAM", "NVIDIA H200", bytes([7]) * 4096)


@pytest.mark.parametrize("function", ["cuInit", "cuMemAlloc_v2"])
def test_without_a_gpu_it_takes_the_host_unless_one_is_asked_for(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Driver(function))
    found = memory.memory("auto", 4096, 7)
    assert (found.kind, found.content()) == ("DRAM", bytes([7]) * 4096)
    with pytest.raises(ProbeError, match=rf"no GPU here \({function} says 100\)"):
        memory.memory("gpu", 4096, 7)


@pytest.fixture(scope="session")
def packages() -> Path:
    """The pinned NIXL, NumPy and Mooncake, installed once."""
    return installed(PINS)


@pytest.fixture(scope="session")
def mooncake(packages: Path) -> Path:
    """The same, with what Mooncake's library is linked to."""
    load = [sys.executable, "-c", "import mooncake.engine"]
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    if subprocess.run(load, env=environment, capture_output=True).returncode and debian.can_install():
        debian.install(Step("Mooncake's libraries"), MOONCAKE_NEEDS)
    loaded = subprocess.run(load, env=environment, capture_output=True, text=True)
    assert loaded.returncode == 0, f"{loaded.stderr}: install the likes of Debian's {', '.join(MOONCAKE_NEEDS)}"
    return packages


def start(packages: Path | None, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The probe as a command, with all it prints in one pipe."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("UCX_", "MC_", "PYTHONPATH", "JOB_"))}
    path = {"PYTHONPATH": str(packages)} if packages else {}
    return subprocess.Popen(
        [sys.executable, "-m", "kv_probe", *arguments],
        cwd=FILES,
        env={**clean, **path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def probe(packages: Path | None, *arguments: str, **environment: str) -> tuple[int, str]:
    """The probe as a command: its exit status and all it printed."""
    with start(packages, *arguments, **environment) as running:
        said, _ = running.communicate(timeout=100)
        return running.returncode, said


@pytest.mark.parametrize("operation", ["READ", "WRITE"])
def test_two_processes_share_memory_of_the_host(operation: str, packages: Path) -> None:
    code, said = probe(packages, "local", "--memory", "cpu", "--size", "16", "--operation", operation)
    assert code == 0, said
    assert f"lane     shared memory of the host: {operation} by NIXL, zero-copy, cma/memory" in said
    assert said.splitlines()[-1].startswith("WARN: this says nothing of GPUs")


def test_two_processes_over_tcp_are_below_a_floor(packages: Path) -> None:
    options = ("--memory", "cpu", "--size", "16", "--min-gbps", "100", "--apart")
    code, said = probe(packages, "local", *options, UCX_TLS="tcp")
    assert code == 1, said
    assert "lane     TCP: READ by NIXL, software emulation, tcp/lo" in said
    assert re.search(r"speed    [0-9.]+ GB/s \(the first, which connects, took [1-9][0-9]* ms\)", said)
    assert "GB/s is below 100" in said.splitlines()[-1]


def test_the_pods_of_a_job_find_their_side(packages: Path) -> None:
    """Index 0 offers, and prints what index 1 found."""
    common = ("pod", "127.0.0.1", "--memory", "cpu", "--size", "16", "--port", "18516")
    with start(packages, *common, JOB_COMPLETION_INDEX="0", NODE_NAME="node-a") as server:
        code, said = probe(packages, *common, JOB_COMPLETION_INDEX="1", NODE_NAME="node-b")
        served, _ = server.communicate(timeout=20)
    assert (code, server.returncode) == (0, 0)
    assert "prefill  host memory on node-a, process number" in said
    assert said.strip() in served


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["offer", "--memory", "cpu", "--size", "1", "--wait", "1", "--port", "18517"], "nobody came in 1 s"),
        (["move", "127.0.0.1", "--port", "9", "--wait", "1"], "127.0.0.1 port 9 gave no answer in 1 s"),
        (["offer", "--memory", "gpu"], "no GPU here"),
        (
            ["offer", "--memory", "cpu", "--backend", "LIBFABRIC"],
            "does not load LIBFABRIC (NIXL_ERR_NOT_FOUND): set",
        ),
        (
            ["offer", "--memory", "cpu", "--backend", "MOONCAKE"],
            "NIXL in this image does not load MOONCAKE: set",
        ),
    ],
)
def test_what_is_missing_is_one_sentence(arguments: list[str], says: str, packages: Path) -> None:
    code, said = probe(packages, *arguments, CUDA_VISIBLE_DEVICES="")
    assert code == 1
    assert said.splitlines()[-1].startswith("FAIL: ")
    assert says in said.splitlines()[-1]


def test_the_end_of_one_side_is_said_at_once() -> None:
    """And not after four minutes, as if there were no second GPU."""
    started = time.monotonic()
    code, said = probe(None, "local", "--memory", "cpu")
    assert code == 1
    assert "FAIL: NIXL is not installed" in said
    assert said.splitlines()[-1] == "FAIL: the side that offers ended with exit status 1: what it said stands above"
    assert time.monotonic() - started < 20


def test_a_side_that_broke_off_is_said() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        start(None, "move", "127.0.0.1", "--port", str(server.getsockname()[1])) as moving,
    ):
        server.accept()[0].close()
        said, _ = moving.communicate(timeout=20)
    assert said == "FAIL: the other side broke off: see the log of the other pod\n"


def test_a_pod_is_offered_to_either_ip_version() -> None:
    with sides._server(0) as server:
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, server.getsockname()[1])):
                assert server.accept()[0].getsockname()[0].removeprefix("::ffff:") == address


def test_it_says_that_the_workers_move_it_otherwise(packages: Path) -> None:
    options = ("local", "--memory", "cpu", "--size", "16")
    assert "note" not in probe(packages, *options)[1]
    code, said = probe(packages, *options, "--connector", "ucx")
    note = "note     the workers move it with ucx: this is NIXL, over the same devices"
    assert (code, said.splitlines()[-2]) == (0, note)


def test_a_nixl_that_does_not_load_is_said(tmp_path: Path) -> None:
    """As where a library that it is linked to is missing."""
    (tmp_path / "nixl").mkdir()
    (tmp_path / "nixl" / "_api.py").write_text("raise ImportError('libnixl.so: cannot open shared object file')")
    said = probe(tmp_path, "offer", "--memory", "cpu")
    assert said == (
        1,
        "FAIL: nixl does not start (libnixl.so: cannot open shared object file): install what it needs\n",
    )


def test_without_nixl_it_says_where_there_is_one() -> None:
    code, said = probe(None, "offer")
    assert (code, said) == (
        1,
        "FAIL: NIXL is not installed: run this in Dynamo's runtime image, or pip install nixl-cu13 numpy\n",
    )
    assert probe(None, "move")[0] == 2
    assert __main__.PORT == 18515, "as templates/tests/_probe.tpl opens it"


def test_tcp_fails_at_any_speed_where_the_values_promise_better() -> None:
    """Mooncake's TCP of a GPU's memory had 1.6 to 2.0 GB/s on one node (2026-12-01): no floor tells it from RDMA."""
    tcp = Lane("TCP", "Using TCP transport (no HCA detected)")
    said = verdict(tcp, 2.0, True, side(), side("b"), 1, mooncake=True, no_tcp=True)
    assert said.startswith("FAIL: 2.00 GB/s, but the values promise better than TCP: the KV cache goes over TCP")
    assert verdict(tcp, 2.0, True, side(), side("b"), 1, mooncake=True).startswith("WARN: ")
    rdma = Lane("RDMA", "Using RDMA transport (RoCE/iWARP)")
    assert verdict(rdma, 2.0, True, side(), side("b"), 1, no_tcp=True) == "OK: the KV cache goes over RDMA"


# Mooncake

MNNVL = "NVLink between nodes (MNNVL)"
MOONCAKE = ("--connector", "mooncake", "--memory", "cpu", "--size", "16")


@pytest.mark.parametrize("operation", ["READ", "WRITE"])
def test_mooncake_moves_it_itself_and_takes_tcp_where_there_is_no_device(operation: str, mooncake: Path) -> None:
    """Also where a device is named that is not there: it starts, and says so in its log alone."""
    code, said = probe(
        mooncake, "local", *MOONCAKE, "--operation", operation, "--devices", "mlx5_0", "--min-gbps", "99"
    )
    assert code == 1, said
    assert f"lane     TCP: {operation} by Mooncake, TcpTransport: listen on port" in said
    assert "No RDMA devices found" in said, "its own lines are there, too"
    assert re.search("^FAIL: .* GB/s is below 99", said, re.MULTILINE)
    assert "note" not in said


def test_both_sides_use_one_connector(packages: Path) -> None:
    """A pod whose values changed in between says so."""
    other = {"who": {}, "how": {"size": 2**20, "operation": "READ", "connector": "Mooncake"}, "introduction": {}}
    port = "18518"
    with (
        socket.create_server(("127.0.0.1", int(port))) as server,
        start(packages, "move", "127.0.0.1", "--port", port, "--memory", "cpu", "--size", "1") as moving,
    ):
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            sides.say(stream, other)
            said, _ = moving.communicate(timeout=60)
    assert said == "FAIL: the other side has --size 1, READ and Mooncake: use the same\n"


@pytest.mark.parametrize(
    ("line", "lane"),
    [
        # Mooncake 0.3.14 (the CUDA 13 wheel) and 0.3.13, without a device.
        ("transfer_engine_impl.cpp:488] Using TCP transport (no HCA detected)", "TCP"),
        ("transfer_engine_impl.cpp:250] MC_FORCE_TCP is set, using TCP transport only", "TCP"),
        ("tcp_transport.cpp:391] TcpTransport: listen on port 15400", "TCP"),
        (
            "transfer_engine_impl.cpp:458] Using Intra-Node NVLink transport (MC_INTRANODE_NVLINK set)",
            "NVLink within the node (CUDA IPC)",
        ),
        # By its source (transfer_engine_impl.cpp, transfer_engine_py.cpp).
        ("transfer_engine_impl.cpp:450] Using NVLink transport (forced or no HCA detected)", MNNVL),
        ("transfer_engine_impl.cpp:300] Using cross-node NVLink transport (no HCA detected)", MNNVL),
        ("transfer_engine_impl.cpp:470] Using RDMA transport (RoCE/iWARP)", "RDMA"),
        ("transfer_engine_impl.cpp:420] installTransport, type=rdma", "RDMA"),
        ("transfer_engine_py.cpp:540] EFA transport installed successfully", "EFA"),
        ("transfer_engine_impl.cpp:446] NVLink transport was requested but is not compiled in", "unknown"),
    ],
)
def test_the_lane_of_mooncake(line: str, lane: str) -> None:
    before = "I1201 06:32:12.935781  3660 transfer_engine_impl.cpp:318] Auto-discovering topology...\n"
    before += (
        "I1201 06:32:12.936650  3660 tcp_transport.cpp:432] TcpTransport: listen on port 1\n" if lane == "TCP" else ""
    )
    found = of_mooncake(f"{before}I1201 06:32:12.936738  3660 {line}\n")
    assert (found.name, found.words in line or lane == "unknown") == (lane, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("MC_FORCE_TCP is set, using TCP transport only", "because of MC_FORCE_TCP, whatever it is set to"),
        ("Using TCP transport (no HCA detected)", "because of no RDMA device in the pod: see global.rdma"),
    ],
)
def test_the_verdict_on_mooncake_names_the_cause(words: str, says: str) -> None:
    for other in (side(), side("b")):
        said = verdict(Lane("TCP", words), 0.5, True, side(), other, 1, mooncake=True)
        assert said.startswith(f"FAIL: 0.50 GB/s is below 1: the KV cache goes over TCP, {says}")
        assert "UCX" not in said


def test_memory_for_nvlink_comes_from_mooncakes_allocator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As SGLang's pool is: memory that cudaMalloc gives cannot be mapped by another node."""
    engine = types.SimpleNamespace(TransferEngine=lambda: None, __file__=str(tmp_path / "engine.so"))
    monkeypatch.setitem(sys.modules, "mooncake", types.ModuleType("mooncake"))
    monkeypatch.setitem(sys.modules, "mooncake.engine", engine)
    driver = Driver()
    asked = []

    class Library:
        @staticmethod
        def mc_nvlink_malloc(size: int, device: int, stream: None) -> int:
            asked.append((size, device))
            pointer = ctypes.c_uint64()
            driver.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(size))
            return pointer.value if size < 2**20 else 0

    libraries = {"libcuda.so.1": driver, str(tmp_path / "nvlink_allocator.so"): Library}
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libraries[name])
    monkeypatch.delenv("SGLANG_MOONCAKE_CUSTOM_MEM_POOL", raising=False)
    assert by_mooncake.Mooncake("rdma", "").allocate is None
    monkeypatch.setenv("SGLANG_MOONCAKE_CUSTOM_MEM_POOL", "True")
    allocate = by_mooncake.Mooncake("rdma", "").allocate
    assert memory.memory("gpu", 4096, 7, allocate).content() == bytes([7]) * 4096
    assert asked == [(4096, 0)]
    with pytest.raises(ProbeError, match="no memory for NVLink: the pod needs a ComputeDomain's channel"):
        memory.memory("gpu", 2**20, 7, allocate)
    libraries.popitem()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libraries.get(name) or types.SimpleNamespace())
    with pytest.raises(ProbeError, match="Mooncake in this image has no memory for NVLink"):
        by_mooncake.Mooncake("rdma", "")


def test_what_mooncake_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = {"initialize": -1, "register_memory": -2, "batch_transfer_sync_write": -3}

    class Engine:
        def __getattr__(self, name: str) -> Any:
            return lambda *_: codes.get(name, 0)

    monkeypatch.setitem(sys.modules, "mooncake", types.ModuleType("mooncake"))
    monkeypatch.setitem(
        sys.modules, "mooncake.engine", types.SimpleNamespace(TransferEngine=Engine, __file__="engine.so")
    )
    monkeypatch.delenv("SGLANG_MOONCAKE_CUSTOM_MEM_POOL", raising=False)
    connector = by_mooncake.Mooncake("rdma", "")
    connector.register(memory.HostMemory(4096, 7), 1024)
    with pytest.raises(ProbeError, match=r"Mooncake does not start \(-1\)"):
        connector.start("10.0.0.1")
    codes["initialize"] = 0
    with pytest.raises(ProbeError, match=r"Mooncake cannot register host memory \(-2\).*nvidia-peermem"):
        connector.start("10.0.0.1")
    codes["register_memory"] = 0
    for address, session in (("10.0.0.1", "10.0.0.1:0"), ("fd00::1", "[fd00::1]:0")):
        connector.start(address)
        assert connector.introduction()["session"] == session
    connector.meet(connector.introduction())
    with pytest.raises(ProbeError, match=r"Mooncake gave up a transfer \(-3\)"):
        connector.move("WRITE")


def test_without_mooncake_it_says_what_to_change() -> None:
    code, said = probe(None, "offer", "--connector", "mooncake")
    assert code == 1
    assert said.startswith(
        "FAIL: Mooncake does not start (No module named 'mooncake'): take an image that has it, or set"
    )
