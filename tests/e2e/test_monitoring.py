"""Prometheus beside the cluster, with the scrape configuration of docs/monitoring.md, through the API server."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hack.base.wait import wait_for
from hack.chart import render as chart
from hack.chart.manifests import merged
from hack.chart.scenarios import SIMULATE
from hack.cluster.kube import Kube
from hack.cluster.release import Release
from hack.cluster.serving import RequestFailedError
from hack.monitoring.queries import Scope
from hack.monitoring.scrape import documented
from tests import prometheus
from tests.e2e.quick import SOON

MODEL = "Qwen/Qwen3-0.6B"
TWO = {**SOON, "replicas": 2}
VALUES = {"global": {"simulation": {"enabled": True}}, "prefill": TWO, "decode": TWO}
LOAD_SECONDS = 60
# Of pods that end, for as long as they do; outside of tests these must last.
ENDING = {"DynamoTargetDown", "DynamoWorkerNotRegistered"}

MakeRelease = Callable[..., Release]


def scrape(kube: Kube, namespace: str) -> dict[str, Any]:
    """The documented configuration; what Prometheus would ask of a pod it asks of the API server's proxy."""
    config = documented(namespace, kubeconfig_file=str(kube.kubeconfig))
    session = kube.server.session
    through = [
        {
            "source_labels": ["namespace", "pod", "__meta_kubernetes_pod_container_port_number"],
            "regex": "(.+);(.+);(.+)",
            "target_label": "__metrics_path__",
            "replacement": "/api/v1/namespaces/$1/pods/$2:$3/proxy/metrics",
        },
        {"target_label": "__address__", "replacement": kube.server.url.partition("://")[2]},
    ]
    config["relabel_configs"] += through
    config |= {"scheme": "https", "scrape_interval": "3s", "scrape_timeout": "3s"}
    config["tls_config"] = (
        {"ca_file": session.verify} if isinstance(session.verify, str) else {"insecure_skip_verify": True}
    )
    if session.cert:
        config["tls_config"] |= {"cert_file": session.cert[0], "key_file": session.cert[1]}
    if token := session.headers.get("Authorization"):
        config["authorization"] = {"credentials": str(token).removeprefix("Bearer ")}
    return config


def scale_to_nothing(kube: Kube, namespace: str, role: str) -> None:
    labels = f"app.kubernetes.io/component={role}"
    for found in kube.apps.list_namespaced_deployment(namespace, label_selector=labels).items:
        kube.apps.patch_namespaced_deployment_scale(found.metadata.name, namespace, {"spec": {"replicas": 0}})


def test_queries_and_alerts(release: MakeRelease, kube: Kube, tmp_path: Path) -> None:
    demo = release()
    demo.install(VALUES, files=[SIMULATE])
    demo.endpoint.wait_for_model(MODEL)
    rules = merged(VALUES, {"metrics": {"rules": {"enabled": True}}})
    rule = chart.render(rules, ["values/overlays/simulate.yaml"], namespace=demo.namespace).one("PrometheusRule")
    scope = Scope(f'namespace="{demo.namespace}", job="demo"', "30s")

    def ask_until(end: float) -> None:
        while time.monotonic() < end:
            with contextlib.suppress(RequestFailedError):
                demo.endpoint.chat(MODEL, "Hello! " * 200, stream=True)

    with prometheus.running(tmp_path, [scrape(kube, demo.namespace)], rule) as server:
        wait_for("all pods are scraped", server.up, lambda up: up == {"frontend": 1, "prefill": 2, "decode": 2}, 180)
        # A class of failures that is there in every release, sooner or later.
        with contextlib.suppress(RequestFailedError):
            demo.endpoint.chat(MODEL, max_tokens=0)
        with ThreadPoolExecutor(4) as clients:
            end = time.monotonic() + LOAD_SECONDS
            asked = [clients.submit(ask_until, end) for _ in range(4)]
            time.sleep(LOAD_SECONDS - 5)
            assert prometheus.wrong_queries(server, scope) == {}
            assert prometheus.unknown_series(server, rule) == []
            assert server.alerts() == set()
            for one in asked:
                one.result()
        scale_to_nothing(kube, demo.namespace, "prefill")

        def refused() -> set[str]:
            with contextlib.suppress(RequestFailedError):
                demo.endpoint.chat(MODEL)
            return server.alerts() - ENDING

        wait_for("the alerts of an empty role", refused, {"DynamoModelNotReady", "DynamoRequestsRefused"}.__eq__, 120)
        scale_to_nothing(kube, demo.namespace, "decode")
        wait_for("the alert of no worker at all", server.alerts, lambda found: "DynamoModelGone" in found, 120)


def test_without_the_operator_helm_says_what_to_do(release: MakeRelease) -> None:
    demo = release()
    values = {"metrics": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}}}
    refused = demo.attempt("install", demo.name, demo.chart, values=values, files=[SIMULATE])
    assert refused.code
    for value, kind in (("podMonitor", "PodMonitor"), ("rules", "PrometheusRule")):
        assert (
            f"metrics.{value}.enabled: the cluster has no {kind} (monitoring.coreos.com/v1): install" in refused.stderr
        )
