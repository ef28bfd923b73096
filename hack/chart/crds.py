"""Definitions of kinds that others define, out of their Go modules."""

from __future__ import annotations

from pathlib import Path

from hack.tools import gobuild


def leader_worker_set() -> Path:
    """The file of LeaderWorkerSet's CustomResourceDefinition."""
    folder = gobuild.source("lws", "sigs.k8s.io/lws") / "config" / "crd" / "bases"
    return folder / "leaderworkerset.x-k8s.io_leaderworkersets.yaml"


def prometheus_operator(plural: str) -> Path:
    """The file of one of the Prometheus operator's CustomResourceDefinitions."""
    module = gobuild.source("prometheus-operator", "github.com/prometheus-operator/prometheus-operator")
    return module / "example" / "prometheus-operator-crd" / f"monitoring.coreos.com_{plural}.yaml"
