"""Helm's own engine in one process (hack/go/render), for tests that render thousands of values."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hack import gobuild
from hack.paths import ROOT
from tests.harness import kubeschema
from tests.harness.chart import KUBE_VERSION
from tests.harness.manifests import Manifests


@dataclass(frozen=True)
class Cluster:
    """What templates find when they look: objects, and kinds as group/version/Kind."""

    objects: tuple[Mapping[str, Any], ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Render:
    """What one render came to: an error, or objects and notes."""

    error: str
    manifests: Manifests
    notes: str


class Renderer:
    """A process that renders the chart as it is when the first values come."""

    def __init__(self) -> None:
        program = gobuild.build("render", ["."]) / "render"
        self.process = subprocess.Popen(
            [program, str(ROOT), KUBE_VERSION],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Each render leaves much to collect, and the process has memory.
            env={**os.environ, "GOGC": "400"},
        )

    def __call__(
        self,
        values: Mapping[str, Any],
        *,
        release: str = "demo",
        namespace: str = "default",
        cluster: Cluster | None = None,
    ) -> Render:
        """Render values over the chart's own; without a cluster, as `helm template` does."""
        seen = cluster and {"objects": cluster.objects, "apiVersions": cluster.kinds}
        ask = {"values": values, "release": release, "namespace": namespace, "cluster": seen}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{json.dumps(ask)}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return Render(answer.get("error", ""), Manifests(answer.get("objects", [])), answer.get("notes", ""))

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=10)


@functools.lru_cache(maxsize=20_000)
def _problems(text: str) -> tuple[str, ...]:
    return tuple(kubeschema.problems(json.loads(text)))


def problems(manifests: Manifests) -> list[str]:
    """What Kubernetes' schemas say against the objects; most of them are those of an earlier render."""
    return [line for item in manifests for line in _problems(json.dumps(item, sort_keys=True))]
