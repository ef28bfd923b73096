"""Talking to OCI registries through crane and cosign, with errors a user can act on."""

import base64
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hack.base import process
from hack.base.log import UserError
from hack.tools import pinned

PROBE_SECONDS = 60.0
# A model server's image has more than ten gigabytes.
COPY_SECONDS = 6 * 3600.0
SIGN_SECONDS = 300.0

_REPOSITORY = re.compile(
    r"(?P<host>(?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]+(?::\d{1,5})?)"
    r"(?P<path>(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
)
# The registry itself says that there is no such manifest; no other answer means that.
_ABSENT = re.compile(r"/manifests/\S+: (?:MANIFEST_UNKNOWN|NAME_UNKNOWN|NOT_FOUND)\b")

# It wants credentials, or others.
_REFUSED = re.compile(r"UNAUTHORIZED|DENIED|no basic auth credentials|40[13] (Unauthorized|Forbidden)")


class RegistryError(UserError):
    """A registry refused, did not answer, or answered something that is no registry's answer."""


@dataclass(frozen=True)
class Repository:
    """A host and a path in it, such as ghcr.io and /acme/charts."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}{self.path}"

    def __truediv__(self, name: str) -> "Repository":
        return Repository(self.host, f"{self.path}/{name}")

    @classmethod
    def parse(cls, text: str) -> "Repository":
        """A repository from `oci://host[:port]/path` or the same without a scheme; raises UserError."""
        bare = text.strip().removeprefix("oci://").rstrip("/")
        match = _REPOSITORY.fullmatch(bare)
        host = match["host"] if match else ""
        if match is None or not (set(".:") & set(host) or host == "localhost"):
            raise UserError(
                f'"{text}" is not the address of an OCI registry: write host[:port]/path in lower case, without a tag, '
                "such as oci://ghcr.io/acme/charts"
            )
        return cls(match["host"], match["path"])


@dataclass(frozen=True)
class Client:
    """Runs crane and cosign with one environment; made by connect()."""

    env: Mapping[str, str]
    plain_http: bool = False
    tools: Mapping[str, Path] = field(default_factory=dict)

    def crane(self, *arguments: str, about: Repository, timeout: float = PROBE_SECONDS) -> str:
        """Run crane and return its output; raises RegistryError with what the failure means."""
        done = self._run("crane", *(["--insecure"] if self.plain_http else []), *arguments, timeout=timeout)
        if done.returncode:
            raise RegistryError(explained(done.stderr, about))
        return done.stdout.strip()

    def cosign(self, command: str, *arguments: str) -> str:
        """Run a command of cosign on the registry; returns its output, raises RegistryError with cosign's words."""
        return self.cosign_local(command, *(["--allow-http-registry"] if self.plain_http else []), *arguments)

    def cosign_local(self, command: str, *arguments: str) -> str:
        """Run a command of cosign that needs no registry."""
        done = self._run("cosign", command, *arguments, timeout=SIGN_SECONDS)
        if done.returncode:
            raise RegistryError(last_error(done.stderr))
        return done.stdout.strip()

    def digest(self, repository: Repository, tag: str) -> str | None:
        """The digest behind a tag, or None when the registry says that the tag does not exist.

        Anything else, silence included, raises RegistryError: it must not be taken for "does not exist".
        """
        reference = f"{repository}:{tag}"
        # A manifest and not its headers is asked for, because only then the registry says what is missing.
        insecure = ["--insecure"] if self.plain_http else []
        done = self._run("crane", *insecure, "manifest", reference, timeout=PROBE_SECONDS)
        if done.returncode == 0 and _is_manifest(done.stdout):
            return self.crane("digest", reference, about=repository)
        if _ABSENT.search(done.stderr):
            return None
        raise RegistryError(
            f"cannot tell whether {reference} exists: {explained(done.stderr or done.stdout, repository)}"
        )

    def _run(self, tool: str, *arguments: str, timeout: float) -> process.Done:
        command = [str(self.tools[tool]), *arguments]
        try:
            return process.run(command, env=self.env, timeout=timeout)
        except process.NotFinishedError as error:
            seen = error.seen.strip()[-300:] or "no output"
            text = f"context deadline of {timeout:.0f} s exceeded; last observed: {seen}"
            return process.Done(command, 124, "", f"Error: {text}")


@contextmanager
def connect(
    host: str, *, ca_file: Path | None = None, plain_http: bool = False, tools: tuple[str, ...] = ("crane",)
) -> Iterator[Client]:
    """A client for a registry.

    Credentials are those of `docker login`; REGISTRY_USERNAME and REGISTRY_PASSWORD, if set, are used for `host`
    and kept in a folder that is removed afterwards.
    """
    environment = dict(os.environ)
    if ca_file is not None:
        if not ca_file.is_file():
            raise UserError(f"--ca-file {ca_file}: there is no such file")
        # Go reads it in addition to the system's folder of certificates.
        environment["SSL_CERT_FILE"] = str(ca_file.absolute())
        environment.pop("SSL_CERT_DIR", None)
    username, password = os.environ.get("REGISTRY_USERNAME", ""), os.environ.get("REGISTRY_PASSWORD", "")
    if bool(username) != bool(password):
        missing = "REGISTRY_PASSWORD" if username else "REGISTRY_USERNAME"
        raise UserError(f"{missing} is not set: set both REGISTRY_USERNAME and REGISTRY_PASSWORD, or neither")
    paths = pinned.ensure(tools)
    if not username:
        yield Client(environment, plain_http, paths)
        return
    with tempfile.TemporaryDirectory(prefix="registry-login-") as folder:
        file = Path(folder) / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(docker_config(host, username, password)))
        yield Client({**environment, "DOCKER_CONFIG": folder}, plain_http, paths)


def docker_config(host: str, username: str, password: str) -> dict[str, object]:
    """The user's Docker configuration with one more login, so that other registries stay reachable."""
    existing = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        config = json.loads(existing.read_text()) if existing.is_file() else {}
    except ValueError as error:
        raise UserError(f"{existing}: not valid JSON: {error}") from error
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {
        **config,
        "auths": {**config.get("auths", {}), host: {"auth": login}},
        # An empty helper means this file, also where a helper keeps all other logins.
        "credHelpers": {**config.get("credHelpers", {}), host: ""},
    }


def _is_manifest(text: str) -> bool:
    try:
        return bool(json.loads(text)["schemaVersion"] == 2)
    except (ValueError, TypeError, KeyError):
        return False


def last_error(stderr: str) -> str:
    """The line of a tool's output that says what went wrong."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error: ")]
    return (errors or lines or ["no message"])[-1].removeprefix("Error: ")


def explained(stderr: str, repository: Repository) -> str:
    """What a tool says of a repository, and what to do about it."""
    line = last_error(stderr)
    hint = "check the address, and whether it needs --ca-file or --plain-http"
    if _REFUSED.search(line):
        login = f'"docker login {repository.host}" or ".tools/bin/crane auth login {repository.host}"'
        hint = f"set REGISTRY_USERNAME and REGISTRY_PASSWORD of somebody who may do this, or log in with {login}"
    return f"{repository}: {line}: {hint}"
