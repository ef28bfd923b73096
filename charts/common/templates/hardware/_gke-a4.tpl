{{- define "dynamo-disagg.hardware.gke-a4" -}}
description: GKE a4-highgpu-8g, eight B200, eight RoCE NICs by DRA (DRANET).
arch: amd64
gpusPerNode: 8
nodeSelector:
  cloud.google.com/gke-accelerator: nvidia-b200
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
rdma:
  # A NIC for each GPU, so that workers which share a node divide its NICs.
  claims:
    rdma: {deviceClassName: mrdma.google.com, count: 1, perGpu: true}
  env:
    # As in Dynamo's recipe for this machine (deploy-gke-a4-dranet, 71895e95): no TCP, and no cuda_ipc between pods.
    UCX_TLS: rc_x,rc,cuda_copy
    UCX_IB_GPU_DIRECT_RDMA: "yes"
    UCX_MAX_RNDV_RAILS: "4"
    UCX_RNDV_SCHEME: get_zcopy
    GLOO_SOCKET_IFNAME: eth0
    NCCL_SOCKET_IFNAME: eth0
  capabilities: [IPC_LOCK, SYS_RESOURCE]
  runAsRoot: true
reasons:
  capabilities: RDMA registers (locks) memory beyond the limit that the node sets, and an added capability reaches only root.
{{- end }}
