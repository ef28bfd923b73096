"""The preflight's handshake in memory: what would leave requests unanswered is said before."""

import base64
import datetime
import json
from pathlib import Path

import pytest
import trustme

from hack.base import process
from preflight.certificates import problem
from preflight.checks import check_objects
from preflight.cluster import Cluster, read
from tests.certificates import secret

NAMES = ["dynamo", "*.demo-etcd-peers.llm.svc"]


def encoded(texts: dict[str, str]) -> dict[str, str]:
    return {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}


OWN, OTHER = trustme.CA(), trustme.CA()
NOW, DAY = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
GOOD = secret(OWN, *NAMES)
NOT_PEM = "own"


def test_a_good_one() -> None:
    assert problem(encoded(GOOD), NAMES) == ""
    # On the way from one authority to another.
    both = {**GOOD, "ca.crt": secret(OTHER, *NAMES)["ca.crt"] + GOOD["ca.crt"]}
    assert problem(encoded(both), NAMES) == ""


@pytest.mark.parametrize("data", [{"username": "YQ=="}, {"username": "YQ==", "password": ""}])
def test_a_user_of_nats_without_the_password(data: dict[str, str]) -> None:
    need = {"kind": "Secret", "name": "user", "value": "global.natsSecret", "keys": ["username", "password"]}
    needs = {"namespace": "llm", "apis": [], "objects": [need], "clusterWide": False}
    there = {"metadata": {}, "type": "Opaque", "data": data}
    cluster: Cluster = read(lambda _: (200, json.dumps(there).encode()), needs)
    (row,) = check_objects(cluster, needs)
    assert (row.status, row.detail) == ("FAIL", "has no key password (it has: username): add it (global.natsSecret)")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "has no tls.crt, tls.key, ca.crt (it has: )"),
        ({**GOOD, "ca.crt": ""}, "has no ca.crt"),
        ({**GOOD, "ca.crt": NOT_PEM}, "its ca.crt is no PEM of certificates"),
        (
            {**GOOD, "ca.crt": GOOD["ca.crt"] + GOOD["ca.crt"][:-60]},
            "no PEM of certificates (a part of it cannot be read)",
        ),
        ({**GOOD, "ca.crt": GOOD["tls.crt"]}, "refused: unable to get local issuer certificate"),
        (secret(OWN, *NAMES, not_before=NOW + DAY, not_after=NOW + 2 * DAY), "refused: certificate is not yet valid"),
        ({**GOOD, "tls.crt": NOT_PEM}, "its tls.crt and tls.key are no pair in PEM"),
        ({**GOOD, "tls.key": secret(OWN, *NAMES)["tls.key"]}, "no pair in PEM (KEY_VALUES_MISMATCH)"),
        ({**GOOD, "ca.crt": secret(OTHER, *NAMES)["ca.crt"]}, "refused: unable to get local issuer certificate"),
        (secret(OWN, *NAMES, not_before=NOW - 2 * DAY, not_after=NOW - DAY), "refused: certificate has expired"),
        (
            {**GOOD, "tls.key": GOOD["tls.key"].replace("RSA", "ENCRYPTED").replace("EC", "ENCRYPTED")},
            "its tls.key has a passphrase, which nothing asks for",
        ),
        (secret(OWN, "dynamo"), "Hostname mismatch, certificate is not valid for 'any.demo-etcd-peers.llm.svc'"),
    ],
)
def test_what_is_wrong_is_said(data: dict[str, str], says: str) -> None:
    assert says in problem(encoded(data), NAMES)


@pytest.mark.parametrize(
    ("extensions", "says"),
    [
        (["subjectAltName=DNS:dynamo"], "its certificate is an authority's (CA:TRUE), which Dynamo takes from no pod"),
        (["subjectAltName=DNS:dynamo", "basicConstraints=critical,CA:TRUE"], "its certificate is an authority's"),
        (["subjectAltName=DNS:dynamo", "basicConstraints=critical,CA:FALSE"], ""),
        (["basicConstraints=CA:FALSE"], "Hostname mismatch"),
    ],
)
def test_a_certificate_that_is_its_own_authority(extensions: list[str], says: str, tmp_path: Path) -> None:
    """As openssl makes one; Dynamo takes the third: findings/dynamo-tls-refuses-ca-certificates.sh."""
    options = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=dynamo", "-keyout", "tls.key", "-out", "tls.crt"]
    made = [*options, *(part for extension in extensions for part in ("-addext", extension))]
    process.output(["openssl", "req", "-x509", *made], "a certificate", cwd=tmp_path)
    data = {name: (tmp_path / name).read_text() for name in ("tls.crt", "tls.key")}
    found = problem(encoded({**data, "ca.crt": data["tls.crt"]}), ["dynamo"])
    assert (says in found) if says else found == ""


def test_the_table_names_the_value_and_the_fix() -> None:
    need = {"kind": "Secret", "name": "tls", "value": "global.tls.secretName", "certificate": NAMES}
    needs = {"namespace": "llm", "apis": [], "objects": [need], "clusterWide": False}
    there = {"metadata": {}, "type": "Opaque", "data": encoded(secret(OTHER, "elsewhere"))}
    cluster: Cluster = read(lambda _: (200, json.dumps(there).encode()), needs)
    (row,) = check_objects(cluster, needs)
    assert row.status == "FAIL"
    assert row.detail.endswith(
        ": make it for dynamo, *.demo-etcd-peers.llm.svc, with the ca.crt that signed it (global.tls.secretName)"
    )
    assert cluster.objects["Secret", "tls"]["data"] == dict.fromkeys(("tls.crt", "tls.key", "ca.crt"), "")
