"""The model download on a real cluster: a hub in the cluster, one Job, and pods that wait for it.

The engine is not in the image, so its containers cannot start; what is proven ends where they would.
"""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.base.paths import TOOLS_BIN
from hack.base.wait import wait_for
from hack.cluster.kube import Kube
from hack.cluster.nodes import ANYWHERE
from hack.cluster.release import Release
from tests import hub

IMAGE = {"registry": "docker.io", "repository": "dynamo-disagg/sim-runtime", "tag": "1.6.1"}
SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
COMPONENTS = ["frontend", "prefill", "decode"]
VALUES: dict[str, Any] = {
    "global": {
        "colocation": {"topologyKey": "kubernetes.io/hostname"},
        "engine": {"image": IMAGE},
        "env": {"HF_ENDPOINT": "http://hub:8000"},
        "model": {
            "name": hub.REPOSITORY,
            "sizeGiB": 0.1,
            "source": {
                "huggingface": {
                    # What the cluster's provisioner can make.
                    "cache": {"create": {"enabled": True, "size": "1Gi", "accessModes": ["ReadWriteOnce"]}},
                    "download": {"enabled": True, "revision": "v1.0", "resources": SMALL},
                }
            },
        },
    },
    "frontend": {"resources": SMALL},
    **{role: {"resources": SMALL, "sharedMemory": "64Mi"} for role in ("prefill", "decode")},
}


# Prints how many bytes the weights have.
READ = "import glob, os; print(*map(os.path.getsize, glob.glob('/models/*/model.safetensors')))"


@pytest.fixture
def demo(release: Callable[..., Release], kube: Kube) -> Iterator[Release]:
    made = release()
    yield made
    # Kept when the release is uninstalled; it goes when its last pod has gone.
    for claim in kube.core.list_namespaced_persistent_volume_claim(made.namespace).items:
        kube.core.delete_namespaced_persistent_volume_claim(claim.metadata.name, made.namespace)


@pytest.fixture
def start_hub(demo: Release, kube: Kube) -> Iterator[Callable[[], None]]:
    """Makes the hub answer; it is gone after the test."""
    name, labels, namespace = {"name": "hub"}, {"app": "hub"}, demo.namespace
    script = Path(hub.__file__).read_text()
    container = {
        "name": "hub",
        "image": f"{IMAGE['registry']}/{IMAGE['repository']}:{IMAGE['tag']}",
        "command": ["python3", "-u", "/hub/hub.py", "8000"],
        "volumeMounts": [{"name": "hub", "mountPath": "/hub"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "metadata": {**name, "labels": labels},
        "spec": {
            "containers": [container],
            "volumes": [{"name": "hub", "configMap": name}],
            **ANYWHERE,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    }
    service = {"metadata": name, "spec": {"selector": labels, "ports": [{"port": 8000}]}}

    def start() -> None:
        kube.core.create_namespaced_config_map(namespace, {"metadata": name, "data": {"hub.py": script}})
        kube.core.create_namespaced_service(namespace, service)
        kube.core.create_namespaced_pod(namespace, pod)

    yield start
    for kind in ("pod", "service", "config_map"):
        if any(o.metadata.name == "hub" for o in getattr(kube.core, f"list_namespaced_{kind}")(namespace).items):
            getattr(kube.core, f"delete_namespaced_{kind}")("hub", namespace)


def waiting(kube: Kube, demo: Release) -> dict[str, str]:
    """Of each component's pod: whether it waits for the model ("running"), or has what it waited for ("done")."""
    states = {}
    for component in COMPONENTS:
        (pod,) = kube.pods(demo.namespace, instance=demo.name, component=component)
        (status,) = pod.status.init_container_statuses or [None]
        ended = status and status.state.terminated
        states[component] = (
            f"done {ended.exit_code}" if ended else "running" if status and status.state.running else "not yet"
        )
    return states


def each(state: str) -> dict[str, str]:
    return dict.fromkeys(COMPONENTS, state)


def log(kube: Kube, demo: Release, component: str, container: str) -> str:
    (pod, *_) = kube.pods(demo.namespace, instance=demo.name, component=component)
    return str(kube.core.read_namespaced_pod_log(pod.metadata.name, demo.namespace, container=container))


def in_frontend(kube: Kube, demo: Release, program: str) -> subprocess.CompletedProcess[str]:
    kubectl = [str(TOOLS_BIN / "kubectl"), "--kubeconfig", str(kube.kubeconfig), "--namespace", demo.namespace]
    command = [*kubectl, "exec", f"deploy/{demo.name}-frontend", "-c", "frontend", "--", "python3", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_one_download_serves_all_pods_and_outlives_the_release(
    demo: Release, kube: Kube, start_hub: Callable[[], None]
) -> None:
    demo.install(VALUES, wait=False)
    wait_for("all pods wait", lambda: waiting(kube, demo), lambda now: now == each("running"), 120)
    # A container runs a moment before it says anything.
    said = lambda: log(kube, demo, "decode", "wait-for-model")  # noqa: E731
    wait_for("a pod says whom to ask", said, lambda text: "kubectl -n" in text, 30)
    start_hub()
    wait_for("no pod waits any more", lambda: waiting(kube, demo), lambda now: now == each("done 0"), 180)
    for component in COMPONENTS:
        assert hub.FIRST in log(kube, demo, component, "wait-for-model")
    requests = str(kube.core.read_namespaced_pod_log("hub", demo.namespace)).splitlines()
    assert len([r for r in requests if '"GET ' in r and "/model.safetensors" in r]) == 1, requests

    size = len(hub.COMMITS[hub.FIRST]["model.safetensors"])
    wait_for(
        "the frontend reads the model",
        lambda: in_frontend(kube, demo, READ).stdout.strip(),
        lambda text: text == str(size),
        60,
    )
    refused = in_frontend(kube, demo, "open('/models/x', 'w')")
    assert "Read-only file system" in refused.stderr

    # The claim is kept, so the next release of this name needs no hub.
    demo.uninstall()
    kube.core.delete_namespaced_pod("hub", demo.namespace)
    demo.install(VALUES, wait=False)
    wait_for("the pods find the model", lambda: waiting(kube, demo), lambda now: now == each("done 0"), 120)
    wait_for(
        "the Job finds the model",
        lambda: log(kube, demo, "model", "download"),
        lambda text: "already complete" in text,
        60,
    )
