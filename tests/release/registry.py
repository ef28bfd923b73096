"""A real OCI registry (distribution) with TLS and basic authentication, for one test run."""

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import trustme
import yaml

from hack.base.wait import wait_for
from hack.tools import pinned

USER, PASSWORD = "publisher", "publisher-password"
# bcrypt of the password, made once: the registry takes no other kind.
HTPASSWD = f"{USER}:$2b$04$.cGfUtguI9jBj2CZe1YMtOw5.uUwpBJNUUdKh5OALV3sYxo92TecO\n"
START_SECONDS = 20


@dataclass(frozen=True)
class Registry:
    """A running registry."""

    host: str
    ca_file: Path
    storage: Path

    def get(self, path: str, accept: str = "*/*") -> requests.Response:
        """A GET of the registry's API, such as /v2/charts/x/tags/list."""
        return requests.get(
            f"https://{self.host}{path}",
            headers={"Accept": accept},
            auth=(USER, PASSWORD),
            verify=str(self.ca_file),
            timeout=10,
        )

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository; none when it does not exist."""
        answer = self.get(f"/v2/{repository}/tags/list")
        return sorted(answer.json().get("tags") or []) if answer.ok else []

    def blob(self, digest: str) -> Path:
        """The file that holds a blob."""
        value = digest.removeprefix("sha256:")
        return self.storage / "docker/registry/v2/blobs/sha256" / value[:2] / value / "data"


@contextmanager
def running(folder: Path, address: str = "127.0.0.1") -> Iterator[Registry]:
    """A registry that listens on a free port of an address of this machine, as long as the context."""
    binary = pinned.ensure(["registry"])["registry"]
    authority = trustme.CA()
    certificate = authority.issue_cert(address, "localhost")
    files = {name: folder / name for name in ("ca.pem", "cert.pem", "key.pem", "htpasswd", "config.yml", "log")}
    authority.cert_pem.write_to_path(str(files["ca.pem"]))
    certificate.cert_chain_pems[0].write_to_path(str(files["cert.pem"]))
    certificate.private_key_pem.write_to_path(str(files["key.pem"]))
    files["htpasswd"].write_text(HTPASSWD)
    port = free_port(address)
    files["config.yml"].write_text(
        yaml.safe_dump(
            {
                "version": "0.1",
                "log": {"level": "warn"},
                "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
                "http": {
                    "addr": f"{address}:{port}",
                    "tls": {"certificate": str(files["cert.pem"]), "key": str(files["key.pem"])},
                },
                "auth": {"htpasswd": {"realm": "test", "path": str(files["htpasswd"])}},
            }
        )
    )
    registry = Registry(f"{address}:{port}", files["ca.pem"], folder / "storage")
    with process([str(binary), "serve", str(files["config.yml"])], files["log"]):
        wait_for("registry", lambda: registry.get("/v2/").status_code, lambda code: code == 200, START_SECONDS, 0.05)
        yield registry


@contextmanager
def process(command: Sequence[str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the context; its output goes to a file."""
    with output.open("w") as stream:
        started = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(10)


def free_port(address: str) -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
