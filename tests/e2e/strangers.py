"""Pods that knock: which ports a pod listens on, and who gets through to them."""

import json
from typing import Any

from hack.base.wait import wait_for
from hack.cluster import leftovers
from hack.cluster.kube import Kube
from hack.containers import build_images

READY_SECONDS = 180
LISTENING = """
import json
ports = set()
for file in ("/proc/net/tcp", "/proc/net/tcp6"):
    for line in open(file).readlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        address, port = local.split(":")
        # Little-endian words: 127.x.x.x ends with 7F, ::1 is all zeros but its last word.
        own = address.endswith("7F") or address == "0" * 24 + "01000000"
        if state == "0A" and not own:
            ports.add(int(port, 16))
print(json.dumps(sorted(ports)))
"""
# Prints those that take a connection. An open port answers within milliseconds.
KNOCK = """
import concurrent.futures, json, socket, sys
def opens(place):
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
        return True
    except OSError:
        return False
places = sys.argv[1:]
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    print(json.dumps([p for p, answer in zip(places, pool.map(opens, places)) if answer]))
"""
ASK = """
import json, sys, urllib.request
url, model = sys.argv[1:]
body = {"model": model, "max_tokens": 8, "ignore_eos": True, "messages": [{"role": "user", "content": "Who is there?"}]}
request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
print(json.load(urllib.request.urlopen(request, timeout=60))["usage"]["completion_tokens"])
"""
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def python(kube: Kube, namespace: str, pod: str, program: str, *arguments: str) -> Any:
    """Run a program in a pod; what it prints is JSON."""
    return json.loads(kube.kubectl("exec", "-n", namespace, pod, "--", "python3", "-c", program, *arguments))


def stranger(kube: Kube, namespace: str, name: str = "stranger") -> str:
    """A pod that serves HTTP at port 8080 and is nobody's; returns its address once it runs."""
    container = {
        "name": "main",
        "image": build_images.images()["sim-runtime"].reference,
        "imagePullPolicy": "Never",
        "command": ["python3", "-m", "http.server", "8080", "--directory", "/opt"],
        "securityContext": RESTRICTED,
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    spec = {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": [container]}
    labels = {"app.kubernetes.io/name": name, leftovers.HELPER: "true"}
    kube.core.create_namespaced_pod(namespace, {"metadata": {"name": name, "labels": labels}, "spec": spec})
    pod = wait_for(
        f"{namespace}/{name} is ready",
        lambda: kube.core.read_namespaced_pod(name, namespace),
        lambda seen: bool(seen.status.container_statuses) and seen.status.container_statuses[0].ready,
        READY_SECONDS,
        show=lambda seen: seen.status.phase,
    )
    return str(pod.status.pod_ip)


def listening(kube: Kube, namespace: str, instance: str) -> list[str]:
    """Every address:port at which a pod of a release takes connections from elsewhere."""
    found = []
    for pod in kube.pods(namespace, name="dynamo-disagg", instance=instance):
        if pod.metadata.labels["app.kubernetes.io/component"] in ("frontend", "prefill", "decode"):
            ports = python(kube, namespace, pod.metadata.name, LISTENING)
            found += [f"{pod.status.pod_ip}:{port}" for port in ports]
    return found


def reached(kube: Kube, namespace: str, pod: str, places: list[str]) -> list[str]:
    """Those of the places that take a connection from a pod."""
    found: list[str] = python(kube, namespace, pod, KNOCK, *places)
    return found
