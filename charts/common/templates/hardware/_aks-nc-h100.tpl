{{- define "dynamo-disagg.hardware.aks-nc-h100" -}}
description: Azure Standard_NC40ads_H100_v5, one H100 NVL 94 GB, no InfiniBand.
arch: amd64
gpusPerNode: 1
nodeSelector:
  node.kubernetes.io/instance-type: Standard_NC40ads_H100_v5
tolerations:
  - {key: sku, operator: Equal, value: gpu, effect: NoSchedule}
  - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
# No UCX_TLS: these machines have no RDMA, so the KV cache crosses nodes over TCP.
{{- end }}
