{{- define "dynamo-disagg.hardware.infiniband" -}}
description: Any node of eight NVIDIA GPUs with InfiniBand NICs that pods share (device rdma/ib).
arch: amd64
gpusPerNode: 8
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
rdma:
  # The name is the device plugin's to choose; another one: global.hardwareSpec.rdma.extendedResources, with null for this.
  extendedResources:
    rdma/ib: 1
  env:
    GLOO_SOCKET_IFNAME: eth0
    NCCL_SOCKET_IFNAME: eth0
    # A KV transfer that cannot use the fabric must fail, not fall back to TCP in silence. Where nodes have bonded NICs, or
    # NICs of a second fabric, name those of the first in UCX_NET_DEVICES: with the others transfers break (Dynamo's recipes).
    UCX_TLS: ^tcp
  capabilities: [IPC_LOCK]
  runAsRoot: true
reasons:
  capabilities: RDMA registers (locks) memory, and an added capability reaches only root.
{{- end }}
