"""Where a release is tried: a namespace of its own, which is gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from hack.base.log import UserError
from hack.base.versions import versions
from hack.base.wait import wait_for
from hack.cluster.kube import Kube
from hack.cluster.release import Release


def tried_on() -> str:
    """What that is, for the pages of docs/."""
    dynamo, kubernetes = versions()["images"]["sim-runtime"]["version"], versions()["kubernetes"]["version"]
    return f"Kubernetes {kubernetes} on kind, Dynamo {dynamo}'s frontend and mockers"


@contextmanager
def place(kube: Kube, namespace: str) -> Iterator[Release]:
    """A release that is not installed yet."""
    namespaces = lambda: {item.metadata.name for item in kube.core.list_namespace().items}  # noqa: E731
    wait_for(
        f"namespace {namespace} of an earlier run is gone", namespaces, lambda names: namespace not in names, 120, 1
    )
    kube.core.create_namespace({"metadata": {"name": namespace}})
    release = Release(kube, namespace)
    try:
        yield release
    except (TimeoutError, AssertionError) as error:
        raise UserError(str(error)) from error
    finally:
        release.attempt("uninstall", release.name, "--ignore-not-found")
        # With etcd's claims.
        kube.kubectl("delete", "namespace", namespace, "--wait=false")
