"""Real etcd, NATS and Dynamo as the chart sets them up: who is refused, and what a renewed certificate costs."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from hack.base.wait import wait_for
from hack.chart import render as chart
from hack.chart.manifests import Manifests, merged
from hack.data import load
from hack.data.runtime.model import write_model
from tests.certificates import secret
from tests.localdynamo import MODEL, Dynamo
from tests.localpeers import Peers, peers
from tests.prometheus import free_port

PEERS: dict[str, Any] = {
    "global": {"discovery": {"backend": "etcd"}, "eventPlane": "nats"},
    "etcd": {"enabled": True},
    "nats": {"enabled": True},
}
TLS = merged(PEERS, {"global": {"tls": {"secretName": "demo-tls"}}})
USER = merged(PEERS, {"global": {"natsSecret": "demo-nats", "requestPlane": "nats"}})
# What nats.conf would read as its own syntax.
NATS_USER = {"username": "007", "password": '$HOME "{12}'}
NAMES = ("dynamo", "127.0.0.1")


def rendered(values: dict[str, Any]) -> Manifests:
    return chart.render(values)


def start(dynamo: Dynamo, made: Peers, pod: str) -> Callable[[], int]:
    """A pod of a component; what is returned says how its health is."""
    role = pod.partition("-")[0]
    port = dynamo.http if role == "frontend" else free_port()
    model = ("--model-path", str(dynamo.folder / "model"), "--model-name", MODEL, "--disaggregation-mode", role)
    http = ("--http-host", "127.0.0.1", "--http-port", str(port), "--router-mode", "kv", "--migration-limit", "3")
    program, args = ("dynamo.frontend", http) if role == "frontend" else ("dynamo.mocker", model)
    health = {"DYN_SYSTEM_PORT": str(port), "DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS": '["generate"]'}
    dynamo.start(pod, program, *args, port=port, **({} if role == "frontend" else health), **made.env(role))
    return lambda: requests.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code


@contextmanager
def serving(folder: Path, made: Peers) -> Iterator[Dynamo]:
    """A frontend, a prefill and a decode worker that found each other through etcd."""
    dynamo = Dynamo(folder)
    write_model(folder / "model")
    try:
        for role in ("frontend", "prefill", "decode"):
            start(dynamo, made, f"{role}-0")
        wait_for("the first answer", lambda: dynamo.ask(4), lambda status: status == 200, 120)
        yield dynamo
    finally:
        for running, _ in dynamo.pods.values():
            running.kill()
            running.wait()


def greeted(port: int, **shown: str) -> bytes:
    """What NATS says to a client that shows this of itself."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.recv(4096)
        client.sendall(b"CONNECT %s\r\nPING\r\n" % json.dumps({"verbose": False, **shown}).encode())
        return client.recv(4096)


def test_nats_takes_no_client_without_the_user(tmp_path: Path) -> None:
    with peers(rendered(USER), tmp_path, {"demo-nats": NATS_USER}) as made:
        for shown in ({}, {"user": "007"}, {"user": "007", "pass": "swordfish"}, {"auth_token": NATS_USER["password"]}):
            assert b"Authorization Violation" in greeted(made.nats, **shown), shown
        assert greeted(made.nats, user="007", **{"pass": NATS_USER["password"]}) == b"PONG\r\n"
        # Requests and events go over it.
        with serving(tmp_path, made) as dynamo:
            assert dynamo.ask(300) == 200


def refused(port: int, authority: str, greets: bool, own: Path | None = None) -> str:
    """
    Why a server ends the handshake of a client with tls.crt and tls.key of a folder, "closed" where it does not say;
    nothing where it lets it in.
    """
    context = ssl.create_default_context(cadata=authority)
    # Up to 1.2 a client knows whether it was let in when the handshake ends; in 1.3 it may have sent its request by
    # then, and what it hears of the refusal is a matter of time.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if own:
        context.load_cert_chain(own / "tls.crt", own / "tls.key")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            if greets:
                plain.recv(4096)
            context.wrap_socket(plain, server_hostname="127.0.0.1").close()
    except ConnectionError:
        return "closed"
    except ssl.SSLError as error:
        return error.reason or "closed"
    return ""


