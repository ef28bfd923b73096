"""What the chart finds wrong when it can look at the cluster, shown to Helm's own engine."""

import base64
from typing import Any

import pytest

from hack.chart import scenarios
from hack.chart.manifests import merged, nested
from hack.chart.renderer import Cluster, Renderer
from hack.chart.scenarios import BENCHMARK

ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "hf-token-secret", "namespace": "default"},
    "data": {"HF_TOKEN": "eA=="},
}
LWS = "leaderworkerset.x-k8s.io/v1/LeaderWorkerSet"
DOMAIN = "resource.nvidia.com/v1beta1/ComputeDomain"
CLAIM = "resource.k8s.io/v1/ResourceClaimTemplate"
ROUTE = "gateway.networking.k8s.io/v1/HTTPRoute"
MONITOR = "monitoring.coreos.com/v1/PodMonitor"
RULE = "monitoring.coreos.com/v1/PrometheusRule"
KINDS = (LWS, DOMAIN, CLAIM, ROUTE, MONITOR, RULE)

ROUTED = {"frontend": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "a"}]}}}
# Values, the kind they need, and values that do without it.
NEEDS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "global.multiNode.controller": (
        {"decode": {"parallelism": {"tensor": 16}}},
        LWS,
        nested("global.multiNode.controller", "statefulset"),
    ),
    "global.hardware": (
        scenarios.content("values/a4x-1p1d.yaml"),
        DOMAIN,
        nested("global.hardwareSpec.computeDomain", False),
    ),
    "frontend.httpRoute.enabled": (ROUTED, ROUTE, nested("frontend.httpRoute.enabled", False)),
    **{
        f"metrics.{what}.enabled": (
            nested(f"metrics.{what}.enabled", True),
            kind,
            nested(f"metrics.{what}.enabled", False),
        )
        for what, kind in (("podMonitor", MONITOR), ("rules", RULE))
    },
}
CLAIMED = merged(scenarios.content("values/a4xmax-1p1d.yaml"), nested("global.hardwareSpec.computeDomain", False))


@pytest.mark.parametrize("where", NEEDS)
def test_a_missing_controller_is_named(render_fast: Renderer, where: str) -> None:
    values, kind, _ = NEEDS[where]
    others = tuple(k for k in KINDS if k != kind)
    error = render_fast(values, cluster=Cluster((ACCOUNT,), others)).error
    assert f"  - {where}: the cluster has no {kind.rpartition('/')[2]} (" in error
    assert "1 problem(s)" in error


@pytest.mark.parametrize("where", NEEDS)
def test_what_the_cluster_has_or_the_values_do_not_need_is_fine(render_fast: Renderer, where: str) -> None:
    values, kind, without = NEEDS[where]
    assert render_fast(values, cluster=Cluster((ACCOUNT,), (kind,))).error == ""
    others = tuple(k for k in KINDS if k != kind)
    assert render_fast(merged(values, without), cluster=Cluster((ACCOUNT,), others)).error == ""


def test_claims_need_a_kubernetes_that_has_them(render_fast: Renderer) -> None:
    assert "no ResourceClaimTemplate (resource.k8s.io/v1)" in render_fast(CLAIMED, cluster=Cluster((ACCOUNT,))).error
    assert render_fast(CLAIMED, cluster=Cluster((ACCOUNT,), (CLAIM,))).error == ""


@pytest.mark.parametrize("where", NEEDS)
def test_without_a_cluster_or_the_check_nothing_is_asked(render_fast: Renderer, where: str) -> None:
    values = NEEDS[where][0]
    assert render_fast(values).error == ""
    unchecked = merged(values, nested("global.clusterChecks", False))
    assert render_fast(unchecked, cluster=Cluster((ACCOUNT,))).error == ""


def test_a_simulation_needs_no_driver(render_fast: Renderer) -> None:
    values = merged(NEEDS["global.hardware"][0], nested("global.simulation.enabled", True))
    assert render_fast(values, cluster=Cluster((ACCOUNT,))).error == ""


def test_a_missing_secret_and_a_missing_controller_are_told_together(render_fast: Renderer) -> None:
    values = merged(scenarios.content("values/a3u-multi.yaml"), {"decode": {"parallelism": {"tensor": 16}}})
    error = render_fast(values, cluster=Cluster((ACCOUNT,))).error
    assert "2 problem(s)" in error
    assert 'there is no Secret "hf-token-secret"' in error
    assert "the cluster has no LeaderWorkerSet" in error
    assert render_fast(values, cluster=Cluster((ACCOUNT, SECRET), (LWS,))).error == ""


