"""Definitions of kinds that others define."""

from __future__ import annotations

from pathlib import Path

from hack import gobuild


def leader_worker_set() -> Path:
    """The file of LeaderWorkerSet's CustomResourceDefinition, out of its Go module."""
    folder = gobuild.source("lws", "sigs.k8s.io/lws") / "config" / "crd" / "bases"
    return folder / "leaderworkerset.x-k8s.io_leaderworkersets.yaml"
