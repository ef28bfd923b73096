{{- define "dynamo-disagg.hardware.aks-nd-h100" -}}
description: Azure Standard_ND96isr_H100_v5, eight H100 80 GB, eight InfiniBand NICs (NDR).
arch: amd64
gpusPerNode: 8
nodeSelector:
  node.kubernetes.io/instance-type: Standard_ND96isr_H100_v5
tolerations:
  - {key: sku, operator: Equal, value: gpu, effect: NoSchedule}
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
rdma:
  # Of NVIDIA's network operator with a shared device plugin: each pod gets all NICs.
  extendedResources:
    rdma/shared_ib: 1
  env:
    GLOO_SOCKET_IFNAME: eth0
    NCCL_SOCKET_IFNAME: eth0
    # The list keeps UCX off eth0, and so off TCP, and leaves it all transports that it needs for itself: Dynamo's recipes
    # find that UCX_TLS takes some of them away. Its recipe for this machine (deploy-aks-ib, bad3207a) names the first four.
    UCX_NET_DEVICES: mlx5_0:1,mlx5_1:1,mlx5_2:1,mlx5_3:1,mlx5_4:1,mlx5_5:1,mlx5_6:1,mlx5_7:1
    UCX_IB_GPU_DIRECT_RDMA: "yes"
  # Dynamo's recipe is privileged besides, and mounts /dev/infiniband, which the device plugin does.
  capabilities: [IPC_LOCK]
  runAsRoot: true
reasons:
  capabilities: RDMA registers (locks) memory, and an added capability reaches only root.
{{- end }}
