"""The API of a cluster, and HTTP to its pods and Services through the API server: nothing to forward or clean up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes
import requests

from hack.apiserver import ApiServer


class Kube:
    """One cluster, by its kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        # Untyped on purpose: in the client's types every field of every answer may be missing.
        module: Any = kubernetes
        client = module.config.new_client_from_config(config_file=str(kubeconfig))
        self.core: Any = module.client.CoreV1Api(client)
        self.apps: Any = module.client.AppsV1Api(client)
        self.batch: Any = module.client.BatchV1Api(client)
        self.rbac: Any = module.client.RbacAuthorizationV1Api(client)
        self.custom: Any = module.client.CustomObjectsApi(client)
        self.server = ApiServer(kubeconfig)

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