def test_a_changed_number_of_members_is_told_with_all_other_problems(render_fast: Renderer) -> None:
    values = {"etcd": {"enabled": True, "env": {"POD_NAME": "a"}}, "global": {"discovery": {"backend": "etcd"}}}
    running = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": "demo-etcd",
            "namespace": "default",
            "annotations": {"dynamo-disagg/fixed": "3 member(s)"},
        },
    }
    error = render_fast(merged(values, nested("decode.env.POD_NAME", "a")), cluster=Cluster((ACCOUNT, running))).error
    assert "3 problem(s)" in error
    for part in ("etcd.replicas, etcd.persistence, global.tls: fixed when", "etcd.env.POD_NAME", "decode.env.POD_NAME"):
        assert part in error


PEM = {
    "tls.crt": "-----BEGIN CERTIFICATE-----\n",
    "tls.key": "-----BEGIN EC PRIVATE KEY-----\n",
    "ca.crt": "-----BEGIN CERTIFICATE-----\n",
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"tls.key": "-----BEGIN PRIVATE KEY-----\n"}, ""),
        ({"ca.crt": None}, 'ca.crt of Secret "demo-tls" is missing (it has: tls.crt, tls.key)'),
        ({"ca.crt": "own"}, 'ca.crt of Secret "demo-tls" is no PEM'),
        ({"tls.crt": PEM["tls.key"]}, 'tls.crt of Secret "demo-tls" is no PEM'),
        (
            {"tls.key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"},
            'tls.key of Secret "demo-tls" has a passphrase, which nothing asks for: store it without',
        ),
        ({"tls.key": PEM["tls.crt"]}, 'tls.key of Secret "demo-tls" is no PEM'),
    ],
)
def test_the_certificate_of_tls_is_one(render_fast: Renderer, change: dict[str, str | None], says: str) -> None:
    texts = {name: text for name, text in (PEM | change).items() if text is not None}
    data = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    secret = {**SECRET, "metadata": {"name": "demo-tls", "namespace": "default"}, "data": data}
    error = render_fast(nested("global.tls.secretName", "demo-tls"), cluster=Cluster((ACCOUNT, secret))).error
    assert (says in error) if says else error == ""


def test_the_secret_of_tls_must_be_there(render_fast: Renderer) -> None:
    error = render_fast(nested("global.tls.secretName", "demo-tls"), cluster=Cluster((ACCOUNT,))).error
    assert 'global.tls.secretName: there is no Secret "demo-tls" in namespace default: create it' in error
    assert "--from-file=tls.crt --from-file=tls.key --from-file=ca.crt" in error


def test_the_secret_of_natss_user_has_both(render_fast: Renderer) -> None:
    values = {"global": {"eventPlane": "nats", "natsSecret": "demo-nats"}, "nats": {"enabled": True}}
    absent = render_fast(values, cluster=Cluster((ACCOUNT,))).error
    assert 'global.natsSecret: there is no Secret "demo-nats" in namespace default' in absent
    assert "--from-literal=username=... --from-literal=password=..." in absent
    secret = {**SECRET, "metadata": {"name": "demo-nats", "namespace": "default"}, "data": {"username": "YQ=="}}
    half = render_fast(values, cluster=Cluster((ACCOUNT, secret))).error
    assert 'global.natsSecret: Secret "demo-nats" has no key "password" (it has: username): add it' in half
    empty = {**secret, "data": {"username": "", "password": "Yg=="}}
    error = render_fast(values, cluster=Cluster((ACCOUNT, empty))).error
    assert 'global.natsSecret: Secret "demo-nats" has nothing under its key "username"' in error
    whole = {**secret, "data": {"username": "YQ==", "password": "Yg=="}}
    assert render_fast(values, cluster=Cluster((ACCOUNT, whole))).error == ""


KEY = {"secretKeyRef": {"name": "s3", "key": "secret"}}
NAMED: dict[str, dict[str, Any]] = {
    "global.env.A": {"global": {"env": {"A": KEY}}},
    "frontend.env.A": {"frontend": {"env": {"A": KEY}}},
    "nats.env.A": {"nats": {"enabled": True, "env": {"A": KEY}}, "global": {"eventPlane": "nats"}},
    "decode.initContainers[0].env.A": {
        "decode": {"initContainers": [{"name": "a", "image": "b", "env": [{"name": "A", "valueFrom": KEY}]}]}
    },
}


