"""Helm's own engine in one process (hack/go/render), for tests that render thousands of values."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import tempfile
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
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            [gobuild.build("render", ["."]) / "render", str(ROOT), KUBE_VERSION],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
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
        # Where it has ended, there is no answer either.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{json.dumps(ask)}\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait(timeout=10)
            self.errors.seek(0)
            raise RuntimeError(f"the renderer ended with exit code {code}:\n{self.errors.read()[-4000:]}")
        answer = json.loads(line)
        return Render(answer.get("error", ""), Manifests(answer.get("objects", [])), answer.get("notes", ""))

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=10)
        self.errors.close()


@functools.lru_cache(maxsize=20_000)
def _problems(text: str) -> tuple[str, ...]:
    return tuple(kubeschema.problems(json.loads(text)))


def problems(manifests: Manifests) -> list[str]:
    """What Kubernetes' schemas say against the objects; most of them are those of an earlier render."""
    return [line for item in manifests for line in _problems(json.dumps(item, sort_keys=True))]
