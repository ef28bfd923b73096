{{- define "dynamo-disagg.hardware.gke-a3ultra-dra" -}}
description: GKE a3-ultragpu-8g, eight H200 141 GB, GPUs and RoCE NICs by DRA (NVIDIA's driver and DRANET).
arch: amd64
gpusPerNode: 8
nodeSelector:
  cloud.google.com/gke-accelerator: nvidia-h200-141gb
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
rdma:
  # A GPU and its NIC under one PCIe root, as llm-d claims them on this machine (guides/pd-disaggregation, gke base,
  # 02be547b). The node pool has DRANET and NVIDIA's DRA driver, and no GPU device plugin.
  claims:
    rdma: {deviceClassName: mrdma.google.com, count: 1, perGpu: true, gpuDeviceClassName: gpu.nvidia.com}
  env:
    GLOO_SOCKET_IFNAME: eth0
    NCCL_SOCKET_IFNAME: eth0
    # As gke-a3ultra has them, from llm-d too: no tcp, so that a transfer fails that cannot use the fabric.
    UCX_TLS: rc_mlx5,rc,cuda_copy,cuda_ipc,sm,shm,self
    # Prefill and decode may use different NICs, on different subnets of one routed fabric.
    UCX_IB_ROCE_REACHABILITY_MODE: all
    # GKE's tuner plugin for NCCL is for its own library, which these pods do not have.
    NCCL_TUNER_PLUGIN: none
  capabilities: [IPC_LOCK]
  runAsRoot: true
reasons:
  capabilities: RDMA registers (locks) memory, and an added capability reaches only root.
{{- end }}
