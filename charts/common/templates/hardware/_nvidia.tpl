{{- define "dynamo-disagg.hardware.nvidia" -}}
description: Any NVIDIA node with the GPU Operator or device plugin; eight GPUs, no RDMA.
arch: amd64
gpusPerNode: 8
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
{{- end }}
