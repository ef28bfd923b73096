"""A Prometheus in a namespace of a test cluster, which scrapes the namespace's pods as docs/monitoring.md says."""

from dataclasses import dataclass
from typing import Any

import yaml

from hack.base.wait import wait_for
from hack.chart.manifests import Object
from hack.cluster.kube import Kube
from hack.cluster.nodes import ANYWHERE
from hack.containers import build_images
from hack.monitoring.scrape import documented

NAME, PORT = "prometheus", 9090
KUBE_STATE = "kube-state-metrics"
READY_SECONDS = 120


@dataclass(frozen=True)
class Prometheus:
    """Its HTTP API."""

    kube: Kube
    namespace: str

    @property
    def url(self) -> str:
        """For pods of the cluster."""
        return f"http://{NAME}.{self.namespace}:{PORT}"

    def ask(self, path: str, **parameters: Any) -> Any:
        """The data of an answer."""
        answer = self.kube.service(self.namespace, NAME, PORT, f"api/v1/{path}", params=parameters, timeout=30)
        answer.raise_for_status()
        return answer.json()["data"]

    def up(self) -> dict[str, int]:
        """How many targets of each component are scraped."""
        found = self.ask("query", query='sum by (component) (up{component!=""})')["result"]
        return {one["metric"]["component"]: int(one["value"][1]) for one in found}

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {one["labels"]["alertname"] for one in self.ask("alerts")["alerts"] if one["state"] == "firing"}


def install(
    kube: Kube, namespace: str, rules: Object | None = None, seconds: int = 3, *, kube_state: bool = False
) -> Prometheus:
    """
    Start it, with the alerts of a PrometheusRule, and beside it kube-state-metrics; the images must be loaded. It
    scrapes and judges every so many seconds, and goes with its namespace.
    """
    every = {"scrape_interval": f"{seconds}s", "scrape_timeout": f"{seconds}s", "evaluation_interval": f"{seconds}s"}
    scraped = [documented(namespace)]
    if kube_state:
        # Its series name the pods and Jobs that they are about.
        beside = {"job_name": KUBE_STATE, "honor_labels": True, "static_configs": [{"targets": ["localhost:8080"]}]}
        scraped.append(beside)
    config = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": scraped}
    groups = {"groups": rules["spec"]["groups"] if rules else []}
    files = {"prometheus.yaml": yaml.safe_dump(config), "rules.yaml": yaml.safe_dump(groups)}
    pod = _pod()
    if kube_state:
        arguments = [f"--namespaces={namespace}", "--resources=jobs,pods"]
        pod["containers"].append(_container(KUBE_STATE, arguments))
    objects: list[Any] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": NAME},
            "rules": [
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
                {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "watch"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": files},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME},
            "spec": {"selector": {"app": NAME}, "ports": [{"port": PORT}]},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME, "labels": {"app": NAME}}, "spec": pod},
    ]
    kube.kubectl("--namespace", namespace, "apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    made = Prometheus(kube, namespace)
    wait_for("Prometheus answers", made.up, lambda _: True, READY_SECONDS, 1)
    return made


def _container(name: str, arguments: list[str], **more: Any) -> Object:
    return {
        "name": name,
        "image": build_images.images()[name].reference,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "resources": {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **more,
    }


def _pod() -> Object:
    container = _container(
        NAME,
        ["--config.file=/config/prometheus.yaml", "--storage.tsdb.path=/data"],
        volumeMounts=[{"name": "config", "mountPath": "/config"}, {"name": "data", "mountPath": "/data"}],
    )
    return {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "fsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **ANYWHERE,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}, {"name": "data", "emptyDir": {}}],
    }
