{{- define "dynamo-disagg.hardware.tke-h20" -}}
description: Tencent TKE node with eight H20, without RDMA.
arch: amd64
gpusPerNode: 8
tolerations:
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
{{- end }}
