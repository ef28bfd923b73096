"""The Helm command line, in the two pinned versions."""

import functools
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.base import process
from hack.base.paths import TOOLS_BIN

Values = Mapping[str, Any]
# Signs of a template that stumbled over a value instead of checking it.
STUMBLES = re.compile(r"nil pointer|wrong type for value|can't evaluate|error calling|YAML parse error")


@dataclass(frozen=True)
class HelmResult:
    """What one Helm process did."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


class HelmError(Exception):
    """Helm refused or failed; carries all that is needed to run the same command again."""

    def __init__(self, result: HelmResult, values: Values | None) -> None:
        self.argv = result.argv
        self.code = result.code
        self.values = values
        self.stdout = result.stdout
        self.stderr = result.stderr
        super().__init__(
            f"exit code {self.code}: {' '.join(self.argv)}\n"
            f"values: {json.dumps(values or {}, indent=1)}\n{self.stderr.strip()}"
        )


@dataclass(frozen=True)
class Helm:
    """One Helm binary, by its name in .tools/bin: helm (4.x) or helm3 (3.x)."""

    name: str = "helm"

    @property
    def path(self) -> Path:
        """The binary; a missing one names the command that provides it."""
        path = TOOLS_BIN / self.name
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist: run `make tools`")
        return path

    @property
    def version(self) -> str:
        """The full version, such as v4.2.4."""
        return _version(self.path, self.path.stat().st_mtime_ns)

    @property
    def major(self) -> int:
        """The major version."""
        return int(self.version.removeprefix("v").partition(".")[0])

    def run(self, *arguments: str, values: Values | None = None, timeout: float = 60) -> HelmResult:
        """Run Helm; `values` is what came in by file, for the error. Raises HelmError on a non-zero exit."""
        result = self.attempt(*arguments, timeout=timeout)
        if result.code:
            raise HelmError(result, values)
        return result

    def attempt(self, *arguments: str, timeout: float = 60, env: Mapping[str, str] | None = None) -> HelmResult:
        """Run Helm and return its result whatever the exit code; `timeout` is in seconds, `env` is added to ours."""
        argv = (str(self.path), *arguments)
        # A user's own kubeconfig, plugins or repositories must not change what a test sees.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HELM_", "KUBE"))}
        done = process.run(argv, timeout=timeout, env={**environment, **(env or {})})
        return HelmResult(argv, done.returncode, done.stdout, done.stderr)


@functools.cache
def _version(path: Path, _changed: int) -> str:
    return process.output([path, "version", "--template", "{{.Version}}"], f"{path} version").strip()


@contextmanager
def values_arguments(values: Values | None, files: Sequence[Path] = ()) -> Iterator[list[str]]:
    """Helm's `--values` arguments for some files and then, on top of them, values given as data."""
    arguments = [part for file in files for part in ("--values", str(file))]
    if not values:
        yield arguments
        return
    # JSON is YAML, and unlike YAML it leaves no doubt about types. YAML refuses JSON's escaped surrogate pairs.
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="values-", suffix=".json") as file:
        json.dump(values, file, ensure_ascii=False)
        file.flush()
        yield [*arguments, "--values", file.name]
