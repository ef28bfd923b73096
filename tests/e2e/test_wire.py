"""What goes over the wire between the pods of a release, listened to on a node: with TLS, no prompt."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import trustme

from hack.base.wait import pause, wait_for
from hack.chart.manifests import merged
from hack.chart.scenarios import SIMULATE
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.containers import build_images
from tests.clusterfixtures import new_namespace
from tests.e2e import strangers
from tests.e2e.quick import QUICK
from tests.e2e.test_tls import PEERS, secured

MODEL = "Qwen/Qwen3-0.6B"
# Each character is a token whose number is its byte, so that they look alike in a message of either kind.
WORDS = "4815162342-1123581321"
# Prints how many TCP segments of these pods it saw on their node, at ports other than the API's, and which of the words
# were in them.
LISTEN = """
import json, socket, struct, sys, time
addresses = [socket.inet_aton(address) for address in sys.argv[1].split(",")]
until, words = time.monotonic() + float(sys.argv[2]), [w.encode() for w in sys.argv[3:]]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
wire.settimeout(0.5)
seen, heard = 0, dict.fromkeys(sys.argv[3:], 0)
while time.monotonic() < until:
    try:
        packet = wire.recv(65536)
    except TimeoutError:
        continue
    start = (packet[0] & 15) * 4
    ours = packet[12:16] in addresses or packet[16:20] in addresses
    if ours and packet[9] == 6 and 8000 not in struct.unpack(">HH", packet[start : start + 4]):
        seen += 1
        for word in words:
            heard[word.decode()] += word in packet
print(json.dumps([seen, heard]))
"""
LISTENING_SECONDS = 12


@contextmanager
def wiretap(kube: Kube, node: str) -> Iterator[str]:
    """A pod in a node's own network, which sees what all pods of the node send and get; yields its namespace."""
    with new_namespace(kube, **{"pod-security.kubernetes.io/enforce": "privileged"}) as namespace:
        container = {
            "name": "main",
            "image": build_images.images()["sim-runtime"].reference,
            "imagePullPolicy": "Never",
            "command": ["sleep", "3600"],
            "securityContext": {"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}},
        }
        spec = {"nodeName": node, "hostNetwork": True, "terminationGracePeriodSeconds": 0, "containers": [container]}
        kube.core.create_namespaced_pod(namespace, {"metadata": {"name": "wiretap"}, "spec": spec})
        phase = lambda: kube.core.read_namespaced_pod("wiretap", namespace).status.phase  # noqa: E731
        wait_for("the wiretap runs", phase, "Running".__eq__, strangers.READY_SECONDS)
        yield namespace


def heard(kube: Kube, demo: Release) -> dict[str, int]:
    """In how many packets at a decode worker's node the prompt was, and the name of its field in Dynamo's messages."""
    (decode,) = kube.pods(demo.namespace, instance=demo.name, component="decode")
    ours = ",".join(pod.status.pod_ip for pod in kube.pods(demo.namespace, instance=demo.name))
    with wiretap(kube, decode.spec.node_name) as namespace, ThreadPoolExecutor(1) as pool:
        arguments = (ours, str(LISTENING_SECONDS), WORDS, "token_ids")
        listening = pool.submit(strangers.python, kube, namespace, "wiretap", LISTEN, *arguments)
        pause(3)
        for _ in range(3):
            demo.endpoint.chat(MODEL, WORDS, max_tokens=8)
        seen, words = listening.result()
    assert seen > 10, "it listened"
    return dict(words)


def test_the_wire_shows_no_prompt(release: Callable[..., Release], kube: Kube) -> None:
    plain, demo = release("plain"), release()
    plain.install(QUICK, files=[SIMULATE])
    assert all(heard(kube, plain).values()), "without TLS whoever listens reads along"
    demo.install(merged(secured(kube, demo, trustme.CA()), PEERS), files=[SIMULATE])
    assert heard(kube, demo) == {WORDS: 0, "token_ids": 0}
