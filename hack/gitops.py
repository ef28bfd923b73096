"""Schemas of the Argo CD and Flux resources that docs/install.md shows, out of their projects' Go modules.

Argo CD's module holds its CRD; Flux's hold Go types, of which controller-gen writes CRDs. What is kept is what a user
writes: no descriptions, no status, and unknown fields are refused, which the API server would drop without a word.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from hack import gobuild, log
from hack.log import UserError, console
from hack.paths import ROOT

FILE = ROOT / "tests" / "tooling" / "data" / "gitops.json"
ARGO_MODULE = "github.com/argoproj/argo-cd/v3"
ARGO_CRDS = ("manifests/crds/application-crd.yaml",)
FLUX_PACKAGES = ("github.com/fluxcd/helm-controller/api/v2", "github.com/fluxcd/source-controller/api/v1")
FLUX_KINDS = ("HelmRelease", "HelmRepository", "OCIRepository")


def definitions() -> dict[str, Any]:
    """JSON schemas by "apiVersion/Kind"; raises UserError when a module cannot be had."""
    argo = gobuild.source("argo-cd", ARGO_MODULE)
    crds = [_yaml(argo / name) for name in ARGO_CRDS]
    with tempfile.TemporaryDirectory(prefix="crds-") as folder:
        paths = [f"paths={package}" for package in FLUX_PACKAGES]
        _go("flux", "tool", "controller-gen", "crd", *paths, f"output:crd:dir={folder}")
        crds += [_yaml(file) for file in sorted(Path(folder).glob("*.yaml"))]
    wanted = [crd for crd in crds if crd["spec"]["names"]["kind"] in ("Application", *FLUX_KINDS)]
    return {
        f"{crd['spec']['group']}/{version['name']}/{crd['spec']['names']['kind']}": _object(version)
        for crd in wanted
        for version in crd["spec"]["versions"]
        if version["storage"]
    }


def _object(version: dict[str, Any]) -> Any:
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"].pop("status", None)
    schema["properties"]["metadata"] = {"type": "object"}
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return schema


def strict(schema: Any) -> Any:
    """A CRD's schema as JSON schema that refuses unknown fields."""
    if not isinstance(schema, dict):
        return [strict(item) for item in schema] if isinstance(schema, list) else schema
    kept = {key: value for key, value in schema.items() if key != "description" and not key.startswith("x-")}
    for key in ("properties", "patternProperties"):
        if key in kept:
            kept[key] = {name: strict(child) for name, child in kept[key].items()}
    for key in ("items", "additionalProperties", "oneOf", "anyOf", "allOf", "not"):
        if key in kept:
            kept[key] = strict(kept[key])
    if schema.get("x-kubernetes-int-or-string"):
        kept.update(type=["integer", "string"])
        kept.pop("anyOf", None)
    if schema.get("type") == "object" and "properties" in kept and "additionalProperties" not in kept:
        kept["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    return kept


def _go(module: str, *arguments: str) -> str:
    done = subprocess.run(["go", *arguments], cwd=gobuild.GO_MODULES / module, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"go {arguments[0]} in hack/go/{module}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _yaml(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(file.read_text(), yaml.CSafeLoader)
    return content


def run(argv: Sequence[str] | None = None) -> int:
    """The command line of `python -m hack.gitops`."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.gitops",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  python -m hack.gitops     after a new version in hack/go/argo-cd or hack/go/flux",
    )
    parser.parse_args(argv)
    lines = [
        f"{json.dumps(k)}: {json.dumps(v, sort_keys=True, separators=(',', ':'))}" for k, v in definitions().items()
    ]
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    console.print(f"{FILE.relative_to(ROOT)}: {len(lines)} kinds, {FILE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    log.main(run)