@pytest.mark.parametrize("where", NAMED)
def test_secrets_of_variables_must_have_the_key(render_fast: Renderer, where: str) -> None:
    """Their pods would wait for it without a word in Helm."""
    values = NAMED[where]
    absent = render_fast(values, cluster=Cluster((ACCOUNT,))).error
    assert f'{where}: there is no Secret "s3" in namespace default: create it' in absent
    assert "create secret generic s3 --from-literal=secret=..." in absent
    other = {**SECRET, "metadata": {"name": "s3", "namespace": "default"}, "data": {"password": "YQ=="}}
    error = render_fast(values, cluster=Cluster((ACCOUNT, other))).error
    assert f'{where}: Secret "s3" has no key "secret" (it has: password): add it' in error
    whole = {**other, "data": {"secret": "YQ=="}}
    assert render_fast(values, cluster=Cluster((ACCOUNT, whole))).error == ""


PROJECTED = {"projected": {"sources": [{"secret": {"name": "s3"}}]}}
FROM = [{"name": "a", "image": "b", "envFrom": [{"secretRef": {"name": "s3"}}]}]


@pytest.mark.parametrize(
    ("values", "where"),
    [
        (nested("decode.volumes.keys", {"mountPath": "/keys", "source": {"secret": {"secretName": "s3"}}}), "secret"),
        (nested("decode.volumes.keys", {"mountPath": "/keys", "source": PROJECTED}), "projected"),
        (nested("decode.initContainers", FROM), "decode.initContainers[0].envFrom"),
    ],
)
def test_secrets_that_are_taken_as_a_whole_must_be_there(
    render_fast: Renderer, values: dict[str, Any], where: str
) -> None:
    assert f'{where}: there is no Secret "s3"' in render_fast(values, cluster=Cluster((ACCOUNT,))).error
    other = {**SECRET, "metadata": {"name": "s3", "namespace": "default"}, "data": {}}
    assert render_fast(values, cluster=Cluster((ACCOUNT, other))).error == ""


DOWNLOAD = "global.model.source.huggingface.download"
MOUNTED = {"mountPath": "/data", "source": {"persistentVolumeClaim": {"claimName": "data"}}}


@pytest.mark.parametrize(
    ("values", "where"),
    [
        (nested("decode.volumes.data", MOUNTED), "decode.volumes.data.source.persistentVolumeClaim"),
        (
            nested(DOWNLOAD, {"enabled": True, "volumes": {"data": MOUNTED}}),
            f"{DOWNLOAD}.volumes.data.source.persistentVolumeClaim",
        ),
        ({"benchmark": {**BENCHMARK, "claimName": "data"}}, "benchmark.claimName"),
    ],
)
def test_claims_that_pods_mount_must_be_there(render_fast: Renderer, values: dict[str, Any], where: str) -> None:
    values = merged(nested("global.model.source.huggingface.cache.create", {"enabled": True, "size": "9Gi"}), values)
    assert (
        f'{where}: there is no PersistentVolumeClaim "data"' in render_fast(values, cluster=Cluster((ACCOUNT,))).error
    )
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "default"}}
    assert render_fast(values, cluster=Cluster((ACCOUNT, claim))).error == ""


def test_a_claim_that_the_chart_makes_need_not_be_there(render_fast: Renderer) -> None:
    cache = {"cache": {"create": {"enabled": True, "size": "100Gi", "accessModes": ["ReadWriteMany"]}}}
    volume = {"mountPath": "/data", "source": {"persistentVolumeClaim": {"claimName": "demo-model"}}}
    values = merged(nested("global.model.source.huggingface", cache), nested("decode.volumes.data", volume))
    assert render_fast(values, cluster=Cluster((ACCOUNT,))).error == ""


def test_a_secret_that_a_variable_can_do_without_may_be_missing(render_fast: Renderer) -> None:
    for value in (None, {"secretKeyRef": {**KEY["secretKeyRef"], "optional": True}}, "text"):
        assert render_fast(nested("decode.env.A", value), cluster=Cluster((ACCOUNT,))).error == ""
    volume = {"mountPath": "/keys", "source": {"secret": {"secretName": "s3", "optional": True}}}
    assert render_fast(nested("decode.volumes.keys", volume), cluster=Cluster((ACCOUNT,))).error == ""


def test_one_secret_is_told_once_with_all_its_keys(render_fast: Renderer) -> None:
    env = {name: {"secretKeyRef": {"name": "s3", "key": name.lower()}} for name in ("A", "B")}
    error = render_fast(nested("global.env", env), cluster=Cluster((ACCOUNT,))).error
    assert "1 problem(s)" in error
    assert "create secret generic s3 --from-literal=a=... --from-literal=b=..." in error
