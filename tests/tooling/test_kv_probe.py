"""The NIXL probe: which lane it names, what it says, and two real processes with the real NIXL."""

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

from hack.base.paths import ROOT, cache_dir, content_key
from tests.scripts import script

SCRIPT = ROOT / "files" / "kv_probe.py"
REQUIREMENTS = Path(__file__).parent / "nixl" / "requirements.txt"
BLOCK = 4 * 2**20

kv_probe = script("kv_probe")
Lane, find_lane, verdict = kv_probe.Lane, kv_probe.find_lane, kv_probe.verdict


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
    assert find_lane(log(rows), "READ", BLOCK) == Lane(lane, words)


def test_other_operations_are_not_the_transfer() -> None:
    pushed = log("0..inf | zero-copy | rc_mlx5/mlx5_0:1", "write by ucp_put*(multi) from cuda/GPU0 to cuda/dev[0]")
    assert (find_lane(pushed, "WRITE", BLOCK).name, find_lane(pushed, "READ", BLOCK).name) == ("RDMA", "unknown")
    # NIXL's own, beside the blocks of the KV cache.
    message = log("0..inf | software emulation | tcp/lo", "write by ucp_put* from host memory to cuda/dev[0]")
    assert find_lane(f"{pushed}\n{message}", "WRITE", BLOCK).name == "RDMA"
    assert find_lane("", "READ", BLOCK) == Lane("unknown", "UCX logged no READ")
    older = "| perftest cfg#2 | remote memory read by ucp_get*(multi) into cuda |\n| 65..inf | zero-copy | rc_mlx5/a:1|"
    assert find_lane(older, "READ", BLOCK).name == "RDMA"


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
    assert says in verdict(lane, 5, True, one, other, 0, told=True)


def test_the_verdict_names_what_a_read_of_one_node_wants() -> None:
    tcp = Lane("TCP", "software emulation, tcp/lo")
    says = "UCX_CUDA_IPC_ENABLE_GET_ZCOPY=y where UCX sees no NVLink"
    assert says in verdict(tcp, 0.4, True, side(), side(process=10), 0, told=False)
    assert says not in verdict(tcp, 0.4, True, side(), side("b"), 0, told=False)


def test_the_verdict_fails_below_the_floor_and_for_wrong_bytes() -> None:
    tcp = Lane("TCP", "software emulation, tcp/eth0")
    slow = verdict(tcp, 0.5, True, side(), side("b"), 1, told=True)
    assert slow.startswith("FAIL: 0.50 GB/s is below 1: the KV cache goes over TCP: see global.rdma")
    rdma = verdict(Lane("RDMA", "zero-copy, rc_mlx5/a:1"), 0.5, True, side(), side("b"), 1, told=True)
    assert rdma == "FAIL: 0.50 GB/s is below 1"
    assert verdict(tcp, 5, False, side(), side("b"), 0, told=True).startswith(
        "FAIL: other bytes arrived than were sent"
    )


def test_what_nixl_raises_is_one_sentence() -> None:
    class Agent:
        def add_remote_agent(self, _: bytes) -> str:
            raise RuntimeError("NIXL_ERR_REMOTE_DISCONNECT")

    with pytest.raises(kv_probe.ProbeError, match=r"gave up a transfer \(RuntimeError: NIXL_ERR_REMOTE_DISCONNECT\)"):
        kv_probe._move(types.SimpleNamespace(agent=Agent()), {"agent": ""})


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
    memory = kv_probe.memory("auto", 4096, 7)
    assert (memory.kind, memory.name, memory.content()) == ("VRAM", "NVIDIA H200", bytes([7]) * 4096)


@pytest.mark.parametrize("function", ["cuInit", "cuMemAlloc_v2"])
def test_without_a_gpu_it_takes_the_host_unless_one_is_asked_for(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Driver(function))
    memory = kv_probe.memory("auto", 4096, 7)
    assert (memory.kind, memory.content()) == ("DRAM", bytes([7]) * 4096)
    with pytest.raises(kv_probe.ProbeError, match=rf"no GPU here \({function} says 100\)"):
        kv_probe.memory("gpu", 4096, 7)


@pytest.fixture(scope="session")
def packages() -> Path:
    """The pinned NIXL and NumPy, installed once."""
    folder = cache_dir() / f"nixl-{content_key(REQUIREMENTS)}-{sys.version_info[0]}{sys.version_info[1]}"
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        into = ["--python", sys.executable, "--target", str(part)]
        pins = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(REQUIREMENTS)]
        subprocess.run([sys.executable, "-m", "uv", "pip", "install", "--quiet", *into, *pins], check=True)
        part.rename(folder)
    return folder


def probe(packages: Path | None, *arguments: str, **environment: str) -> tuple[int, str]:
    """The probe as a command: its exit status and all it printed."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("UCX_", "PYTHONPATH", "JOB_"))}
    path = {"PYTHONPATH": str(packages)} if packages else {}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**clean, **path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("operation", ["READ", "WRITE"])
def test_two_processes_share_memory_of_the_host(operation: str, packages: Path) -> None:
    code, said = probe(packages, "local", "--memory", "cpu", "--size", "16", "--operation", operation)
    assert code == 0, said
    assert f"lane     shared memory of the host: {operation}, zero-copy, cma/memory" in said
    assert said.splitlines()[-1].startswith("WARN: this says nothing of GPUs")


def test_two_processes_over_tcp_are_below_a_floor(packages: Path) -> None:
    options = ("--memory", "cpu", "--size", "16", "--min-gbps", "100", "--apart")
    code, said = probe(packages, "local", *options, UCX_TLS="tcp")
    assert code == 1, said
    assert "lane     TCP: READ, software emulation, tcp/lo" in said
    assert re.search(r"speed    [0-9.]+ GB/s \(the first, which connects, took [1-9][0-9]* ms\)", said)
    assert "GB/s is below 100" in said.splitlines()[-1]


def test_the_pods_of_a_job_find_their_side(packages: Path) -> None:
    """Index 0 offers, and prints what index 1 found."""
    common = ("pod", "127.0.0.1", "--memory", "cpu", "--size", "16", "--port", "18516")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("UCX_")} | {"PYTHONPATH": str(packages)}
    server = subprocess.Popen(
        [sys.executable, str(SCRIPT), *common],
        env={**clean, "JOB_COMPLETION_INDEX": "0", "NODE_NAME": "node-a"},
        stdout=subprocess.PIPE,
        text=True,
    )
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
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        moving = subprocess.Popen(
            [sys.executable, str(SCRIPT), "move", "127.0.0.1", "--port", port], stderr=subprocess.PIPE, text=True
        )
        server.accept()[0].close()
        assert moving.communicate(timeout=20)[1] == "FAIL: the other side broke off: see the log of the other pod\n"


def test_it_says_that_the_workers_move_it_otherwise(packages: Path) -> None:
    options = ("local", "--memory", "cpu", "--size", "16")
    assert "note" not in probe(packages, *options)[1]
    code, said = probe(packages, *options, "--connector", "mooncake")
    assert (code, said.splitlines()[-2]) == (
        0,
        "note     the workers move it with mooncake: this is NIXL, over the same devices",
    )


def test_without_nixl_it_says_where_there_is_one() -> None:
    code, said = probe(None, "offer")
    assert (code, said) == (
        1,
        "FAIL: NIXL is not installed: run this in Dynamo's runtime image, or pip install nixl-cu13 numpy\n",
    )
    assert probe(None, "move")[0] == 2
    assert kv_probe.PORT == 18515, "as templates/tests/_probe.tpl opens it"
