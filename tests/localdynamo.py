"""Real Dynamo processes on this machine: a frontend and mockers, found through files. No cluster, no container."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from hack.base import process
from hack.base.paths import ROOT, cache_dir, content_key
from hack.base.wait import wait_for
from hack.data.runtime.model import write_model
from tests.prometheus import free_port

RUNTIME = ROOT / "hack" / "data" / "runtime"
MODEL = "m"
POOLS = {"prefill": 2, "decode": 2}
LABELS = {"namespace": "default", "job": "demo"}


def packages(image: Path = RUNTIME) -> Path:
    """A folder with the packages of the simulated runtime image, or of another one here, filled once."""
    requirements = image / "requirements.txt"
    folder = cache_dir() / f"{image.name}-{content_key(requirements)}-{sys.version_info[0]}{sys.version_info[1]}"
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        into = ["--python", sys.executable, "--target", str(part)]
        pins = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(requirements)]
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", *into, *pins]
        process.output(install, f"the packages of the {image.name} image", timeout=540)
        part.rename(folder)
    return folder


@dataclass
class Dynamo:
    """The processes of one release, each of which counts as a pod."""

    folder: Path
    http: int = field(default_factory=free_port)
    pods: dict[str, tuple[subprocess.Popen[bytes], int]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def start(self, pod: str, module: str, *arguments: str, port: int, **env: str) -> None:
        everywhere = {
            **{"DYN_DISCOVERY_BACKEND": "file", "DYN_FILE_KV": str(self.folder / "discovery")},
            **{"DYN_TCP_RPC_HOST": "127.0.0.1", "DYN_EVENT_PLANE_HOST": "127.0.0.1", "HOME": str(self.folder)},
            **{"PYTHONPATH": str(packages())},
        }
        with (self.folder / f"{pod}.log").open("wb") as log:
            # A frontend runs as in its pod.
            frontend = [ROOT / "files" / "frontend.py", str(self.http)]
            command = [sys.executable, *(frontend if module == "dynamo.frontend" else ["-m", module]), *arguments]
            started = subprocess.Popen(command, env=os.environ | everywhere | env, stdout=log, stderr=log)
        self.pods[pod] = (started, port)

    def stop(self, role: str) -> None:
        """End the pods of a role; as in Kubernetes nothing scrapes them any more."""
        for pod in [name for name in self.pods if name.startswith(role)]:
            self.pods[pod][0].terminate()
            self.pods.pop(pod)[0].wait()

    def logs(self) -> list[str]:
        """Of the workers."""
        return [log.read_text() for role in ("prefill", "decode") for log in self.folder.glob(f"{role}-*.log")]

    def scrape(self) -> dict[str, Any]:
        """What Prometheus asks, with the labels that docs/monitoring.md promises; read again when pods end."""
        return {"job_name": "dynamo", "file_sd_configs": [{"files": [str(self.targets)], "refresh_interval": "1s"}]}

    @property
    def targets(self) -> Path:
        return self.folder / "targets.yaml"

    def write_targets(self) -> None:
        targets = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {**LABELS, "pod": pod, "component": pod.partition("-")[0]}}
            for pod, (_, port) in self.pods.items()
        ]
        part = self.targets.with_suffix(".part")
        part.write_text(json.dumps(targets))
        part.rename(self.targets)

    def ask(self, words: int, *, shared: int = 0, **body: Any) -> int:
        """The status of one request of so many words, of which the first are those of other requests."""
        text = [f"word{i}" for i in range(shared)] + [f"w{random.randrange(10**6)}" for _ in range(words - shared)]
        message = {"role": "user", "content": " ".join(text)}
        leave = body.pop("leave", False)
        body = {"model": MODEL, "max_tokens": 32, "messages": [message], **body}
        with requests.post(f"{self.url}/v1/chat/completions", json=body, timeout=60, stream=True) as answer:
            for _ in answer.iter_content(4096):
                if leave:
                    break
            return answer.status_code


@contextmanager
def running(folder: Path, pools: Mapping[str, int] = POOLS, arguments: Sequence[str] = ()) -> Iterator[Dynamo]:
    """A frontend with the kv router, and so many mockers of each role with `arguments`, ready for requests."""
    made = Dynamo(folder)
    folder.mkdir(exist_ok=True)
    write_model(folder / "model")
    try:
        made.start(
            *("frontend-0", "dynamo.frontend", "--http-host", "127.0.0.1", "--http-port", str(made.http)),
            *("--router-mode", "kv", "--migration-limit", "3"),
            port=made.http,
        )
        for role, count in pools.items():
            for number in range(count):
                port = free_port()
                made.start(
                    *(f"{role}-{number}", "dynamo.mocker", "--model-path", str(folder / "model")),
                    *("--model-name", MODEL, "--disaggregation-mode", role, *arguments),
                    port=port,
                    DYN_SYSTEM_PORT=str(port),
                )
        made.write_targets()
        wait_for("the first answer", lambda: made.ask(4), lambda status: status == 200, 120)
        yield made
    finally:
        for started, _ in made.pods.values():
            started.kill()


@contextmanager
def load(dynamo: Dynamo, clients: int = 4) -> Iterator[None]:
    """Clients that ask until the block ends: some leave early, some ask for what is not valid."""
    stop = threading.Event()

    def client() -> None:
        chance = random.Random()
        while not stop.is_set():
            kind = chance.random()
            if kind < 0.03:
                dynamo.ask(4, max_tokens=0)
            elif kind < 0.06:
                dynamo.ask(4, stream=True, max_tokens=500, leave=True)
            else:
                dynamo.ask(chance.choice([300, 600, 1200]), shared=200, stream=chance.random() < 0.8)
            time.sleep(chance.random() / 4)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
