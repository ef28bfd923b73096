"""TLS between the pods of a release: one Secret, every listener and every client, nothing left out."""

import json
from typing import Any

import pytest

from hack.chart.manifests import Container, Manifests, merged
from hack.chart.render import Render
from hack.chart.scenarios import EVERYTHING

TLS: dict[str, Any] = {"global": {"tls": {"secretName": "demo-tls"}}}
FOLDER = "/etc/dynamo-tls"
DYNAMO = ("frontend", "prefill", "decode")
SIDES = ("CERT", "KEY", "CA_CERT", "CLIENT_CERT", "CLIENT_KEY", "CLIENT_CA_CERT")


def main(manifests: Manifests, component: str) -> Container:
    return manifests.pod(component).containers()[-1]


def mounted(manifests: Manifests) -> set[str]:
    """Components whose pods have the Secret."""
    found = set()
    for pod in manifests.pods():
        volumes = [name for name, v in pod.volumes().items() if v.get("secret", {}).get("secretName") == "demo-tls"]
        for container in pod.containers():
            if any(m["name"] in volumes and m["mountPath"] == FOLDER for m in container.spec.get("volumeMounts", [])):
                found.add(pod.labels["app.kubernetes.io/component"])
    return found


def test_off_by_default(render: Render) -> None:
    text = json.dumps([render(), render(EVERYTHING)])
    assert not [word for word in ("_TLS_", "ETCD_AUTH", FOLDER, "https://0.0.0.0", '"tls"') if word in text]


@pytest.mark.parametrize("component", DYNAMO)
def test_every_process_has_both_sides_of_both_directions(render: Render, component: str) -> None:
    """Half of it protects one direction only, or leaves requests unanswered."""
    env = main(render(merged(TLS, {"global": {"tls": {"serverName": "pods.example"}}})), component).env()
    paths = {name: env[f"DYN_TCP_TLS_{name}_PATH"].removeprefix(f"{FOLDER}/") for name in SIDES}
    assert paths == dict(zip(SIDES, ("tls.crt", "tls.key", "ca.crt") * 2, strict=True))
    assert env["DYN_TCP_TLS_SERVER_NAME"] == "pods.example"


def test_the_secret_is_where_it_is_used(render: Render) -> None:
    helpers = {name: {"enabled": True} for name in ("canary", "preflight")}
    assert mounted(render(merged(merged(EVERYTHING, TLS), helpers))) == {*DYNAMO, "etcd", "nats"}


def test_the_secret_is_for_every_rank(render: Render) -> None:
    manifests = render(TLS, ["values/a4x-10p8d.yaml"])
    assert {p.id for p in manifests.pods("decode") if "tls" in p.volumes()} == {p.id for p in manifests.pods("decode")}


def test_etcd_takes_nobody_without_a_certificate(render: Render) -> None:
    manifests = render(merged(EVERYTHING, TLS))
    etcd = main(manifests, "etcd")
    for prefix in ("", "peer-"):
        assert etcd.flag(f"{prefix}client-cert-auth") == "true"
        assert etcd.flag(f"{prefix}trusted-ca-file") == f"{FOLDER}/ca.crt"
        assert etcd.flag(f"{prefix}cert-file") == f"{FOLDER}/tls.crt"
        assert etcd.flag(f"{prefix}key-file") == f"{FOLDER}/tls.key"
    # Without it three members refuse each other.
    assert etcd.flag("peer-skip-client-san-verification") == "true"
    urls = [a.partition("=")[2] for a in etcd.args() if "-urls=" in a or a.startswith("--initial-cluster=")]
    assert [url for url in urls if "http://" in url] == ["http://0.0.0.0:2381"], "probes and metrics only"
    env = main(manifests, "decode").env()
    assert all(url.startswith("https://") for url in env["ETCD_ENDPOINTS"].split(","))
    # Dynamo takes the text, not a file.
    assert {name: env[f"ETCD_AUTH_{name}"]["secretKeyRef"]["key"] for name in ("CA", "CLIENT_CERT", "CLIENT_KEY")} == {
        "CA": "ca.crt",
        "CLIENT_CERT": "tls.crt",
        "CLIENT_KEY": "tls.key",
    }


def test_nats_takes_nobody_without_a_certificate(render: Render) -> None:
    manifests = render(merged(EVERYTHING, TLS))
    text = manifests.one("ConfigMap", component="nats")["data"]["nats.conf"]
    config = json.loads(text.replace("$POD_NAME", '"$POD_NAME"'))
    files = {"ca_file": f"{FOLDER}/ca.crt", "cert_file": f"{FOLDER}/tls.crt", "key_file": f"{FOLDER}/tls.key"}
    assert config["tls"] == {**files, "verify": True}
    assert config["cluster"]["tls"] == files
    env = main(manifests, "decode").env()
    assert env["NATS_SERVER"].startswith("tls://demo-nats:")
    assert {name: env[f"NATS_TLS_{name}_PATH"] for name in ("CA_CERT", "CLIENT_CERT", "CLIENT_KEY")} == {
        "CA_CERT": f"{FOLDER}/ca.crt",
        "CLIENT_CERT": f"{FOLDER}/tls.crt",
        "CLIENT_KEY": f"{FOLDER}/tls.key",
    }


def test_servers_of_others_keep_their_own_settings(render: Render) -> None:
    others = {
        "discovery": {"backend": "etcd", "etcdEndpoints": ["http://etcd.infra:2379"]},
        "eventPlane": "nats",
        "natsUrl": "nats://nats.infra:4222",
    }
    env = main(render(merged(TLS, {"global": others})), "decode").env()
    assert (env["ETCD_ENDPOINTS"], env["NATS_SERVER"]) == ("http://etcd.infra:2379", "nats://nats.infra:4222")
    assert not [name for name in env if name.startswith(("ETCD_AUTH_", "NATS_TLS_"))]


def test_turning_it_on_changes_what_etcds_members_keep(render: Render) -> None:
    """Their addresses are in their data; the API server refuses another claim template."""
    fixed = [
        render(values).one("StatefulSet", component="etcd")["metadata"]["annotations"]["dynamo-disagg/fixed"]
        for values in (EVERYTHING, merged(EVERYTHING, TLS))
    ]
    assert fixed[1] == f"{fixed[0]}, TLS"


def test_the_preflight_knows_the_names_of_the_certificate(render: Render) -> None:
    values = merged(merged(EVERYTHING, TLS), {"preflight": {"enabled": True}})
    needs = json.loads(render(values).one("ConfigMap", component="preflight")["data"]["needs.json"])
    (need,) = [o for o in needs["objects"] if o["name"] == "demo-tls"]
    assert need["value"] == "global.tls.secretName"
    assert need["certificate"] == [
        *("dynamo", "demo-etcd", "*.demo-etcd-peers.default.svc"),
        *("demo-nats", "*.demo-nats-peers.default.svc"),
    ]
