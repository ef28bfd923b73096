"""Helm's own engines, each in one process (hack/data/go/render): a Helm process a render takes five times as long."""

import atexit
import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.base.versions import versions
from hack.chart.manifests import Manifests
from hack.tools import gobuild

KUBE_VERSION = str(versions()["kubernetes"]["version"])


@dataclass(frozen=True)
class Cluster:
    """What templates find when they look: objects, and kinds as group/version/Kind."""

    objects: tuple[Mapping[str, Any], ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What one render came to: an error, or objects and notes."""

    error: str
    manifests: Manifests
    notes: str


class Renderer:
    """A process that renders a chart as it is now, until it is closed or Python ends; `helm` is helm or helm3."""

    def __init__(self, chart: Path, helm: str = "helm", kube_version: str = KUBE_VERSION) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            [gobuild.build("render", ["."]) / "render", helm, str(chart), kube_version],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            # Each render leaves much to collect, and the process has memory.
            env={**os.environ, "GOGC": "400"},
        )
        atexit.register(self.close)

    def __call__(
        self,
        values: Mapping[str, Any],
        *,
        release: str = "demo",
        namespace: str = "default",
        cluster: Cluster | None = None,
    ) -> Outcome:
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
        return Outcome(answer.get("error", ""), Manifests(answer.get("objects", [])), answer.get("notes", ""))

    def close(self) -> None:
        """End the process."""
        atexit.unregister(self.close)
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=10)
        self.errors.close()
