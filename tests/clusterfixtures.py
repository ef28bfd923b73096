"""Fixtures on a real cluster, of the tiers scheduling and e2e.

One kind cluster serves the whole run; every test has a namespace of its own. `--kubeconfig` names another cluster,
which is used as it is.
"""

import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hack.base.log import UserError
from hack.cluster import leftovers, state
from hack.cluster import lifecycle as cluster
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.cluster.report import namespace_report
from hack.containers import build_images
from hack.reliability import faults

MACHINE = "gke-a3ultra"
# Not the demo's cluster: what somebody looks at there may hold all its GPUs.
CLUSTER = "dynamo-disagg-e2e"
TIERS = {"scheduling", "e2e", "controllers"}
# Whether this run made the cluster.
MADE = pytest.StashKey[bool]()
# Where several processes test, one makes the cluster meanwhile, and holds this file until it is there or says why not.
MAKING = pytest.StashKey[tuple[Future[None], Path]]()
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture(scope="session")
def running(pytestconfig: pytest.Config) -> cluster.Cluster:
    """The kind cluster: two workers that look like A3 Ultra nodes, eight faked GPUs each, all images loaded."""
    if given := pytestconfig.getoption("kubeconfig"):
        return cluster.Cluster("", Path(given).resolve(), "", "")
    if worker := getattr(pytestconfig, "workerinput", None):
        with open(worker["cluster"]) as making:
            fcntl.flock(making, fcntl.LOCK_SH)
            if why_not := making.read():
                raise UserError(why_not)
    else:
        capture = pytestconfig.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():  # building it takes minutes: show the progress
            make_cluster(pytestconfig)
    return cluster.existing(CLUSTER)


def make_cluster(config: pytest.Config) -> None:
    """The cluster of the run, which goes with it unless it was there before."""
    config.stash[MADE] = state.find(CLUSTER) is None and not config.getoption("keep_cluster")
    try:
        cluster.up(CLUSTER, machine=MACHINE)
    except state.HalfMadeError:  # an interrupted run left it, and nobody else uses this name
        cluster.up(CLUSTER, machine=MACHINE, recreate=True)
    cluster.load(build_images.archives(), CLUSTER)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Where several processes test, the one that shows the progress makes the cluster, if their tiers need it."""
    if config.getoption("kubeconfig") or not any(TIERS & set(Path(path).parts) for path in config.args):
        return
    descriptor, name = tempfile.mkstemp(prefix="dynamo-disagg-cluster-")
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    def make() -> None:
        try:
            make_cluster(config)
        except BaseException as error:
            os.write(descriptor, f"{CLUSTER}: {error}".encode())
            raise
        finally:
            os.close(descriptor)

    config.stash[MAKING] = ThreadPoolExecutor(1).submit(make), Path(name)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process which file to wait for."""
    if making := node.config.stash.get(MAKING, None):
        node.workerinput["cluster"] = str(making[1])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Of those processes the one that made the cluster removes it, when the others have ended."""
    if making := session.config.stash.get(MAKING, None):
        wait([making[0]])
        making[1].unlink()
    if session.config.stash.get(MADE, False):
        cluster.down(CLUSTER)


@contextmanager
def dressed(running: cluster.Cluster, machine: str, gpus: int) -> Iterator[None]:
    """The cluster's workers as nodes of another machine with so many GPUs; afterwards they are A3 Ultra nodes again."""
    try:
        cluster.up(running.name, machine=machine, gpus=gpus)
        yield
    finally:
        cluster.up(running.name, machine=MACHINE)


@pytest.fixture(scope="session")
def kube(running: cluster.Cluster) -> Kube:
    """The cluster's API."""
    return Kube(running.kubeconfig)


@contextmanager
def new_namespace(kube: Kube, **labels: str) -> Iterator[str]:
    """A namespace with these labels, deleted afterwards; nobody waits until it is gone."""
    name = f"e2e-{secrets.token_hex(3)}"
    kube.core.create_namespace({"metadata": {"name": name, "labels": labels}})
    try:
        yield name
    finally:
        kube.core.delete_namespace(name)


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """A new namespace under the restricted Pod Security Standard."""
    with new_namespace(kube, **RESTRICTED) as name:
        yield name


def remove(*releases: Release) -> None:
    """Uninstall them, and wait until nothing is left of any. Their pods end at once: a frontend would serve on."""
    for one in releases:
        one.attempt("uninstall", one.name, "--ignore-not-found")
    for one in releases:
        for pod in one.kube.pods(one.namespace, instance=one.name):
            if pod.metadata.deletion_timestamp:
                # Some are gone by now, and a cluster of somebody else's is no kind of ours.
                with suppress(UserError):
                    faults.send(one, pod, "KILL")
    for namespace in {one.namespace for one in releases}:
        leftovers.wait_until_gone(releases[0].kube, namespace)


@pytest.fixture
def release(kube: Kube, namespace: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Release]]:
    """A release of the chart in the test's namespace, not installed yet: release("name", helm=...).

    What a test leaves installed is uninstalled: a namespace that is deleted with pods in it waits for half of
    their termination grace period, however soon they end.
    """
    made: list[Release] = []

    def make(name: str = "demo", **options: Any) -> Release:
        made.append(Release(kube, namespace, name, **options))
        return made[-1]

    yield make
    if getattr(request.node, "failed_phase", None):
        print(namespace_report(kube, namespace))
        # A hook that failed stays, for its log, which is in the report.
        kube.batch.delete_collection_namespaced_job(namespace, propagation_policy="Background")
    remove(*made)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Leave word for the release fixture that the test failed."""
    report = yield
    if report.failed:
        item.failed_phase = report.when  # type: ignore[attr-defined]
    return report
