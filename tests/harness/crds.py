"""Definitions of kinds that others define, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hack.paths import ROOT

SHARED = Path(os.environ.get("DYNAMO_DISAGG_SHARED", ROOT.parent / "shared"))


def leader_worker_set() -> Path:
    """The file of LeaderWorkerSet's CustomResourceDefinition; skips the test where it is missing."""
    file = SHARED / "data" / "crds" / "leaderworkerset.x-k8s.io_leaderworkersets.yaml"
    if not file.is_file():
        pytest.skip(f"{file} is not there: DYNAMO_DISAGG_SHARED names the folder that has data/crds")
    return file
