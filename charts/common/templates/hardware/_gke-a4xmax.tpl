{{- define "dynamo-disagg.hardware.gke-a4xmax" -}}
description: GKE a4x-maxgpu-4g-metal, four GB300 (arm64), racks of 18 nodes on one NVLink (NVL72), eight RoCE NICs by DRA.
arch: arm64
gpusPerNode: 4
nodeSelector:
  cloud.google.com/gke-accelerator: nvidia-gb300
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
  - {key: kubernetes.io/arch, operator: Equal, value: arm64, effect: NoSchedule}
env:
  LD_LIBRARY_PATH: /usr/local/ucx/lib:/usr/local/ucx/lib/ucx:/opt/nvidia/nvda_nixl/lib/aarch64-linux-gnu:/opt/nvidia/nvda_nixl/lib/aarch64-linux-gnu/plugins:/usr/local/nvidia/lib64
  NCCL_MNNVL_ENABLE: "1"
  NCCL_CUMEM_ENABLE: "1"
  TRITON_PTXAS_PATH: /usr/local/cuda/bin/ptxas
hostPaths:
  nvidia: {path: /home/kubernetes/bin/nvidia, mountPath: /usr/local/nvidia}
# Memory of one NVLink domain across nodes: the ComputeDomain's channel in every worker pod.
computeDomain: true
rdma:
  # NICs through Dynamic Resource Allocation (DRANET): name of the claim -> what it asks for.
  claims:
    rdma: {deviceClassName: mrdma.google.com, count: 8}
  env:
    GLOO_SOCKET_IFNAME: eth0
    NCCL_SOCKET_IFNAME: eth0
    TP_SOCKET_IFNAME: eth0
    # The same on both roles: a KV transfer that cannot use the fabric must fail, not fall back to TCP in silence.
    UCX_TLS: ^tcp
    UCX_NET_DEVICES: mlx5_0:1,mlx5_1:1,mlx5_2:1,mlx5_3:1,mlx5_4:1,mlx5_5:1,mlx5_6:1,mlx5_7:1
    UCX_IB_GID_INDEX: "5"
  capabilities: [IPC_LOCK]
  runAsRoot: true
reasons:
  hostPaths: The driver libraries that GKE puts on the node.
  capabilities: RDMA registers (locks) memory, and an added capability reaches only root.
{{- end }}
