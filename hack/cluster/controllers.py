"""The controllers of LeaderWorkerSet and Kueue in a test cluster, by their own charts, which their Go modules hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hack.base.step import Step
from hack.base.versions import versions
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.containers.build_images import loaded
from hack.tools import gobuild

SECONDS = 240
# Built here they are no image of their vendors', which names a user.
SECURITY = {"runAsNonRoot": True, "runAsUser": 65532}
RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


def _lws(image: dict[str, str]) -> dict[str, Any]:
    manager = {"image": {"manager": image}, "podSecurityContext": SECURITY, "resources": RESOURCES}
    return {**manager, "enableDisaggregatedSet": True}


def _kueue(image: dict[str, str]) -> dict[str, Any]:
    manager = {"image": image, "podSecurityContext": SECURITY, "resources": RESOURCES}
    return {"controllerManager": {"manager": manager}}


VALUES = {"lws": _lws, "kueue": _kueue}


def chart(name: str) -> Path:
    """The folder of a controller's chart."""
    return gobuild.source(name, f"sigs.k8s.io/{name}") / "charts" / name


@contextmanager
def installed(kube: Kube, name: str) -> Iterator[None]:
    """One of them, ready to serve, in a cluster onto whose nodes its image was loaded; afterwards nothing is left."""
    image = loaded(name)
    given = {"repository": f"{image['registry']}/{image['repository']}", "tag": image["tag"], "pullPolicy": "Never"}
    release = Release(kube, f"{name}-system", name, chart=str(chart(name)))
    try:
        release.install(VALUES[name](given), timeout=SECONDS, options=["--create-namespace"])
        Step(name).say(f"{versions()['images'][name]['version']} runs")
        yield
    finally:
        release.attempt("uninstall", name, "--ignore-not-found", "--wait", f"--timeout={SECONDS}s")
        definitions = chart(name) / "crds"
        if definitions.is_dir():
            kube.kubectl("delete", "--ignore-not-found", f"--filename={definitions}")
        kube.kubectl("delete", "namespace", release.namespace, "--ignore-not-found")
