"""kwok as a process of this machine, and the nodes it plays the kubelet of."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from hack.base import process
from hack.base.log import UserError
from hack.base.process import Background
from hack.base.wait import UnrecoverableError, wait_for
from hack.base.yamlfile import parse_all
from hack.cluster.apiserver import ApiServer, NoAnswerError
from hack.kwok.nodes import KWOK_KEY, POOL_LABEL, FakeNode, Object, device_class
from hack.tools import pinned

FOLDER = Path(__file__).parent
# kwok renews a lease after a quarter of this; the node controller gives up on a node after 50 s.
LEASE_SECONDS = 160
READY_SECONDS = 120
REMOVE_SECONDS = 180
REQUEST_SECONDS = 60
PARALLEL_REQUESTS = 8
UNANSWERED = 3
NODES = "/api/v1/nodes"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DRA = "/apis/resource.k8s.io/v1"


@contextmanager
def running(kubeconfig: Path) -> Iterator["Simulator"]:
    """A kwok process for the duration of the block; what was made through it is removed at the end.

    Several may run for one cluster: each manages the nodes that it made, and pods meet the nodes of their
    namespace's pool only.
    """
    kwok = pinned.ensure(["kwok"])["kwok"]
    owner = f"kwok-{secrets.token_hex(3)}"
    command = [
        str(kwok),
        f"--kubeconfig={kubeconfig}",
        f"--config={FOLDER / 'stages.yaml'}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={KWOK_KEY}={owner}",
        f"--node-lease-duration-seconds={LEASE_SECONDS}",
    ]
    with process.background(command) as running:
        simulator = Simulator(ApiServer(kubeconfig), owner, running)
        try:
            simulator.install_admission()
            yield simulator
        finally:
            simulator.remove_everything()


class Simulator:
    """Makes and removes KWOK nodes. Errors of the API server are UserErrors with its words."""

    def __init__(self, api: ApiServer, owner: str, kwok: Background) -> None:
        self.api = api
        self.owner = owner
        self._kwok = kwok
        self._namespaces: list[str] = []
        self._pools: set[str] = set()
        self._made: list[str] = []

    def open(self, namespace: str, pool: str) -> None:
        """Make a namespace whose pods will meet the nodes of the pool and no others."""
        self.create("/api/v1/namespaces", {"metadata": {"name": namespace, "labels": {POOL_LABEL: pool}}})
        self._namespaces.append(namespace)

    def close(self, namespace: str) -> None:
        """Start the removal of a namespace with all that is in it; nodes go when the simulator ends."""
        self.delete(f"/api/v1/namespaces/{namespace}")

    def wait_until_closed(self, timeout: float = REMOVE_SECONDS) -> None:
        """Wait until the namespaces that were closed are gone, and their pods' nodes free."""
        self.wait("the namespaces are gone", self._terminating, lambda left: not left, timeout)

    def add(self, pool: str, nodes: Sequence[FakeNode], timeout: float = READY_SECONDS) -> None:
        """Make nodes of a pool and wait until pods can be placed on them."""
        self._pools.add(pool)
        for name in sorted({name for node in nodes for name in node.devices}):
            self.provide(f"{DRA}/deviceclasses", device_class(name))
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
            list(threads.map(lambda node: self._make(pool, node), nodes))
        wanted = {node.name for node in nodes}
        self.wait(
            f"{len(wanted)} KWOK nodes Ready, none missing",
            lambda: len(wanted - self._usable(pool)),
            lambda missing: missing == 0,
            timeout,
            # A list of many nodes is work for the API server.
            interval=0.2 + len(nodes) / 300,
        )

    def lose(self, node: str) -> None:
        """One node breaks and is removed: its devices and its pods go with it."""
        self.delete(f"{NODES}/{node}")
        for item in self.api.get_json(f"{DRA}/resourceslices?fieldSelector=spec.nodeName={node}")["items"]:
            self.delete(f"{DRA}/resourceslices/{item['metadata']['name']}")
        # The pod garbage collector would do this some time later.
        for pod in self.api.get_json(f"/api/v1/pods?fieldSelector=spec.nodeName={node}")["items"]:
            about = pod["metadata"]
            self.delete(f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}", {"gracePeriodSeconds": 0})

    def create(self, collection: str, item: Object) -> Object:
        """POST one object; returns it as stored."""
        stored: Object = _checked(self.request("POST", collection, json=item)).json()
        return stored

    def provide(self, collection: str, item: Object) -> None:
        """Make sure that a cluster-wide object exists; one that did not is removed at the end.

        One that is being removed, as another simulator's at its end, goes first.
        """
        path = f"{collection}/{item['metadata']['name']}"
        response = self.request("POST", collection, json=item)
        if response.status_code == 409:
            state: Callable[[], str] = lambda: self._state(path)  # noqa: E731
            self.wait(f"{path} stays, or is gone", state, lambda seen: seen != "leaves", REMOVE_SECONDS)
            if state() == "is there":
                return
            response = self.request("POST", collection, json=item)
        _checked(response)
        self._made.append(path)

    def delete(self, path: str, options: Object | None = None) -> None:
        """DELETE an object or a collection; nothing there is fine."""
        response = self.request("DELETE", path, json=options)
        if response.status_code != 404:
            _checked(response)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request, whatever the answer; none at all is a UserError."""
        try:
            return self.api.request(method, path, timeout=REQUEST_SECONDS, **options)
        except requests.RequestException as error:
            raise NoAnswerError(f"no answer from the API server {self.api.url}: {error}") from error

    def install_admission(self) -> None:
        """Make the policy that sends the pods of a labelled namespace to its pool, and wait until it is in force."""
        policy, binding = parse_all((FOLDER / "admission.yaml").read_text())
        policy["metadata"] = binding["metadata"] = {"name": self.owner}
        binding["spec"] = {"policyName": self.owner}
        self.provide(f"{ADMISSION}/mutatingadmissionpolicies", policy)
        self.provide(f"{ADMISSION}/mutatingadmissionpolicybindings", binding)
        self.open(self.owner, self.owner)
        self.wait("the admission policy is in force", self._pool_of_a_pod, lambda seen: seen == self.owner, 30)

    def remove_everything(self) -> None:
        """Remove all that this object made: pods before the nodes on which they end, kinds after their objects.

        Raises UserError with what could not be removed, when the rest is.
        """
        failed: list[UserError] = []

        def remove(act: Callable[..., None], *arguments: str) -> None:
            # A question may go unanswered on a busy machine; after some of them there is no server to wait for.
            if sum(isinstance(error, NoAnswerError) for error in failed) < UNANSWERED:
                try:
                    act(*arguments)
                except UserError as error:
                    failed.append(error)

        for namespace in self._namespaces:
            remove(self.close, namespace)
        if len(failed) < len(self._namespaces):
            remove(self.wait_until_closed)
        for pool in self._pools:
            for collection in (NODES, f"{DRA}/resourceslices"):
                remove(self.delete, f"{collection}?labelSelector={POOL_LABEL}={pool}")
        while self._made:
            remove(self.delete, self._made.pop())
        if failed:
            raise UserError("\n".join(map(str, failed)))

    def wait(
        self,
        what: str,
        observe: Callable[[], Any],
        reached: Callable[[Any], bool],
        timeout: float,
        interval: float = 0.2,
    ) -> None:
        """Poll until an observation is as wanted; a UserError when the time is up or kwok has ended."""

        def observed() -> Any:
            if self._kwok.exit_code is not None:
                said = self._kwok.said()[-2000:]
                raise UnrecoverableError(f"kwok ended with exit code {self._kwok.exit_code}:\n{said}")
            return observe()

        wait_for(what, observed, reached, timeout, interval)

    def _make(self, pool: str, node: FakeNode) -> None:
        self.create(NODES, node.manifest(pool, self.owner))
        for item in node.slices(pool):
            self.create(f"{DRA}/resourceslices", item)

    def _usable(self, pool: str) -> set[str]:
        """Names of the pool's nodes that are Ready and whose taints are their own."""
        found = set()
        for item in self.api.get_json(f"{NODES}?labelSelector={POOL_LABEL}={pool}")["items"]:
            conditions = {c["type"]: c["status"] for c in item["status"].get("conditions", [])}
            passing = [t for t in item["spec"].get("taints", []) if t["key"].startswith("node.kubernetes.io/")]
            if conditions.get("Ready") == "True" and not passing:
                found.add(item["metadata"]["name"])
        return found

    def _state(self, path: str) -> str:
        """Of one object: "is there", "leaves" or "is gone"."""
        answer = self.request("GET", path)
        if answer.status_code == 404:
            return "is gone"
        return "leaves" if _checked(answer).json()["metadata"].get("deletionTimestamp") else "is there"

    def _terminating(self) -> list[str]:
        """Namespaces of this object that are being removed."""
        items = self.api.get_json(f"/api/v1/namespaces?labelSelector={POOL_LABEL}")["items"]
        leaving = {item["metadata"]["name"] for item in items if item["metadata"].get("deletionTimestamp")}
        return sorted(leaving & set(self._namespaces))

    def _pool_of_a_pod(self) -> str | None:
        """The pool that a pod of this object's own namespace would be sent to; nothing is made."""
        pod = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "probe", "image": "none"}]}}
        response = self.request("POST", f"/api/v1/namespaces/{self.owner}/pods?dryRun=All", json=pod)
        if response.status_code == 403:  # the namespace's service account is not there yet
            return None
        selector = _checked(response).json()["spec"].get("nodeSelector", {})
        return str(selector.get(POOL_LABEL))


def _checked(response: requests.Response) -> requests.Response:
    if not response.ok:
        request = response.request
        raise UserError(f"{request.method} {response.url} answered {response.status_code}: {response.text[:500]}")
    return response
