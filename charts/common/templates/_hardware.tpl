{{/*
common.hardware: the machine type: the preset named by global.hardware under global.hardwareSpec. In
simulation what a laptop lacks (RDMA devices, host libraries, extra privileges) is dropped, and the nodes'
labels and taints, the GPUs and their number stay.
in:  root context; out: YAML map with every key of schemas/hardware.yaml
*/}}
{{- define "common.hardware" -}}
{{- $preset := include (printf "common.hardware.%s" .Values.global.hardware) . | fromYaml }}
{{- $empty := dict "nodeSelector" dict "tolerations" list "podAnnotations" dict "extendedResources" dict "env" dict "hostPaths" dict "capabilities" list }}
{{- $spec := mergeOverwrite $empty $preset (deepCopy .Values.global.hardwareSpec) }}
{{- if .Values.global.simulation.enabled }}
{{- $spec = merge (dict "podAnnotations" dict "extendedResources" dict "env" dict "hostPaths" dict "capabilities" list) (omit $spec "podAnnotations" "extendedResources" "env" "hostPaths" "capabilities") }}
{{- end }}
{{- toYaml $spec }}
{{- end }}
