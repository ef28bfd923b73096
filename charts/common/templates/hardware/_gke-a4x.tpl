{{- define "dynamo-disagg.hardware.gke-a4x" -}}
description: GKE a4x-highgpu-4g, four GB200 (arm64), racks of 18 nodes on one NVLink (NVL72), four RoCE NICs.
arch: arm64
gpusPerNode: 4
nodeSelector:
  cloud.google.com/gke-accelerator: nvidia-gb200
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
  - {key: kubernetes.io/arch, operator: Equal, value: arm64, effect: NoSchedule}
env:
  LD_LIBRARY_PATH: /usr/local/ucx/lib:/usr/local/ucx/lib/ucx:/opt/nvidia/nvda_nixl/lib/aarch64-linux-gnu:/opt/nvidia/nvda_nixl/lib/aarch64-linux-gnu/plugins:/usr/local/nvidia/lib64
  NCCL_MNNVL_ENABLE: "1"
  NCCL_CUMEM_ENABLE: "1"
hostPaths:
  nvidia: {path: /home/kubernetes/bin/nvidia, mountPath: /usr/local/nvidia}
# Memory of one NVLink domain across nodes: the ComputeDomain's channel in every worker pod.
computeDomain: true
rdma:
  exclusive: true
  podAnnotations:
    networking.gke.io/default-interface: eth0
    networking.gke.io/interfaces: |-
      [{"interfaceName":"eth0","network":"default"},
       {"interfaceName":"eth2","network":"rdma-0"},
       {"interfaceName":"eth3","network":"rdma-1"},
       {"interfaceName":"eth4","network":"rdma-2"},
       {"interfaceName":"eth5","network":"rdma-3"}]
  extendedResources:
    networking.gke.io.networks/rdma-0: 1
    networking.gke.io.networks/rdma-1: 1
    networking.gke.io.networks/rdma-2: 1
    networking.gke.io.networks/rdma-3: 1
  env:
    # With several interfaces in the pod, sockets would otherwise bind to a NIC that cannot reach the peers.
    GLOO_SOCKET_IFNAME: eth0
    NCCL_SOCKET_IFNAME: eth0
    TP_SOCKET_IFNAME: eth0
    # The same on both roles: a KV transfer that cannot use the fabric must fail, not fall back to TCP in silence.
    UCX_TLS: ^tcp
  capabilities: [IPC_LOCK]
  runAsRoot: true
reasons:
  hostPaths: "The driver libraries that GKE puts on the node. Not NCCL's gIB plugin: a worker's own traffic stays on NVLink."
  capabilities: RDMA registers (locks) memory, and an added capability reaches only root.
{{- end }}
