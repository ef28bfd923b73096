"""The front door of docs/security.md, as it is written there: no key no answer, and pooled clients lose nothing."""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hack.base.paths import ROOT
from hack.base.wait import pause, wait_for
from hack.chart.manifests import merged
from hack.cluster import enforcer
from hack.cluster import lifecycle as cluster
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.containers import build_images
from hack.data.load import LONG
from hack.reliability.cases import CASES
from hack.reliability.clients import MODEL
from hack.reliability.subject import Subject
from hack.reliability.trial import VALUES
from tests.clusterfixtures import RESTRICTED, new_namespace
from tests.e2e import strangers

DOCUMENT = (ROOT / "docs" / "security.md").read_text().partition("## A front door")[2]
MANIFESTS, POLICY = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[:2]
WRITTEN = {
    "https://issuer.example.com": "http://issuer.{gateways}.svc:8080",
    "demo-frontend.llm.svc": "{name}-frontend.{namespace}.svc",
    "quay.io/oauth2-proxy/oauth2-proxy:v7.15.6": build_images.images()["oauth2-proxy"].reference,
    "namespace: gateways": "namespace: {gateways}",
    "kubernetes.io/metadata.name: gateways": "kubernetes.io/metadata.name: {gateways}",
}
READY_SECONDS = 180
# Prints what comes without a token and with each of those given: the status, the pieces of the stream, and its end.
KNOCK = """
import json, sys, urllib.error, urllib.request
url, model, *tokens = sys.argv[1:]
body = {"model": model, "max_tokens": 64, "ignore_eos": True, "stream": True}
body["messages"] = [{"role": "user", "content": "Who is there?"}]
found = []
for token in [None, *tokens]:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            lines = [line.strip() for line in answer]
            pieces = sum(b'"content"' in line for line in lines)
            found.append([answer.status, pieces, lines.count(b"data: [DONE]")])
    except urllib.error.HTTPError as error:
        found.append([error.code, 0, 0])
print(json.dumps(found))
"""


class Issuer:
    """Two files that any web server may serve, and who signs by them."""

    def __init__(self, url: str) -> None:
        self.url, self.key = url, rsa.generate_private_key(65537, 2048)

    def files(self) -> dict[str, str]:
        numbers = self.key.public_key().public_numbers()
        key = {"kty": "RSA", "kid": "a", "alg": "RS256", "use": "sig", "n": _number(numbers.n), "e": _number(numbers.e)}
        places = {f"{name}_endpoint": f"{self.url}/none" for name in ("authorization", "token")}
        about = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **places}
        return {"openid-configuration": json.dumps(about), "keys": json.dumps({"keys": [key]})}

    def token(self, **claims: Any) -> str:
        claims = {"iss": self.url, "aud": "llm", "sub": "a", "email": "a@b.c", "exp": time.time() + 3600, **claims}
        head = {"alg": "RS256", "typ": "JWT", "kid": "a"}
        text = ".".join(_text(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{_text(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@pytest.fixture
def gateways(running: cluster.Cluster, kube: Kube) -> Iterator[str]:
    enforcer.install(running, kube)
    with new_namespace(kube, **RESTRICTED) as name:
        yield name


def serve(kube: Kube, namespace: str, files: dict[str, str]) -> None:
    """The issuer's files at issuer.<namespace>.svc:8080."""
    paths = {"openid-configuration": ".well-known/openid-configuration", "keys": "keys"}
    kube.core.create_namespaced_config_map(namespace, {"metadata": {"name": "issuer"}, "data": files})
    container = {
        "name": "main",
        "image": build_images.images()["sim-runtime"].reference,
        "imagePullPolicy": "Never",
        "command": ["python3", "-m", "http.server", "8080", "--directory", "/files"],
        "securityContext": strangers.RESTRICTED,
        "volumeMounts": [{"name": "files", "mountPath": "/files"}],
    }
    items = [{"key": key, "path": path} for key, path in paths.items()]
    volumes = [{"name": "files", "configMap": {"name": "issuer", "items": items}}]
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes}
    kube.core.create_namespaced_pod(
        namespace, {"metadata": {"name": "issuer", "labels": {"app": "issuer"}}, "spec": spec}
    )
    service = {"selector": {"app": "issuer"}, "ports": [{"port": 8080}]}
    kube.core.create_namespaced_service(namespace, {"metadata": {"name": "issuer"}, "spec": service})


def written(text: str, gateways: str, demo: Release) -> str:
    """A part of the document, with this release's names."""
    for old, new in WRITTEN.items():
        text = text.replace(old, new.format(gateways=gateways, name=demo.name, namespace=demo.namespace))
    return text


def test_no_key_no_answer(release: Callable[..., Release], kube: Kube, gateways: str) -> None:
    demo = release()
    subject = Subject(demo, merged(VALUES, yaml.safe_load(written(POLICY, gateways, demo))))
    subject.upgrade({})
    issuer = Issuer(f"http://issuer.{gateways}.svc:8080")
    serve(kube, gateways, issuer.files())
    secret = {"metadata": {"name": "front-door"}, "stringData": {"cookie-secret": secrets.token_hex(16)}}
    kube.core.create_namespaced_secret(gateways, secret)
    kube.kubectl("apply", "-f", "-", stdin=written(MANIFESTS, gateways, demo))
    kube.kubectl("-n", gateways, "rollout", "status", "deployment/front-door", f"--timeout={READY_SECONDS}s")
    strangers.stranger(kube, gateways, "client")

    door, good = f"http://front-door.{gateways}.svc", issuer.token()
    bad = [issuer.token(exp=time.time() - 60), issuer.token(aud="other"), Issuer(issuer.url).token(), "swordfish"]
    knock = lambda: strangers.python(kube, gateways, "client", KNOCK, door, MODEL, *bad, good)  # noqa: E731
    found = wait_for("the door leads to the frontend", knock, lambda seen: seen[-1][0] == 200, READY_SECONDS)
    assert found == [[401, 0, 0], *[[403, 0, 0]] * len(bad), [200, 64, 1]]
    # Nobody gets past it.
    (frontend, *_) = kube.pods(demo.namespace, instance=demo.name, component="frontend")
    assert strangers.reached(kube, gateways, "client", [f"{frontend.status.pod_ip}:8000"]) == []

    with ThreadPoolExecutor(1) as pool:
        script = (ROOT / "hack" / "data" / "load.py").read_text()
        program = ("python3", "-c", script, door, MODEL, "/tmp/stop", str(LONG), good)
        asking = pool.submit(kube.kubectl, "exec", "-n", gateways, "client", "--", *program)
        pause(5)
        CASES["an upgrade of the frontend"].act(subject)
        subject.settle()
        pause(5)
        kube.kubectl("exec", "-n", gateways, "client", "--", "touch", "/tmp/stop")
        clients = json.loads(asking.result().splitlines()[-1])
    assert clients["sent"] > 50, clients
    assert (clients["failed"], clients["wrong"], clients["shed"]) == ({}, 0, 0), clients
    print(clients)
