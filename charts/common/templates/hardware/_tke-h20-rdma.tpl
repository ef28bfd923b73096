{{- define "dynamo-disagg.hardware.tke-h20-rdma" -}}
description: Tencent TKE node with eight H20 and shared RDMA NICs.
arch: amd64
gpusPerNode: 8
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
rdma:
  # The pod gets its own RDMA interface, so it keeps its own network: hostNetwork would ignore this annotation,
  # and two pods on one node would fight for their ports.
  podAnnotations:
    tke.cloud.tencent.com/networks: tke-route-eni,tke-rdma-ipvlan
  extendedResources:
    tke.cloud.tencent.com/tke-shared-rdma: 1
  env:
    GLOO_SOCKET_IFNAME: eth0
    NCCL_SOCKET_IFNAME: eth0
    NCCL_IB_HCA: mlx5
    NCCL_IB_GID_INDEX: "3"
  capabilities: [IPC_LOCK]
  runAsRoot: true
reasons:
  capabilities: RDMA registers (locks) memory, and an added capability reaches only root.
{{- end }}
