"""Plain HTTP to a Kubernetes API server, with the credentials of a kubeconfig file."""

from pathlib import Path
from typing import Any

import requests
import yaml
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException

from hack.base.log import UserError


class NoAnswerError(UserError):
    """The API server did not answer, or refused; the text says how."""


# What the client raises for a kubeconfig that is none: it trusts the types in it.
UNREADABLE = (ConfigException, yaml.YAMLError, TypeError, AttributeError, ValueError)


class ApiServer:
    """An authenticated session; paths are those of the API, such as /openapi/v3."""

    def __init__(self, kubeconfig: Path) -> None:
        if not kubeconfig.is_file():
            raise UserError(f"no kubeconfig at {kubeconfig}: start the cluster with `make cluster`")
        settings = client.Configuration()
        try:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(kubeconfig), client_configuration=settings
            )
        except UNREADABLE as error:
            raise UserError(f"cannot read kubeconfig {kubeconfig}: {error}") from error
        self.url = str(settings.host)
        self.session = requests.Session()
        # The API server is addressed directly; a proxy meant for the Internet must not see it.
        self.session.trust_env = False
        self.session.verify = settings.ssl_ca_cert or bool(settings.verify_ssl)
        if settings.cert_file and settings.key_file:
            self.session.cert = (settings.cert_file, settings.key_file)
        if token := settings.get_api_key_with_prefix("authorization"):
            self.session.headers["Authorization"] = token

    def request(self, method: str, path: str, timeout: float = 30, **options: Any) -> requests.Response:
        """Send one request; `timeout` is in seconds and counts between bytes. Raises requests' errors."""
        return self.session.request(method, self.url + path, timeout=timeout, **options)

    def get_json(self, path: str, timeout: float = 30) -> Any:
        """The parsed body of a GET. Raises NoAnswerError, also with the server's message of an HTTP error."""
        try:
            response = self.request("GET", path, timeout)
        except requests.RequestException as error:
            raise NoAnswerError(f"no answer from the API server {self.url}: {error}; is the cluster up?") from error
        if not response.ok:
            raise NoAnswerError(f"{self.url}{path} answered {response.status_code}: {response.text[:300]}")
        return response.json()
