"""Definitions of kinds that others define, out of their Go modules."""

from pathlib import Path

from hack.tools import gobuild


def leader_worker_set(plural: str = "leaderworkersets") -> Path:
    """The file of one of LeaderWorkerSet's CustomResourceDefinitions: its own, or that of disaggregatedsets."""
    folder = gobuild.source("lws", "sigs.k8s.io/lws") / "config" / "crd" / "bases"
    return folder / f"{plural.removesuffix('s')}.x-k8s.io_{plural}.yaml"


def prometheus_operator(plural: str) -> Path:
    """The file of one of the Prometheus operator's CustomResourceDefinitions."""
    module = gobuild.source("prometheus-operator", "github.com/prometheus-operator/prometheus-operator")
    return module / "example" / "prometheus-operator-crd" / f"monitoring.coreos.com_{plural}.yaml"
