"""Signatures and attestations of a chart in a registry, made and checked by cosign."""

import base64
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.base.log import UserError
from hack.release import registry as oci

SBOM = "cyclonedx"
PROVENANCE = "slsaprovenance1"

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"


@dataclass(frozen=True)
class Trust:
    """Whose signature counts: the holder of a key, or an identity that an OIDC issuer vouches for.

    `key` is a file or a KMS URI, private for signing and public for checking. Without the transparency log a
    signature says nothing about when it was made; it is for registries that nothing public is meant to know of.
    """

    key: str = ""
    identity: str = ""
    issuer: str = ""
    transparency_log: bool = True

    def __post_init__(self) -> None:
        if self.key and (self.identity or self.issuer):
            raise UserError("give either a key or an identity with its issuer, not both")
        if not self.key and not (self.identity and self.issuer):
            raise UserError(
                "who signs? Give a key (--key, make: KEY=), or an identity with its issuer (--identity and --issuer, "
                "make: IDENTITY= and ISSUER=); in GitHub Actions the job's identity is found by itself"
            )
        if self.key and "://" not in self.key and not Path(self.key).is_file():
            raise UserError(
                f'there is no key file "{self.key}": correct the path, or make one with `cosign generate-key-pair`'
            )
        if not self.key and not self.transparency_log:
            raise UserError("--no-transparency-log needs a key: without one the log is the only proof of the signature")

    @property
    def name(self) -> str:
        """Whose signature it is, in a few words."""
        return f"key {self.key}" if self.key else f"{self.identity} (issuer {self.issuer})"

    def checking(self) -> list[str]:
        """cosign's arguments for checking."""
        who = (
            ["--key", self.key]
            if self.key
            else ["--certificate-identity", self.identity, "--certificate-oidc-issuer", self.issuer]
        )
        return [*who, *([] if self.transparency_log else ["--insecure-ignore-tlog"])]

    @contextmanager
    def signing(self, client: oci.Client) -> Iterator[list[str]]:
        """cosign's arguments for signing, valid as long as the context."""
        arguments = ["--yes", *(["--key", self.key] if self.key else [])]
        if self.transparency_log:
            yield arguments
            return
        with tempfile.TemporaryDirectory(prefix="signing-") as folder:
            services, roots = Path(folder) / "services.json", Path(folder) / "roots.json"
            # Both without any service: nothing is sent anywhere, and nothing is fetched.
            client.cosign_local("signing-config", "create", "--out", str(services))
            client.cosign_local("trusted-root", "create", "--out", str(roots))
            yield [*arguments, "--signing-config", str(services), "--trusted-root", str(roots)]


def identity_of_this_job() -> tuple[str, str]:
    """Identity and issuer of the GitHub Actions job that runs this, elsewhere two empty strings."""
    env = os.environ
    if env.get("GITHUB_ACTIONS") == "true":
        return f"{env['GITHUB_SERVER_URL']}/{env['GITHUB_WORKFLOW_REF']}", GITHUB_ISSUER
    return "", ""


def sign(client: oci.Client, reference: str, trust: Trust, statements: Mapping[str, Mapping[str, Any]]) -> None:
    """Sign a digest reference and attach statements to it, given by cosign's type; raises RegistryError."""
    with trust.signing(client) as arguments, tempfile.TemporaryDirectory(prefix="attest-") as folder:
        client.cosign("sign", *arguments, reference)
        for kind, predicate in statements.items():
            file = Path(folder) / f"{kind}.json"
            file.write_text(json.dumps(predicate))
            client.cosign("attest", *arguments, "--type", kind, "--predicate", str(file), reference)


@contextmanager
def public_half(client: oci.Client, trust: Trust) -> Iterator[Trust]:
    """What others check with, for what is signed with; raises UserError when the key or its password is wrong."""
    if not trust.key:
        yield trust
        return
    with tempfile.TemporaryDirectory(prefix="public-key-") as folder:
        file = Path(folder) / "cosign.pub"
        try:
            client.cosign_local("public-key", "--key", trust.key, "--outfile", str(file))
        except oci.RegistryError as error:
            raise UserError(
                f"the key {trust.key} cannot be used: {error}. A key file needs its password in COSIGN_PASSWORD"
            ) from None
        yield Trust(key=str(file), transparency_log=trust.transparency_log)


def check(client: oci.Client, reference: str, trust: Trust, kinds: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Check the signature and the attestations of a digest reference; returns the attested predicates by type.

    Raises RegistryError when a signature is missing or somebody else's.
    """
    try:
        client.cosign("verify", *trust.checking(), reference)
        found = {
            kind: client.cosign("verify-attestation", *trust.checking(), "--type", kind, reference) for kind in kinds
        }
    except oci.RegistryError as error:
        raise oci.RegistryError(
            f"{reference} is not what {trust.name} signed: {error}. Do not install it; if the signature should be "
            "there, check the key or identity, and whether it was signed without the transparency log"
        ) from None
    return {kind: [_predicate(line) for line in output.splitlines() if line] for kind, output in found.items()}


def _predicate(envelope: str) -> dict[str, Any]:
    statement = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    predicate: dict[str, Any] = statement["predicate"]
    return predicate
