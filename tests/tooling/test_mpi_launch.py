"""The scripts by which TensorRT-LLM's ranks of several nodes start, as processes; ssh and MPI are stand-ins.

With the real OpenSSH and Open MPI they were run by hand: docs/multi-node.md.
"""

import contextlib
import os
import platform
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.chart import render as chart

# A file of the folder $SEEN is there only when all of it is: the tests read it as soon as they find it.
SEEN = 'seen() { cat >"$SEEN/$1.part" && mv "$SEEN/$1.part" "$SEEN/$1"; }'
# Each writes what it was called with into that folder.
PROGRAMS = {
    "ssh-keygen": 'echo "ssh-ed25519 AAAA"',
    # The first try of each host fails, as when its sshd is not up yet.
    "ssh": 'echo "$3" >>"$SEEN/ssh"; cp "$2" "$SEEN/ssh_config"\n'
    '[ "$(grep -cx "$3" "$SEEN/ssh")" -gt "${FAILURES-1}" ]',
    "sleep": "exec /bin/sleep 0.05",
    # The last two arguments are the launcher and the task. It survives SIGTERM no longer than the real one.
    "mpirun": 'printf "%s\\n" "$@" | seen mpirun; shift $(($# - 2)); "$@" & trap "kill $!; exit 99" TERM; wait',
    # The real one splits its command at spaces, too.
    "trtllm-llmapi-launch": "task=${@:1}; $task; echo stopped | seen launcher",
    "engine": 'trap "echo drained | seen drained; exit ${CODE-0}" TERM\n'
    'printf "<%s>\\n" "$@" | seen engine\n'
    'if [ -n "${LIFE-}" ]; then exit "$LIFE"; fi; while :; do sleep; done',
    "pgrep": 'echo "$@" >>"$SEEN/pgrep"; [ "$(wc -l <"$SEEN/pgrep")" -lt 3 ]',
    "sshd": 'trap "exit 143" TERM; printf "%s\\n" "$@" | seen sshd; while :; do sleep; done',
}
ODD = "a 'b' \"c\" $HOME `x` \\ *\nand another line"


class Rank:
    """One rank's script with stand-ins for the programs it calls."""

    def __init__(self, folder: Path, class_: str) -> None:
        values = {
            "global": {
                "engine": {"name": "trtllm"},
                "hardwareSpec": {"gpusPerNode": 2},
                "multiNode": {"sshSecret": "mpi-ssh"},
            },
            "prefill": {"parallelism": {"tensor": 6}},
        }
        manifests = chart.render(values)
        (pod,) = (p for p in manifests.pods("prefill") if p.leads == (class_ == "leader"))
        self.seen, bin_, key, scripts = (folder / name for name in ("seen", "bin", "key", "scripts"))
        for path in (self.seen, bin_, key, scripts):
            path.mkdir()
        (key / "private.key").write_text("secret\n")
        for name, text in PROGRAMS.items():
            (bin_ / name).write_text(f"#!/bin/bash\n{SEEN}\n{text}\n")
            (bin_ / name).chmod(0o755)
        for name, text in manifests.one("ConfigMap", component="ranks")["data"].items():
            text = text.replace("/etc/mpi-ssh", str(key)).replace("/usr/sbin/sshd", "sshd")
            (scripts / name).write_text(text.replace("mkdir -p /run/sshd", ":"))
        self.script = scripts / Path(pod.container().args()[1]).name
        hosts = "me:2,one.ranks:2,two.ranks:2"
        self.environment = {
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "SEEN": str(self.seen),
            "TMPDIR": str(folder),
            "MPI_HOSTS": hosts,
            "MPI_RANKS": "6",
            "HOSTNAME": "another",
            "ODD": ODD,
        }
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Run the script."""
        command = ["bash", str(self.script), *arguments]
        process = subprocess.Popen(
            command, env=self.environment | environment, text=True, stderr=subprocess.PIPE, start_new_session=True
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Kill what the scripts left running: each has a process group of its own."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def file(self, name: str, seconds: float = 20) -> str:
        """What a program wrote, once it has."""
        deadline = time.monotonic() + seconds
        while not (self.seen / name).exists():
            assert time.monotonic() < deadline, f"no {name}: {[p.poll() for p in self.processes]}"
            time.sleep(0.02)
        return (self.seen / name).read_text()


@pytest.fixture
def leader(tmp_path: Path) -> Iterator[Rank]:
    rank = Rank(tmp_path, "leader")
    yield rank
    rank.end()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Rank]:
    rank = Rank(tmp_path, "worker")
    yield rank
    rank.end()


def test_the_leader_waits_for_every_host(leader: Rank) -> None:
    process = leader.start("engine", LIFE="0")
    assert process.wait(20) == 0
    assert leader.file("ssh").splitlines() == ["one.ranks", "one.ranks", "two.ranks", "two.ranks"]
    assert "waiting for one.ranks" in process.communicate()[1]
    assert {"Port 2222", "StrictHostKeyChecking yes"} <= set(leader.file("ssh_config").splitlines())


def test_mpirun_starts_a_process_for_every_gpu(leader: Rank) -> None:
    assert leader.start("engine", LIFE="0").wait(20) == 0
    arguments = leader.file("mpirun").splitlines()
    assert arguments[arguments.index("-n") + 1] == "6"
    # Its own name, which in the node's network is not the pod's.
    assert arguments[arguments.index("-H") + 1] == f"{platform.node()}:2,one.ranks:2,two.ranks:2"
    assert arguments[-2] == "trtllm-llmapi-launch"


def test_the_engine_gets_its_arguments_as_they_are(leader: Rank) -> None:
    assert leader.start("engine", "--json", '{"a b": "it\'s *"}', ODD, "", LIFE="0").wait(20) == 0
    assert leader.file("engine") == f'<--json>\n<{{"a b": "it\'s *"}}>\n<{ODD}>\n<>\n'


@pytest.mark.parametrize("code", [0, 7])
def test_the_engines_exit_code_is_the_pods(leader: Rank, code: int) -> None:
    """And the launcher stops the other ranks after a failure too."""
    assert leader.start("engine", LIFE=str(code)).wait(20) == code
    assert leader.file("launcher") == "stopped\n"


@pytest.mark.parametrize("code", [0, 3])
def test_the_engine_finishes_its_requests_when_the_pod_stops(leader: Rank, code: int) -> None:
    process = leader.start("engine", CODE=str(code))
    leader.file("engine")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == code
    assert leader.file("drained") == "drained\n"
    assert leader.file("launcher") == "stopped\n"


def test_a_leader_that_still_waits_stops_at_once(leader: Rank) -> None:
    process = leader.start("engine", FAILURES="1000000")
    leader.file("ssh")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143


def test_a_session_has_the_pods_environment(worker: Rank) -> None:
    worker.start()
    arguments = worker.file("sshd").splitlines()
    assert arguments[arguments.index("-p") + 1] == "2222"
    (forced,) = (a.partition("=")[2] for a in arguments if a.startswith("ForceCommand="))
    for shell in ("sh", "bash"):
        session = {"PATH": os.environ["PATH"], "SSH_ORIGINAL_COMMAND": 'printf %s "$ODD"'}
        said = subprocess.run([shell, "-c", forced], env=session, text=True, capture_output=True, check=True)
        assert said.stdout == ODD


def test_a_worker_stays_while_the_leader_answers(worker: Rank) -> None:
    process = worker.start()
    worker.file("sshd")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert worker.file("pgrep").splitlines() == ["-x orted"] * 3
