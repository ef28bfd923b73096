"""Mistakes that only a cluster can show: refused with the fix, and nothing is created."""

from collections.abc import Callable

from hack.base.paths import ROOT
from hack.chart.helm import Helm
from hack.cluster import leftovers
from hack.cluster.kube import Kube
from hack.cluster.release import Release

A3U = ROOT / "values" / "a3u-multi.yaml"

MakeRelease = Callable[..., Release]


def refused(release: Release, kube: Kube, *options: str) -> str:
    """Try to install a3u-multi; returns the message once it is sure that nothing was created."""
    done = release.attempt("install", release.name, release.chart, *options, files=[A3U])
    assert done.code == 1, done.stdout
    assert leftovers.of(kube, release.namespace) == []
    return done.stderr


def test_a_missing_secret(release: MakeRelease, kube: Kube, each_helm: Helm) -> None:
    message = refused(release(helm=each_helm), kube)
    assert 'there is no Secret "hf-token-secret"' in message
    assert "create secret generic hf-token-secret --from-literal=HF_TOKEN=" in message


def test_a_secret_without_the_key(release: MakeRelease, kube: Kube) -> None:
    demo = release()
    kube.core.create_namespaced_secret(demo.namespace, secret("hf-token-secret", "token"))
    try:
        message = demo.attempt("install", demo.name, demo.chart, files=[A3U]).stderr
        assert 'Secret "hf-token-secret" has no key "HF_TOKEN" (it has: token)' in message
        assert leftovers.of(kube, demo.namespace) == ["secret/hf-token-secret"]
    finally:
        kube.core.delete_namespaced_secret("hf-token-secret", demo.namespace)


def test_a_missing_claim(release: MakeRelease, kube: Kube) -> None:
    demo = release()
    source = {"type": "pvc", "pvc": {"claimName": "weights"}}
    done = demo.attempt("install", demo.name, demo.chart, values={"global": {"model": {"source": source}}})
    assert done.code == 1
    assert 'global.model.source.pvc.claimName: there is no PersistentVolumeClaim "weights"' in done.stderr
    assert leftovers.of(kube, demo.namespace) == []


def test_a_missing_pull_secret(release: MakeRelease, kube: Kube) -> None:
    message = refused(release(), kube, "--set", "global.imagePullSecrets={nvcr}")
    assert 'global.imagePullSecrets: there is no Secret "nvcr"' in message


def test_without_cluster_checks_the_secret_may_come_later(release: MakeRelease) -> None:
    demo = release()
    done = demo.attempt(
        "install", demo.name, demo.chart, "--set", "global.clusterChecks=false", "--dry-run=server", files=[A3U]
    )
    assert done.code == 0, done.stderr


def secret(name: str, key: str) -> dict[str, object]:
    """A Secret with one key."""
    return {"metadata": {"name": name}, "stringData": {key: "x"}}
