"""TLS between the pods: who has no certificate of the release's authority is refused by each of its servers."""

from collections.abc import Callable
from typing import Any

import trustme

from hack.chart.manifests import merged
from hack.chart.scenarios import SIMULATE
from hack.cluster import leftovers
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from tests.certificates import secret
from tests.e2e import strangers
from tests.e2e.quick import QUICK, peers

PEERS: dict[str, Any] = {
    "global": {"discovery": {"backend": "etcd"}, "eventPlane": "nats"},
    **peers("etcd", "nats"),
}
# Prints what came of a handshake without a certificate, by address:port. NATS greets in the clear first. A server's
# refusal comes with the first byte read.
SHAKE = """
import json, socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
found = {}
for place in sys.argv[1:]:
    host, port = place.rsplit(":", 1)
    try:
        plain = socket.create_connection((host, int(port)), timeout=5)
        if port == "4222":
            plain.recv(4096)
        with context.wrap_socket(plain, server_hostname="dynamo") as secure:
            secure.sendall(b"PING\\r\\n")
            secure.recv(1)
            found[place] = "let in"
    except (OSError, ssl.SSLError) as error:
        found[place] = getattr(error, "reason", None) or type(error).__name__
print(json.dumps(found))
"""


def names(demo: Release) -> list[str]:
    """What a release's certificate is for."""
    return [
        "dynamo",
        *(
            name
            for part in ("etcd", "nats")
            for name in (f"{demo.name}-{part}", f"*.{demo.name}-{part}-peers.{demo.namespace}.svc")
        ),
    ]


def secured(kube: Kube, demo: Release, authority: trustme.CA, *, name: str = "demo-tls") -> dict[str, Any]:
    """Values of a release with TLS, and its Secret."""
    data = secret(authority, *names(demo))
    body = {"metadata": {"name": name, "labels": {leftovers.HELPER: "true"}}, "stringData": data}
    kube.core.create_namespaced_secret(demo.namespace, body)
    return merged(QUICK, {"global": {"tls": {"secretName": name}}})


def test_a_stranger_without_a_certificate_is_refused(release: Callable[..., Release], kube: Kube) -> None:
    demo = release()
    values = {
        "global": {"discovery": {"backend": "etcd"}, "eventPlane": "nats"},
        # Three of each, which must take each other's certificate, too.
        **peers("etcd", "nats", replicas=3),
        # Reads the Secret, and shakes hands in memory.
        "preflight": {"enabled": True, "clusterWide": False},
    }
    demo.install(merged(secured(kube, demo, trustme.CA()), values), files=[SIMULATE])
    assert "OK: 2 proved, 2 simulated" in demo.test()
    strangers.stranger(kube, demo.namespace)
    pods = {
        name: kube.pods(demo.namespace, instance=demo.name, component=name)[0] for name in ("etcd", "nats", "decode")
    }
    places = [f"{pods['etcd'].status.pod_ip}:2379", f"{pods['etcd'].status.pod_ip}:2380"]
    places.append(f"{pods['nats'].status.pod_ip}:4222")
    found = strangers.python(kube, demo.namespace, "stranger", SHAKE, *places)
    assert {place: text for place, text in found.items() if "CERTIFICATE_REQUIRED" not in text} == {}
    # Dynamo's own server has the port that the system chose: one of those that listen.
    ports = strangers.python(kube, demo.namespace, pods["decode"].metadata.name, strangers.LISTENING)
    doors = [f"{pods['decode'].status.pod_ip}:{port}" for port in ports if port != 9090]
    found = strangers.python(kube, demo.namespace, "stranger", SHAKE, *doors)
    assert "let in" not in found.values()
    assert [text for text in found.values() if "CERTIFICATE_REQUIRED" in text], found


def test_a_certificate_of_another_authority_is_refused_before_any_pod_runs(
    release: Callable[..., Release], kube: Kube
) -> None:
    demo = release()
    values = secured(kube, demo, trustme.CA())
    foreign = secret(trustme.CA(), "dynamo")["ca.crt"]
    kube.core.patch_namespaced_secret("demo-tls", demo.namespace, {"stringData": {"ca.crt": foreign}})
    with_preflight = merged(values, {"preflight": {"enabled": True, "clusterWide": False}})
    arguments = ("upgrade", "--install", demo.name, demo.chart, "--timeout=120s")
    result = demo.attempt(*arguments, values=with_preflight, files=[SIMULATE])
    assert result.code
    said = kube.log(demo.namespace, "job-name=demo-preflight")
    assert "its certificate is refused: unable to get local issuer certificate" in said
    assert kube.pods(demo.namespace, instance=demo.name, component="decode") == []
    # A hook that failed stays, for its log.
    kube.batch.delete_namespaced_job("demo-preflight", demo.namespace, propagation_policy="Background")
    # Without the preflight all pods get ready, and the first question tells.
    demo.install(values, files=[SIMULATE])
    assert demo.attempt("test", demo.name, "--timeout=300s").code
    said = kube.log(demo.namespace, "app.kubernetes.io/component=test")
    assert "FAIL" in said
    assert "answered HTTP 503" in said
    kube.core.delete_namespaced_pod("demo-test", demo.namespace)
