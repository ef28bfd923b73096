"""KWOK nodes look like their machines."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from hack.base.log import UserError
from hack.chart.machines import COMPUTE_DOMAIN_CLASS, load_machine, names
from hack.kwok import nodes, simulator
from hack.kwok.nodes import KWOK_KEY, POOL_LABEL
from hack.tools import pinned


@pytest.mark.parametrize("name", names())
def test_every_machine_has_a_size_and_its_looks(name: str) -> None:
    machine = load_machine(name)
    (node,) = nodes.machines(machine, 1, "pool")
    manifest = node.manifest("pool", "owner")
    assert [item["spec"]["driver"] for item in node.slices("pool")] == list(machine.devices)
    assert manifest["status"]["allocatable"].keys() == {"cpu", "memory", "pods", *machine.resources}
    assert machine.node_labels.items() <= manifest["metadata"]["labels"].items()
    taints = {taint["key"] for taint in manifest["spec"]["taints"]}
    assert taints == {KWOK_KEY, *(taint.key for taint in machine.taints)}


def test_a_node_of_a4x_max() -> None:
    first, second = nodes.machines(load_machine("gke-a4xmax"), 2, "pool")
    assert (first.name, second.name) == ("pool-0", "pool-1")
    manifest = second.manifest("pool", "owner")
    amounts = {"cpu": "143", "memory": "934Gi", "pods": "110", "nvidia.com/gpu": "4"}
    assert manifest["status"]["capacity"] == manifest["status"]["allocatable"] == amounts
    assert manifest["metadata"]["annotations"] == {KWOK_KEY: "owner"}
    assert manifest["metadata"]["labels"][POOL_LABEL] == "pool"
    counts = {item["spec"]["driver"]: len(item["spec"]["devices"]) for item in second.slices("pool")}
    assert counts == {"mrdma.google.com": 8, COMPUTE_DOMAIN_CLASS: 1}
    assert {item["spec"]["nodeName"] for item in second.slices("pool")} == {"pool-1"}


def test_a_shared_device_is_there_for_each_gpu() -> None:
    (node,) = nodes.machines(load_machine("tke-h20-rdma"), 1, "pool")
    assert node.resources["tke.cloud.tencent.com/tke-shared-rdma"] == 8


def test_a_machine_without_a_size_is_named() -> None:
    with pytest.raises(UserError, match='no entry "big-box": add the CPUs and memory'):
        nodes._size("big-box")


def test_nodes_without_gpus() -> None:
    (node,) = nodes.cpu_nodes("arm64", 1, "pool")
    manifest = node.manifest("pool", "owner")
    assert manifest["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
    assert manifest["status"]["allocatable"].keys() == {"cpu", "memory", "pods"}
    assert node.slices("pool") == []


def test_the_policy_and_the_code_agree_on_names() -> None:
    text = (simulator.FOLDER / "admission.yaml").read_text()
    policy, binding = yaml.safe_load_all(text)
    assert policy["kind"] == "MutatingAdmissionPolicy"
    assert binding["kind"] == f"{policy['kind']}Binding"
    assert POOL_LABEL in text
    assert f'key: "{KWOK_KEY}"' in text


@pytest.mark.parametrize("broken", ["install_admission", "remove_everything", "__init__"])
def test_kwok_never_outlives_an_error(broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "kwok"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(start(*arguments, **options))
        return started[-1]

    def fail(*_: object) -> None:
        raise UserError("no answer from the API server")

    monkeypatch.setattr(pinned, "ensure", lambda _: {"kwok": program})
    monkeypatch.setattr(subprocess, "Popen", popen)
    monkeypatch.setattr(simulator, "ApiServer", lambda _: None)
    for name in ("install_admission", "remove_everything"):
        monkeypatch.setattr(simulator.Simulator, name, lambda _: None)
    monkeypatch.setattr(simulator.Simulator, broken, fail)
    with pytest.raises(UserError, match="no answer"), simulator.running(tmp_path / "kubeconfig"):
        pass
    (process,) = started
    assert process.poll() is not None


class Server:
    """An API server with one object, which is in these states one question after the other."""

    url = "https://127.0.0.1"

    def __init__(self, *states: str) -> None:
        self.states = [*states]
        self.asked: list[str] = []

    def request(self, method: str, path: str, **_: Any) -> requests.Response:
        self.asked.append(f"{method} {path}")
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        answer = requests.Response()
        found = {"metadata": {"name": "it", **({"deletionTimestamp": "now"} if state == "leaves" else {})}}
        answer._content = json.dumps(found).encode()
        statuses = {"POST": 201 if state == "is gone" else 409, "GET": 404 if state == "is gone" else 200}
        answer.status_code = statuses[method]
        return answer


class Running:
    exit_code = None


@pytest.mark.parametrize(
    ("states", "made"),
    [
        (["is gone"], ["/things/it"]),
        (["is there"], []),
        # Another simulator's, which ends: seen going, or gone by the time it is looked at.
        (["leaves", "leaves", "leaves", "is gone"], ["/things/it"]),
        (["leaves", "is gone"], ["/things/it"]),
    ],
)
def test_what_is_provided_stays(states: list[str], made: list[str]) -> None:
    server: Any = Server(*states)
    running: Any = Running()
    simulated = simulator.Simulator(server, "owner", running)
    simulated.provide("/things", {"metadata": {"name": "it"}})
    assert simulated._made == made
    assert server.asked[-1].startswith("POST" if made else "GET")


class Emptied:
    """An API server of which a path is refused, or all are not answered; a namespace is gone once it is deleted."""

    url = "https://127.0.0.1"

    def __init__(self, refused: str) -> None:
        self.refused = refused
        self.deleted: list[str] = []

    def request(self, method: str, path: str, **_: Any) -> requests.Response:
        assert method == "DELETE"
        self.deleted.append(path)
        if not self.refused:
            raise requests.ConnectionError("refused")
        answer = requests.Response()
        answer.request = requests.Request(method, self.url + path).prepare()
        answer.url = self.url + path
        answer.status_code = 500 if self.refused in path else 200
        return answer

    def get_json(self, path: str) -> Any:
        self.deleted.append("-- wait --")
        return {"items": []}


def to_be_emptied(refused: str) -> tuple[Emptied, simulator.Simulator]:
    server: Any = Emptied(refused)
    running: Any = Running()
    simulated = simulator.Simulator(server, "owner", running)
    simulated._namespaces, simulated._pools, simulated._made = ["a", "b", "c"], {"a"}, ["/policies/1", "/bindings/1"]
    return server, simulated


@pytest.mark.parametrize("refused", ["/namespaces/a", "/nodes", "/bindings"])
def test_what_cannot_be_removed_keeps_nothing_else(refused: str) -> None:
    server, simulated = to_be_emptied(refused)
    with pytest.raises(UserError, match=f"^DELETE https://127.0.0.1.*{refused}.* answered 500: $"):
        simulated.remove_everything()
    assert [path.partition("?")[0].rpartition("/v1/")[2] for path in server.deleted] == [
        *("namespaces/a", "namespaces/b", "namespaces/c", "-- wait --"),
        *("nodes", "resourceslices", "/bindings/1", "/policies/1"),
    ]


def test_a_server_that_is_gone_is_not_asked_for_ever() -> None:
    server, simulated = to_be_emptied("")
    with pytest.raises(UserError, match="no answer from the API server"):
        simulated.remove_everything()
    assert len(server.deleted) == simulator.UNANSWERED
