"""Machine presets as the looks of fake nodes."""

from pathlib import Path

import pytest

from hack.base.log import UserError
from hack.chart.machines import COMPUTE_DOMAIN_CLASS, Taint, load_machine, names

PRESET = """\
{{- define "dynamo-disagg.hardware.big-box" -}}
description: A machine for tests.
arch: arm64
gpusPerNode: 4
gpuResource: nvidia.com/gpu
nodeSelector:
  cloud.google.com/gke-accelerator: nvidia-gb200
  node.example.com/pool: 7
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
  - {key: kubernetes.io/arch, operator: Equal, value: arm64, effect: NoSchedule}
  - {key: example.com/any, operator: Exists}
  - {operator: Exists}
extendedResources:
  example.com/fpga: 2
computeDomain: true
rdma:
  extendedResources:
    networking.gke.io.networks/rdma-0: 1
  claims:
    nics: {deviceClassName: nics.example.com, count: 3}
  env:
    UNRELATED: "yes"
{{- end }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "_big-box.tpl").write_text(PRESET)
    (tmp_path / "_small-box.tpl").write_text(
        '{{- define "dynamo-disagg.hardware.small-box" -}}\n'
        "{description: d, arch: amd64, gpusPerNode: 1, gpuResource: amd.com/gpu}\n"
        "{{- end }}\n"
    )
    return tmp_path


def test_reads_a_preset(folder: Path) -> None:
    machine = load_machine("big-box", folder)
    assert (machine.name, machine.description) == ("big-box", "A machine for tests.")
    assert (machine.arch, machine.gpus_per_node, machine.gpu_resource) == ("arm64", 4, "nvidia.com/gpu")
    assert machine.node_labels == {
        "kubernetes.io/arch": "arm64",
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": "4",
        "nvidia.com/gpu.product": "fake-big-box",
        "cloud.google.com/gke-accelerator": "nvidia-gb200",
        "node.example.com/pool": "7",
    }
    assert machine.taints == (
        Taint("nvidia.com/gpu", "present", "NoSchedule"),
        Taint("kubernetes.io/arch", "arm64", "NoSchedule"),
        Taint("example.com/any", "present", "NoSchedule"),
    )
    assert machine.resources == {"nvidia.com/gpu": 4, "example.com/fpga": 2, "networking.gke.io.networks/rdma-0": 1}
    assert machine.devices == {"nics.example.com": 3, COMPUTE_DOMAIN_CLASS: 1}


def test_optional_parts_may_be_missing(folder: Path) -> None:
    machine = load_machine("small-box", folder)
    assert (machine.taints, machine.extended_resources, machine.devices) == ((), {}, {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("big-bxo", r'unknown machine "big-bxo", did you mean "big-box"\? \(known: big-box, small-box\)'),
        ("x", r'unknown machine "x" \(known: big-box, small-box\)'),
    ],
)
def test_an_unknown_name_lists_the_known_ones(folder: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_machine(name, folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arch: amd64", r'plain YAML between the lines .* "dynamo-disagg\.hardware\.big-box"'),
        (PRESET.replace("big-box", "other"), "plain YAML between"),
        (PRESET.replace("{{- end }}\n", ""), "plain YAML between"),
        (PRESET.replace("arm64", "{{ .Values.arch }}"), "plain YAML between"),
        (PRESET.replace("arch: arm64", "arch: [arm64"), "not valid YAML"),
        (PRESET.replace("gpusPerNode: 4\n", ""), "has no gpusPerNode"),
    ],
)
def test_a_broken_preset_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "_big-box.tpl").write_text(text)
    with pytest.raises(UserError, match=message):
        load_machine("big-box", folder)


@pytest.mark.parametrize("name", names())
def test_every_preset_of_the_chart_loads(name: str) -> None:
    machine = load_machine(name)
    assert machine.arch in ("amd64", "arm64")
    assert machine.gpus_per_node > 0
    assert all(count > 0 for count in machine.resources.values())
