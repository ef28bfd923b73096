"""The machine presets of the chart, as the fake nodes of a test cluster need them.

A preset is charts/common/templates/hardware/_<name>.tpl: one template definition around plain YAML.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from hack import log
from hack.log import UserError, console
from hack.paths import ROOT

HARDWARE_FOLDER = ROOT / "charts" / "common" / "templates" / "hardware"
# NVIDIA's driver offers a node's channel of its ComputeDomain under this class.
COMPUTE_DOMAIN_CLASS = "compute-domain-default-channel.nvidia.com"
DEFINITION = re.compile(
    r"\A(?:\{\{-?\s*/\*.*?\*/\s*-?\}\}\s*)*"
    r'\{\{-?\s*define\s+"common\.hardware\.(?P<name>[^"]+)"\s*-?\}\}(?P<body>.*)\{\{-?\s*end\s*-?\}\}\s*\Z',
    re.DOTALL,
)


@dataclass(frozen=True)
class Taint:
    """One taint of a node."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Machine:
    """What the nodes of a machine type look like to Kubernetes."""

    name: str
    description: str
    arch: str
    gpus_per_node: int
    gpu_resource: str
    node_labels: dict[str, str]
    taints: tuple[Taint, ...]
    extended_resources: dict[str, int]
    # Devices for Dynamic Resource Allocation: DeviceClass -> how many a node has.
    devices: dict[str, int]

    @property
    def resources(self) -> dict[str, int]:
        """Every extended resource of a node, the GPUs first."""
        return {self.gpu_resource: self.gpus_per_node, **self.extended_resources}


def names(folder: Path = HARDWARE_FOLDER) -> list[str]:
    """The names of all presets."""
    return sorted(path.name.removeprefix("_").removesuffix(".tpl") for path in folder.glob("_*.tpl"))


def load_machine(name: str, folder: Path = HARDWARE_FOLDER) -> Machine:
    """Read one preset; an unknown name is a UserError that lists the known ones."""
    path = folder / f"_{name}.tpl"
    if name not in names(folder):
        known = names(folder)
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f', did you mean "{close[0]}"?' if close else ""
        raise UserError(f'unknown machine "{name}"{hint} (known: {", ".join(known) or f"none in {folder}"})')
    data = _preset(path, name)
    try:
        gpus = int(data["gpusPerNode"])
        gpu_resource = str(data["gpuResource"])
        arch = str(data["arch"])
        description = str(data["description"])
    except KeyError as error:
        raise UserError(f"{path}: the preset has no {error.args[0]}") from error
    labels = {str(key): str(value) for key, value in (data.get("nodeSelector") or {}).items()}
    # What GPU feature discovery and the kubelet put on real nodes; a selector of the preset wins.
    derived = {
        "kubernetes.io/arch": arch,
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": str(gpus),
        "nvidia.com/gpu.product": f"fake-{name}",
    }
    return Machine(
        name=name,
        description=description,
        arch=arch,
        gpus_per_node=gpus,
        gpu_resource=gpu_resource,
        node_labels={**derived, **labels},
        taints=tuple(_taint(entry) for entry in data.get("tolerations") or [] if entry.get("key")),
        extended_resources={str(key): int(count) for key, count in _extended_resources(data).items()},
        devices=_devices(data),
    )


def _devices(data: dict[str, Any]) -> dict[str, int]:
    """What the claims of a worker that fills a node ask for."""
    claims = (data.get("rdma") or {}).get("claims") or {}
    found = {str(claim["deviceClassName"]): int(claim["count"]) for claim in claims.values()}
    return found | ({COMPUTE_DOMAIN_CLASS: 1} if data.get("computeDomain") else {})


def _extended_resources(data: dict[str, Any]) -> dict[str, Any]:
    """Devices beside the GPUs: those of the machine itself and those of its RDMA fabric."""
    parts = (data, data.get("rdma") or {})
    return {name: count for part in parts for name, count in (part.get("extendedResources") or {}).items()}


def _preset(path: Path, name: str) -> dict[str, Any]:
    match = DEFINITION.match(path.read_text().strip())
    if match is None or match["name"] != name:
        raise UserError(f'{path}: expected one definition "common.hardware.{name}" and nothing else')
    if "{{" in match["body"]:
        raise UserError(f"{path}: a preset is plain YAML, without template actions inside")
    try:
        data = yaml.safe_load(match["body"])
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: a preset is a mapping")
    return data


def _taint(toleration: dict[str, Any]) -> Taint:
    """The taint a toleration is there for; NoSchedule where it tolerates every effect."""
    value = str(toleration.get("value") or ("present" if toleration.get("operator") == "Exists" else ""))
    return Taint(key=str(toleration["key"]), value=value, effect=str(toleration.get("effect") or "NoSchedule"))


def run(argv: Sequence[str] | None = None) -> int:
    """The command line of `python -m hack.machines`."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.machines",
        description="Show the machine presets of the chart.",
        epilog="examples:\n  python -m hack.machines\n  python -m hack.machines gke-a3ultra",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", help="show what a fake node of this machine gets (default: a list)")
    options = parser.parse_args(argv)
    if options.name is None:
        table = Table("machine", "arch", "GPUs per node", "what it is")
        for name in names():
            machine = load_machine(name)
            table.add_row(name, machine.arch, str(machine.gpus_per_node), machine.description)
        console.print(table)
        return 0
    machine = load_machine(options.name)
    table = Table("of a node", "value", title=machine.description)
    for key, count in machine.resources.items():
        table.add_row("resource", f"{key}={count}")
    for key, count in machine.devices.items():
        table.add_row("DRA devices", f"{key}={count}")
    for key, value in machine.node_labels.items():
        table.add_row("label", f"{key}={value}")
    for taint in machine.taints:
        table.add_row("taint", f"{taint.key}={taint.value}:{taint.effect}")
    console.print(table)
    return 0


if __name__ == "__main__":
    log.main(run)
