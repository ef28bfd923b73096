{{/*
dynamo-disagg.kvPath: the way that the values give the KV cache, fastest first. A topology key brings pods together, but
only what is named here carries their KV cache.
  rdma      the workers have the machine's RDMA fabric
  nvlink    they share an NVIDIA ComputeDomain (NVLink between nodes)
  tcp       none of these, one node included: cuda_ipc needs the other role's GPUs in the container (dynamo-disagg.sameNode)
in: root context; out: one of them, or nothing where no KV cache is moved
*/}}
{{- define "dynamo-disagg.kvPath" -}}
{{- $global := .Values.global }}
{{- if and (eq $global.serving "disaggregated") (not $global.simulation.enabled) }}
{{- if include "dynamo-disagg.hardware.hasRdma" . }}rdma
{{- else if (include "dynamo-disagg.worker.hardware" . | fromJson).computeDomain }}nvlink
{{- else }}tcp
{{- end }}
{{- end }}
{{- end }}
