"""A closed release in a cluster that enforces NetworkPolicies: a stranger is refused at every port, all else works."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hack.base.wait import wait_for
from hack.chart.manifests import merged
from hack.chart.scenarios import SIMULATE, in_namespace
from hack.cluster import enforcer
from hack.cluster import lifecycle as cluster
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from tests.clusterfixtures import RESTRICTED, new_namespace
from tests.e2e import strangers
from tests.e2e.quick import QUICK, peers

MODEL = "Qwen/Qwen3-0.6B"
# Enforcers follow the cluster within a second or two.
ENFORCED_SECONDS = 90

MakeRelease = Callable[..., Release]


@pytest.fixture(autouse=True, scope="module")
def _enforced(running: cluster.Cluster, kube: Kube) -> None:
    """Where no enforcer can run the tests fail: what they would show, nobody has seen."""
    enforcer.install(running, kube)


@pytest.fixture
def clients(kube: Kube) -> Iterator[str]:
    """A namespace whose pods may ask the frontend, with one pod in it."""
    with new_namespace(kube, **RESTRICTED) as name:
        strangers.stranger(kube, name, "client")
        yield name


def closed(clients: str, **values: Any) -> dict[str, Any]:
    return merged(QUICK, merged({"networkPolicy": {"enabled": True, "clients": [in_namespace(clients)]}}, values))


def ask(kube: Kube, clients: str, demo: Release) -> int:
    url = f"http://{demo.name}-frontend.{demo.namespace}.svc:8000/v1/chat/completions"
    answer: int = strangers.python(kube, clients, "client", strangers.ASK, url, MODEL)
    return answer


def refused(kube: Kube, namespace: str, pod: str, places: list[str]) -> None:
    """None of the places takes a connection from the pod, once the policies are enforced."""
    wait_for(
        f"pod {pod} is refused everywhere (if never: this cluster does not enforce NetworkPolicies)",
        lambda: strangers.reached(kube, namespace, pod, places),
        lambda seen: seen == [],
        ENFORCED_SECONDS,
    )


def test_a_stranger_is_refused_at_every_port(release: MakeRelease, kube: Kube, clients: str) -> None:
    demo = release()
    demo.install(QUICK, files=[SIMULATE])
    outside = strangers.stranger(kube, demo.namespace)
    doors = strangers.listening(kube, demo.namespace, demo.name)
    assert {door.rpartition(":")[2] for door in doors} >= {"8000", "9090"}
    assert len(doors) > 4, "Dynamo's own ports are among them"
    # Open, all of them are open to anybody, so that what follows is the policies' doing.
    assert strangers.reached(kube, demo.namespace, "stranger", doors) == doors
    (decode,) = kube.pods(demo.namespace, instance=demo.name, component="decode")
    exits = [f"{outside}:8080"]
    assert strangers.reached(kube, demo.namespace, decode.metadata.name, exits) == exits

    demo.install(closed(clients), files=[SIMULATE])
    doors = strangers.listening(kube, demo.namespace, demo.name)
    refused(kube, demo.namespace, "stranger", doors)
    # The closed namespaces of others count no more than the release's own.
    (frontend,) = [door for door in doors if door.endswith(":8000")]
    assert strangers.reached(kube, clients, "client", doors) == [frontend]
    for component in ("frontend", "prefill", "decode"):
        (pod,) = kube.pods(demo.namespace, instance=demo.name, component=component)
        refused(kube, demo.namespace, pod.metadata.name, exits)
    assert ask(kube, clients, demo) == 8
    assert "OK: 2 proved, 2 simulated" in demo.test()
    assert {pod.status.phase for pod in kube.pods(demo.namespace, instance=demo.name)} == {"Running"}


def test_etcd_and_nats_are_for_the_release_only(release: MakeRelease, kube: Kube, clients: str) -> None:
    """Members find each other, pods register and serve; no pod reaches even the API server."""
    demo = release()
    values = {
        "global": {"discovery": {"backend": "etcd"}, "requestPlane": "nats", "eventPlane": "nats"},
        **peers("etcd", "nats"),
        # It alone asks the API server, under a policy that is there before it.
        "preflight": {"enabled": True},
    }
    demo.install(closed(clients, **values), files=[SIMULATE])
    strangers.stranger(kube, demo.namespace)
    addresses = {
        name: kube.pods(demo.namespace, instance=demo.name, component=name)[0].status.pod_ip
        for name in ("etcd", "nats")
    }
    places = [f"{addresses['etcd']}:{port}" for port in (2379, 2380, 2381)]
    places += [f"{addresses['nats']}:{port}" for port in (4222, 6222, 8222)]
    refused(kube, demo.namespace, "stranger", places)
    refused(kube, clients, "client", places)
    (decode,) = kube.pods(demo.namespace, instance=demo.name, component="decode")
    allowed = [f"{addresses['etcd']}:2379", f"{addresses['nats']}:4222"]
    assert strangers.reached(kube, demo.namespace, decode.metadata.name, places) == allowed
    server = kube.core.read_namespaced_service("kubernetes", "default").spec.cluster_ip
    assert strangers.reached(kube, demo.namespace, "stranger", [f"{server}:443"]) == [f"{server}:443"]
    assert strangers.reached(kube, demo.namespace, decode.metadata.name, [f"{server}:443"]) == []
    assert "OK: 2 proved, 2 simulated" in demo.test()
    assert ask(kube, clients, demo) == 8
