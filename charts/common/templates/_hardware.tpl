{{/*
common.hardware: the machine type: the preset named by global.hardware under global.hardwareSpec. Its rdma part
is merged in where global.rdma.enabled. In simulation what a laptop lacks (RDMA devices, host libraries and their
environment, extra privileges) is dropped; the nodes' labels and taints, the GPUs and their number stay.
in:  root context; out: YAML map: the keys of schemas/hardware.yaml, those of rdma among them
*/}}
{{- define "common.hardware" -}}
{{- $global := .Values.global }}
{{- $preset := include (printf "common.hardware.%s" $global.hardware) . | fromYaml }}
{{- $spec := $preset }}
{{- with $global.hardwareSpec }}{{ $spec = include "common.overlay" (list $preset .) | fromYaml | include "common.given" | fromYaml }}{{ end }}
{{- if $global.simulation.enabled }}
{{- $spec = omit $spec "rdma" "env" "hostPaths" "computeDomain" }}
{{- else if $global.rdma.enabled }}
{{- $spec = merge $spec ($spec.rdma | default dict) }}
{{- end }}
{{- $empty := dict "nodeSelector" dict "tolerations" list "podAnnotations" dict "extendedResources" dict "env" dict "hostPaths" dict "capabilities" list "runAsRoot" false "claims" dict "computeDomain" false }}
{{- $spec = merge (omit $spec "rdma") $empty }}
{{- if $spec.computeDomain }}{{ $_ := set $spec.claims "compute-domain" dict }}{{ end }}
{{- toYaml $spec }}
{{- end }}
