"""What scales releases in a test cluster: KEDA and metrics-server, by the manifests of their pinned Go modules."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from hack.base.log import UserError
from hack.base.step import Step
from hack.base.wait import wait_for
from hack.base.yamlfile import parse_all, read_yaml
from hack.chart.manifests import Object
from hack.cluster import lifecycle
from hack.cluster.kube import Kube
from hack.cluster.nodes import ANYWHERE
from hack.containers import build_images
from hack.tools import gobuild, keda

# Module, folder of its manifests, and its images.
MODULES = (
    ("keda", keda.PATH, "config/minimal", ("keda", "keda-metrics-apiserver")),
    ("metrics-server", "sigs.k8s.io/metrics-server", "manifests/base", ("metrics-server",)),
)
IMAGES = tuple(name for *_, images in MODULES for name in images)
# Kind's kubelets sign their certificates themselves.
ARGUMENTS = {"metrics-server": ["--kubelet-insecure-tls"]}
READY_SECONDS = 170
AVAILABLE = "jsonpath={.status.conditions[?(@.type=='Available')].status}"


@contextmanager
def scalers(kube: Kube) -> Iterator[None]:
    """KEDA and metrics-server, ready, until the block ends; by then no release may be left that KEDA scales."""
    load(kube, IMAGES)
    folders = [gobuild.source(module, path) / folder for module, path, folder, _ in MODULES]
    objects = [_fit(item) for folder in folders for item in parse_all(kube.kubectl("kustomize", str(folder)))]
    text = yaml.safe_dump_all(objects)
    step = Step("scalers")
    step.say("installing KEDA and metrics-server")
    kube.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    try:
        _wait(kube, objects)
        step.say("ready")
        yield
    finally:
        # Without KEDA nobody would take its finalizers from them.
        left = lambda: kube.kubectl("get", "scaledobjects", "--all-namespaces", "--output=name").split()  # noqa: E731
        wait_for("KEDA lets go of what it scaled", left, lambda found: not found, READY_SECONDS, 1)
        kube.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=text)


def load(kube: Kube, names: tuple[str, ...]) -> None:
    """Images of hack/data/versions.yaml onto the nodes of a cluster of kind."""
    context: str = read_yaml(kube.kubeconfig)["current-context"]
    lifecycle.load(build_images.archives(names), context.removeprefix("kind-"))


def _fit(item: Object) -> Object:
    """With the images that are loaded, on any node: those of the tests have taints."""
    if item["kind"] == "Deployment":
        pod = item["spec"]["template"]["spec"]
        pod.update(ANYWHERE)
        for container in pod["containers"]:
            container["image"] = build_images.images()[container["image"].rsplit("/", 1)[1].split(":")[0]].reference
            container["imagePullPolicy"] = "IfNotPresent"
            container["args"] += ARGUMENTS.get(container["name"], [])
    return item


def _wait(kube: Kube, objects: list[Any]) -> None:
    for item in objects:
        name, namespace = item["metadata"]["name"], item["metadata"].get("namespace")
        if item["kind"] == "Deployment":
            where = ("--namespace", namespace)
            try:
                kube.kubectl(*where, "rollout", "status", f"deployment/{name}", f"--timeout={READY_SECONDS}s")
            except UserError as error:
                pods = kube.kubectl(*where, "describe", "pods")
                raise UserError(f"{name} does not start: {error}\n{pods[-3000:]}") from error
    for item in objects:
        if item["kind"] == "APIService":
            name = item["metadata"]["name"]
            look = lambda name=name: kube.kubectl("get", "apiservice", name, f"--output={AVAILABLE}")  # noqa: E731
            wait_for(f"{name} answers", look, lambda seen: seen == "True", READY_SECONDS, 1)