def test_neither_takes_a_client_without_the_authoritys_certificate(tmp_path: Path) -> None:
    own = trustme.CA()
    with peers(rendered(TLS), tmp_path, {"demo-tls": secret(own, *NAMES)}) as made:
        authority = (made.folder / "ca.crt").read_text()
        foreign = secret(trustme.CA(), *NAMES)
        for name, text in foreign.items():
            (tmp_path / name).write_text(text)
        for port, greets in ((made.etcd, False), (made.nats, True)):
            assert "HANDSHAKE_FAILURE" in refused(port, authority, greets)
            said = refused(port, authority, greets, tmp_path)
            assert "UNKNOWN_CA" in said or "BAD_CERTIFICATE" in said, said
            assert not refused(port, authority, greets, made.folder)


def test_a_second_authority_takes_a_reload_of_nats_and_a_restart_of_etcd(tmp_path: Path) -> None:
    own, other = (secret(trustme.CA(), *NAMES) for _ in range(2))
    with peers(rendered(TLS), tmp_path, {"demo-tls": own}) as made:
        for name, text in other.items():
            (tmp_path / name).write_text(text)

        def said(port: int) -> str:
            return refused(port, own["ca.crt"], port == made.nats, tmp_path)

        made.write({**own, "ca.crt": own["ca.crt"] + other["ca.crt"]})
        made.reload_nats()
        wait_for("NATS trusts it", lambda: said(made.nats), "".__eq__, 10)
        assert said(made.etcd)
        made.processes["etcd"].terminate()
        made.processes["etcd"].wait()
        made.start_etcd(tmp_path / "data")
        assert not said(made.etcd)


@contextmanager
def asked(dynamo: Dynamo, folder: Path) -> Iterator[load.Account]:
    """The clients of the reliability cases, fewer, as long as the block lasts."""
    account, stop = load.Account(), folder / "stop"
    kinds = [(load.SHORT, False), (load.SHORT, True), (load.LONG, False)]
    clients = [load.Client(account, dynamo.url, MODEL, tokens, stop, keeps=keeps) for tokens, keeps in kinds]
    for client in clients:
        client.start()
    try:
        yield account
    finally:
        stop.touch()
        for client in clients:
            client.join()


def test_a_renewed_certificate_costs_no_answer(tmp_path: Path) -> None:
    """
    etcd shows it in the next handshake, NATS when told to reload; a Dynamo process keeps what it read when it started,
    and one that starts later takes part.
    """
    authority = trustme.CA()
    secrets = {"demo-tls": secret(authority, *NAMES)}
    with peers(rendered(TLS), tmp_path, secrets) as made, serving(tmp_path, made) as dynamo:
        before = {port: made.serial(port) for port in (made.etcd, made.nats)}
        with asked(dynamo, tmp_path) as account:
            wait_for("answers", lambda: account.right, lambda right: right > 5, 60)
            secrets["demo-tls"] = secret(authority, *NAMES)
            made.write(secrets["demo-tls"])
            assert made.serial(made.etcd) != before[made.etcd]
            assert made.serial(made.nats) == before[made.nats]
            made.reload_nats()
            wait_for("NATS's new certificate", lambda: made.serial(made.nats), made.serial(made.etcd).__eq__, 10)
            for role in ("prefill", "decode"):
                health = start(dynamo, made, f"{role}-1")
                wait_for(f"a new {role} worker", health, lambda status: status == 200, 120)
                dynamo.stop(f"{role}-0")
            asked_until = account.sent
            wait_for("answers of the new ones", lambda: account.right, lambda right: right > asked_until + 10, 60)
        found = json.loads(account.line())
        assert (found["failed"], found["wrong"], found["shed"]) == ({}, 0, 0), found


@pytest.mark.parametrize(
    ("values", "says"),
    [(TLS, "channel closed"), (USER, "Failed to connect to NATS")],
    ids=["certificate", "user"],
)
def test_a_process_that_lacks_it_says_so_and_stops(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    secrets = {"demo-tls": secret(trustme.CA(), *NAMES), "demo-nats": NATS_USER}
    with peers(rendered(values), tmp_path, secrets) as made:
        stranger = Peers(rendered(PEERS), made.folder, {}, made.etcd, made.nats)
        dynamo = Dynamo(tmp_path)
        write_model(tmp_path / "model")
        start(dynamo, stranger, "decode-0")
        (running, _) = dynamo.pods["decode-0"]
        try:
            assert running.wait(90)
        finally:
            dynamo.stop("decode")
        assert says in (tmp_path / "decode-0.log").read_text()
