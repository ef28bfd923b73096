"""Whether a Secret's certificate will do: a handshake of a pod with another, in memory."""

from __future__ import annotations

import base64
import contextlib
import re
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

FILES = ("tls.crt", "tls.key", "ca.crt")
# Where a root file system is read-only this is not, and it is memory: a key is not written to a disk.
MEMORY = Path("/dev/shm")
# basicConstraints in DER, which Python does not show: its name, perhaps "critical", and in it cA TRUE.
IS_AUTHORITY = re.compile(rb"\x06\x03\x55\x1d\x13(\x01\x01\xff)?\x04.\x30.\x01\x01\xff", re.DOTALL)


def problem(data: Mapping[str, str], names: Sequence[str]) -> str:
    """What is wrong with tls.crt, tls.key and ca.crt (in base64) for servers of these names and their clients."""
    missing = [name for name in FILES if not data.get(name)]
    if missing:
        return f"has no {', '.join(missing)} (it has: {', '.join(sorted(data))})"
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        for name in FILES:
            (Path(folder) / name).write_bytes(base64.b64decode(data[name]))
        if "ENCRYPTED" in (Path(folder) / "tls.key").read_text(errors="replace"):
            return "its tls.key has a passphrase, which nothing asks for"
        for name in names:
            if found := _refused(Path(folder), name.replace("*", "any")):
                return found
    return ""


def _refused(folder: Path, name: str) -> str:
    """Why a client that asks for this name, or its server, ends the handshake."""
    contexts = []
    for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
        context = ssl.SSLContext(protocol)
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(folder / "ca.crt")
        except ssl.SSLError as error:
            return f"its ca.crt is no PEM of certificates ({error.reason or 'a part of it cannot be read'})"
        try:
            context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        except ssl.SSLError as error:
            return f"its tls.crt and tls.key are no pair in PEM ({error.reason})"
        # As Dynamo and Go, which read no names in the subject.
        context.hostname_checks_common_name = False
        contexts.append(context)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = contexts[0].wrap_bio(there, back, server_side=True)
    client = contexts[1].wrap_bio(back, there, server_hostname=name)
    try:
        for _ in range(4):
            for side in (client, server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is refused: {error.verify_message.rstrip('.')}"
    return _beyond(folder / "tls.crt")


def _beyond(file: Path) -> str:
    """What Dynamo 1.6.1 refuses and OpenSSL does not: findings/dynamo-tls-refuses-ca-certificates.sh."""
    first = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", file.read_text(), re.DOTALL)
    if first and IS_AUTHORITY.search(ssl.PEM_cert_to_DER_cert(first[0])):
        return "its certificate is an authority's (CA:TRUE), which Dynamo takes from no pod"
    return ""
