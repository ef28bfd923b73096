"""The machine presets of the chart, as the fake nodes of a test cluster need them.

A preset is charts/common/templates/hardware/_<name>.tpl: plain YAML between a first and a last line for Helm.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.base.log import UserError
from hack.base.paths import ROOT
from hack.base.yamlfile import parse
from hack.chart.manifests import merged

HARDWARE_FOLDER = ROOT / "charts" / "common" / "templates" / "hardware"
# As in dynamo-disagg.hardware.
GPU_RESOURCE = "nvidia.com/gpu"
# NVIDIA's driver offers a node's channel of its ComputeDomain under this class.
COMPUTE_DOMAIN_CLASS = "compute-domain-default-channel.nvidia.com"
FIRST_LINE = '{{- define "dynamo-disagg.hardware.%s" -}}\n'
LAST_LINE = "{{- end }}\n"


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
    # Those that tell these nodes from others, and all.
    selector: dict[str, str]
    node_labels: dict[str, str]
    taints: tuple[Taint, ...]
    extended_resources: dict[str, int]
    # Whether a node has each of its network devices once.
    exclusive: bool
    # Devices for Dynamic Resource Allocation: DeviceClass -> how many a node has.
    devices: dict[str, int]
    # How many claims a worker's pod has, and the DeviceClasses of GPUs among them.
    claims: int
    gpu_classes: tuple[str, ...]

    @property
    def resources(self) -> dict[str, int]:
        """Every extended resource of a node, the GPUs first, where claims do not give them."""
        gpus = {} if self.gpu_classes else {self.gpu_resource: self.gpus_per_node}
        return gpus | self.extended_resources


def names(folder: Path = HARDWARE_FOLDER) -> list[str]:
    """The names of all presets."""
    return sorted(path.name.removeprefix("_").removesuffix(".tpl") for path in folder.glob("_*.tpl"))


def load_machine(name: str, folder: Path = HARDWARE_FOLDER, spec: Mapping[str, Any] | None = None) -> Machine:
    """Read one preset, under what the values say of the machine (global.hardwareSpec).

    An unknown name is a UserError that lists the known ones.
    """
    path = folder / f"_{name}.tpl"
    if name not in names(folder):
        known = names(folder)
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f', did you mean "{close[0]}"?' if close else ""
        raise UserError(f'unknown machine "{name}"{hint} (known: {", ".join(known) or f"none in {folder}"})')
    data = _without_nulls(merged(preset(name, folder), spec or {}))
    try:
        gpus = int(data["gpusPerNode"])
        gpu_resource = str(data.get("gpuResource", GPU_RESOURCE))
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
        selector={"kubernetes.io/arch": arch, **labels},
        node_labels={**derived, **labels},
        taints=tuple(_taint(entry) for entry in data.get("tolerations") or [] if entry.get("key")),
        extended_resources={str(key): int(count) for key, count in _extended_resources(data).items()},
        exclusive=bool((data.get("rdma") or {}).get("exclusive")),
        devices=_devices(data),
        claims=len(_claims(data)) + bool(data.get("computeDomain")),
        gpu_classes=tuple(c["gpuDeviceClassName"] for c in _claims(data).values() if c.get("gpuDeviceClassName")),
    )


def of_values(values: Mapping[str, Any]) -> Machine:
    """The machine type that values choose, with what they say of it."""
    shared = values["global"]
    return load_machine(shared["hardware"], spec=shared["hardwareSpec"])


def _without_nulls(data: dict[str, Any]) -> dict[str, Any]:
    """As dynamo-disagg.overlay: a null takes back what the preset has."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in data.items()
        if value is not None
    }


def _claims(data: dict[str, Any]) -> dict[str, Any]:
    claims: dict[str, Any] = (data.get("rdma") or {}).get("claims") or {}
    return claims


def _devices(data: dict[str, Any]) -> dict[str, int]:
    """What the claims of a worker that fills a node ask for."""
    claims = _claims(data)
    gpus = int(data["gpusPerNode"])
    found: dict[str, int] = {}
    for claim in claims.values():
        found[str(claim["deviceClassName"])] = int(claim["count"]) * (gpus if claim.get("perGpu") else 1)
        if claim.get("gpuDeviceClassName"):
            found[str(claim["gpuDeviceClassName"])] = gpus
    return found | ({COMPUTE_DOMAIN_CLASS: 1} if data.get("computeDomain") else {})


def _extended_resources(data: dict[str, Any]) -> dict[str, Any]:
    """Devices beside the GPUs: those of the machine itself and those of its RDMA fabric."""
    parts = (data, data.get("rdma") or {})
    return {name: count for part in parts for name, count in (part.get("extendedResources") or {}).items()}


def preset(name: str, folder: Path = HARDWARE_FOLDER) -> dict[str, Any]:
    """The content of a preset as the chart has it; raises UserError where it is more than YAML in its frame."""
    path = folder / f"_{name}.tpl"
    text, first = path.read_text(), FIRST_LINE % name
    body = text.removeprefix(first).removesuffix(LAST_LINE)
    if text != first + body + LAST_LINE or "{{" in body:
        raise UserError(f"{path}: a preset is plain YAML between the lines {first.strip()} and {LAST_LINE.strip()}")
    try:
        data = parse(body)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: a preset is a mapping")
    return data


def _taint(toleration: dict[str, Any]) -> Taint:
    """The taint a toleration is there for; NoSchedule where it tolerates every effect."""
    value = str(toleration.get("value") or ("present" if toleration.get("operator") == "Exists" else ""))
    return Taint(key=str(toleration["key"]), value=value, effect=str(toleration.get("effect") or "NoSchedule"))
