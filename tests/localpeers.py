"""A real etcd and a real NATS on this machine, with the flags, configuration and variables that the chart renders."""

import json
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.base.wait import wait_for
from hack.chart.manifests import Manifests
from hack.containers.build_images import STAND_INS
from tests.prometheus import free_port

MOUNTED = "/etc/dynamo-tls"

# Their ports are open sooner, before etcd has read its certificates.
SERVES = {"etcd": "serving client traffic", "nats": "Server is ready"}


@dataclass
class Peers:
    """Both, of one release; `secrets` has what its Secrets hold, and `folder` the one that pods mount."""

    manifests: Manifests
    folder: Path
    secrets: dict[str, dict[str, str]]
    etcd: int = field(default_factory=free_port)
    nats: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def env(self, component: str) -> dict[str, str]:
        """What a process of a component is told of TLS, etcd and NATS, as Kubernetes fills it in."""
        found = {}
        for name, value in self.manifests.pod(component).containers()[-1].env().items():
            if name.startswith(("DYN_TCP_TLS_", "ETCD_", "NATS_", "DYN_EVENT_PLANE", "DYN_REQUEST_PLANE")):
                found[name] = self._filled(value)
        found["ETCD_ENDPOINTS"] = found["ETCD_ENDPOINTS"].partition("//")[0] + f"//127.0.0.1:{self.etcd}"
        found["NATS_SERVER"] = found["NATS_SERVER"].partition("//")[0] + f"//127.0.0.1:{self.nats}"
        return {**found, "DYN_DISCOVERY_BACKEND": "etcd"}

    def _filled(self, value: Any) -> str:
        if isinstance(value, dict):
            of = value["secretKeyRef"]
            return self.secrets[of["name"]][of["key"]]
        return str(value).replace(MOUNTED, str(self.folder))

    def write(self, secret: dict[str, str]) -> None:
        """A Secret's files, each of them new at once, as the kubelet renews them."""
        for name, text in secret.items():
            part = self.folder / f".{name}"
            part.write_text(text)
            part.rename(self.folder / name)

    def start_etcd(self, data: Path) -> None:
        """The chart's flags of TLS, with addresses of this machine."""
        args = self.manifests.pod("etcd").containers()[-1].args()
        scheme = "https" if any(a.startswith("--cert-file") for a in args) else "http"
        own = [a.replace(MOUNTED, str(self.folder)) for a in args if MOUNTED in a or "client-cert-auth" in a]
        client, peer = f"{scheme}://127.0.0.1:{self.etcd}", f"{scheme}://127.0.0.1:{free_port()}"
        listen = [f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}"]
        first = [f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}", f"--data-dir={data}"]
        self._start("etcd", [*listen, *first, *own])

    def start_nats(self) -> None:
        """The chart's configuration and flags, with ports of this machine."""
        container = self.manifests.pod("nats").containers()[-1]
        config = json.loads(
            self.manifests.one("ConfigMap", component="nats")["data"]["nats.conf"].replace("$POD_NAME", '"nats-0"')
        )
        config |= {"port": self.nats, "http_port": free_port(), "host": "127.0.0.1"}
        file = self.folder.parent / "nats.conf"
        file.write_text(json.dumps(config).replace(MOUNTED, str(self.folder)))
        args = [f"--config={file}", *(a for a in container.spec["args"] if not a.startswith("--config"))]
        for name, value in container.env().items():
            if name != "POD_NAME":
                args = [a.replace(f"$({name})", self._filled(value)) for a in args]
        self._start("nats", args)

    def _start(self, name: str, args: list[str]) -> None:
        binary = STAND_INS[name].build() / {"etcd": "etcd", "nats": "nats-server"}[name]
        file = self.folder.parent / f"{name}.log"
        with file.open("ab") as log:
            before = log.tell()
            self.processes[name] = subprocess.Popen([binary, *args], stdout=log, stderr=log, env={"PATH": os.defpath})
        wait_for(f"{name} serves", lambda: file.read_text()[before:], lambda text: SERVES[name] in text, 30)

    def reload_nats(self) -> None:
        """What `nats-server --signal reload` sends."""
        self.processes["nats"].send_signal(signal.SIGHUP)

    def serial(self, port: int) -> int:
        """Of the certificate that a server shows in a new handshake."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        context.load_cert_chain(self.folder / "tls.crt", self.folder / "tls.key")
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            if port == self.nats:
                plain.recv(4096)
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                return int(str((secure.getpeercert() or {})["serialNumber"]), 16)


@contextmanager
def peers(manifests: Manifests, folder: Path, secrets: dict[str, dict[str, str]]) -> Iterator[Peers]:
    """Both, until the block ends."""
    mounted = folder / "secret"
    mounted.mkdir()
    made = Peers(manifests, mounted, secrets)
    made.write(secrets.get("demo-tls", {}))
    try:
        made.start_etcd(folder / "data")
        made.start_nats()
        yield made
    finally:
        for process in made.processes.values():
            process.kill()
            process.wait()
