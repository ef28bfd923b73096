"""A Helm release in a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hack.base.paths import ROOT
from hack.chart.helm import Helm, HelmResult, Values, values_arguments
from hack.cluster.kube import Kube
from hack.cluster.serving import Endpoint


@dataclass(frozen=True)
class Release:
    """One release by name and namespace; `chart` may be a folder, an archive or an oci:// reference."""

    kube: Kube
    namespace: str
    name: str = "demo"
    helm: Helm = field(default_factory=Helm)
    chart: str = str(ROOT)

    @property
    def endpoint(self) -> Endpoint:
        """Its OpenAI-compatible API."""
        return Endpoint(self.kube, self.namespace, self.name)

    def install(
        self,
        values: Values | None = None,
        files: Sequence[Path] = (),
        *,
        wait: bool = True,
        timeout: int = 240,
        options: Sequence[str] = (),
    ) -> HelmResult:
        """`helm upgrade --install`, waiting until everything is ready, at most `timeout` seconds."""
        with values_arguments(values, files) as arguments:
            waiting = ["--wait", f"--timeout={timeout}s"] if wait else []
            return self._run(
                "upgrade", "--install", self.name, self.chart, *waiting, *arguments, *options, values=values
            )

    def test(self) -> str:
        """`helm test`: what the release promises, proved (docs/kv-path.md); returns what the test printed."""
        done = self._run("test", self.name, "--timeout=300s")
        return done.stdout + done.stderr  # Helm 3 prints the log of a hook to one, Helm 4 to the other

    def uninstall(self) -> HelmResult:
        """`helm uninstall`, waiting until the objects are gone."""
        return self._run("uninstall", self.name, "--wait", "--timeout=240s")

    def attempt(self, *arguments: str, values: Values | None = None, files: Sequence[Path] = ()) -> HelmResult:
        """Any Helm command on the release's namespace, whatever its exit code."""
        with values_arguments(values, files) as more:
            return self.helm.attempt(*arguments, *more, *self._where(), timeout=360)

    def _run(self, *arguments: str, values: Values | None = None) -> HelmResult:
        return self.helm.run(*arguments, *self._where(), values=values, timeout=360)

    def _where(self) -> list[str]:
        return ["--namespace", self.namespace, "--kubeconfig", str(self.kube.kubeconfig)]
