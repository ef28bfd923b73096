"""The controllers of LeaderWorkerSet and Kueue in a test cluster, by their own charts, which their Go modules hold."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hack.base.step import Step
from hack.base.versions import versions
from hack.base.wait import wait_for
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
# Its pod is ready some seconds before its webhook listens.
JUDGED = {
    "lws": {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "judged"},
        "spec": {"leaderWorkerTemplate": {"workerTemplate": {"spec": {"containers": [{"name": "a", "image": "a"}]}}}},
    }
}


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
        if name in JUDGED:
            judge = partial(kube.kubectl, "create", "--dry-run=server", "--filename=-", stdin=json.dumps(JUDGED[name]))
            wait_for(f"the webhook of {name} answers", judge, bool, SECONDS, 1)
        Step(name).say(f"{versions()['images'][name]['version']} runs")
        yield
    finally:
        release.attempt("uninstall", name, "--ignore-not-found", "--wait", f"--timeout={SECONDS}s")
        definitions = chart(name) / "crds"
        if definitions.is_dir():
            kube.kubectl("delete", "--ignore-not-found", f"--filename={definitions}")
        kube.kubectl("delete", "namespace", release.namespace, "--ignore-not-found")
