"""The API of a cluster, and HTTP to its pods and Services through the API server: nothing to forward or clean up."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import kubernetes
import requests
from urllib3.exceptions import HTTPError

from hack.base import process
from hack.base.log import UserError
from hack.base.paths import TOOLS_BIN
from hack.cluster.apiserver import UNREADABLE, ApiServer, NoAnswerError
from hack.cluster.nodes import KWOK_ANNOTATION

REQUEST_SECONDS = 60
KUBECTL_SECONDS = 180


def client(kubeconfig: Path | None = None, context: str | None = None) -> Any:
    """An API client with a limit for each request; without a file that of kubectl. Raises UserError."""
    # Untyped on purpose: in the client's types every field of every answer may be missing.
    module: Any = kubernetes
    try:
        made = module.config.new_client_from_config(config_file=kubeconfig and str(kubeconfig), context=context)
    except UNREADABLE as error:
        raise UserError(f"no cluster: {error}") from error
    # The client itself would wait for ever for an API server that stalls.
    request = made.rest_client.request
    made.rest_client.request = lambda *args, **options: request(
        *args, **{**options, "_request_timeout": options.get("_request_timeout") or REQUEST_SECONDS}
    )
    return made


def get(api: Any, path: str) -> tuple[int, bytes]:
    """Status and body of a GET by an API client. Raises NoAnswerError."""
    headers = {"Accept": "application/json"}
    request = api.param_serialize("GET", path, header_params=headers, auth_settings=["BearerToken"])
    try:
        answer = api.call_api(*request)
        return answer.status, answer.read()
    except HTTPError as error:
        raise NoAnswerError(str(error)) from error


class Kube:
    """One cluster, by its kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.server = ApiServer(kubeconfig)
        api, module = client(kubeconfig), kubernetes.client
        self.core: Any = module.CoreV1Api(api)
        self.apps: Any = module.AppsV1Api(api)
        self.batch: Any = module.BatchV1Api(api)
        self.rbac: Any = module.RbacAuthorizationV1Api(api)
        self.custom: Any = module.CustomObjectsApi(api)

    @classmethod
    def answering(cls, kubeconfig: Path, timeout: float = 30) -> "Kube":
        """A cluster that lets this user in: asked before images are built for it. Raises UserError."""
        kube = cls(kubeconfig)
        kube.server.get_json("/api/v1/namespaces", timeout)
        return kube

    def nodes(self) -> list[Any]:
        """Those that are containers, no KWOK nodes."""
        return [n for n in self.core.list_node().items if KWOK_ANNOTATION not in (n.metadata.annotations or {})]

    @property
    def _kubectl(self) -> list[str | Path]:
        return [TOOLS_BIN / "kubectl", f"--kubeconfig={self.kubeconfig}"]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints; raises UserError with its message."""
        what = f"kubectl {' '.join(arguments)}"
        return process.output([*self._kubectl, *arguments], what, stdin=stdin, timeout=KUBECTL_SECONDS)

    def following(self, namespace: str, pod: str, container: str) -> AbstractContextManager[process.Background]:
        """The log of a container: from its first line, and on as long as the block and the container run."""
        where = [f"--namespace={namespace}", f"--container={container}"]
        return process.background([*self._kubectl, "logs", "--follow", *where, pod])

    def service(self, namespace: str, name: str, port: int, path: str, **request: Any) -> requests.Response:
        """A request to a Service; `json` makes it a POST. Arguments as of requests.request."""
        return self._proxied(f"{namespace}/services/{name}:{port}", path, request)

    def pod(self, namespace: str, name: str, port: int, path: str, **request: Any) -> requests.Response:
        """A request to one pod."""
        return self._proxied(f"{namespace}/pods/{name}:{port}", path, request)

    def pods(self, namespace: str, **labels: str) -> list[Any]:
        """Pods by their recommended labels without prefix: component, instance, ..."""
        selector = ",".join(f"app.kubernetes.io/{key}={value}" for key, value in labels.items())
        return list(self.core.list_namespaced_pod(namespace, label_selector=selector).items)

    def log(self, namespace: str, selector: str) -> str:
        """The log of the only pod that a label selector finds."""
        (pod,) = self.core.list_namespaced_pod(namespace, label_selector=selector).items
        return str(self.core.read_namespaced_pod_log(pod.metadata.name, namespace))

    def _proxied(self, target: str, path: str, request: dict[str, Any]) -> requests.Response:
        request.setdefault("timeout", 120)
        method = "POST" if "json" in request else "GET"
        return self.server.request(method, f"/api/v1/namespaces/{target}/proxy/{path.lstrip('/')}", **request)
