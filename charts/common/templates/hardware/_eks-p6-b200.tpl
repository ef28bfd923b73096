{{- define "dynamo-disagg.hardware.eks-p6-b200" -}}
description: AWS p6-b200.48xlarge on EKS, eight B200, eight EFA devices.
arch: amd64
gpusPerNode: 8
nodeSelector:
  node.kubernetes.io/instance-type: p6-b200.48xlarge
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
# Workers that share a node divide its devices (prefill.rdma, decode.rdma), one for a GPU.
rdma:
  exclusive: true
  # UCX has no transport for EFA: with its default NIXL would move the KV cache over TCP.
  nixlBackend: LIBFABRIC
  extendedResources:
    vpc.amazonaws.com/efa: 8
  env:
    # As in Dynamo's recipe qwen3-32b/vllm/cloud-providers (deploy-aws-p5.48xlarge, d3e91c64).
    FI_PROVIDER: efa
    FI_EFA_USE_DEVICE_RDMA: "1"
    FI_EFA_ENABLE_SHM_TRANSFER: "0"
  # llm-d runs with this alone on AWS (guides/pd-disaggregation, aws, 2ad7f919); Dynamo's recipe is privileged besides.
  capabilities: [IPC_LOCK]
  runAsRoot: true
reasons:
  capabilities: RDMA registers (locks) memory, and an added capability reaches only root.
{{- end }}
