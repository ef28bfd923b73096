"""Certificates for tests."""

from typing import Any

import trustme


def secret(authority: trustme.CA, *names: str, **options: Any) -> dict[str, str]:
    """tls.crt, tls.key and ca.crt of a pod with these names, as cert-manager writes them; options of issue_cert."""
    made = authority.issue_cert(*names, **options)
    return {
        "tls.crt": made.cert_chain_pems[0].bytes().decode(),
        "tls.key": made.private_key_pem.bytes().decode(),
        "ca.crt": authority.cert_pem.bytes().decode(),
    }
