{{/*
dynamo-disagg.validate.pods: what the API server or the kubelet would refuse in a pod, after the rest of the release was
created (k8s.io/kubernetes/pkg/apis/core/validation), and what would be ignored in silence.
*/}}
{{- define "dynamo-disagg.validate.pods" -}}
{{- $hardware := include "dynamo-disagg.hardware" . | fromJson }}
{{- range $index, $toleration := .Values.global.hardwareSpec.tolerations }}
{{ include "dynamo-disagg.validate.toleration" (dict "where" (printf "global.hardwareSpec.tolerations[%d]" $index) "toleration" .) }}
{{- end }}
{{ include "dynamo-disagg.validate.download" . }}
{{- range $where, $env := include "dynamo-disagg.env.places" . | fromJson }}
{{ include "dynamo-disagg.validate.sources" (dict "where" $where "env" $env) }}
{{- end }}
{{- $roles := include "dynamo-disagg.roles" . | fromJsonArray }}
{{- range $component := include "dynamo-disagg.components" . | fromJsonArray }}
{{- $context := get $.Subcharts $component }}
{{- $values := $context.Values }}
{{- $isWorker := has $component $roles }}
{{- range $index, $toleration := $values.tolerations }}
{{ include "dynamo-disagg.validate.toleration" (dict "where" (printf "%s.tolerations[%d]" $component $index) "toleration" .) }}
{{- end }}
{{ include "dynamo-disagg.validate.spread" (dict "where" (printf "%s.topologySpreadConstraints" $component) "constraints" $values.topologySpreadConstraints) }}
{{ include "dynamo-disagg.validate.affinity" (dict "where" (printf "%s.affinity" $component) "affinity" $values.affinity) }}
{{ include "dynamo-disagg.validate.security" (dict "root" $ "component" $component "values" $values "hardware" (ternary $hardware dict $isWorker)) }}
{{ include "dynamo-disagg.validate.disruptions" (dict "component" $component "values" $values) }}
{{- if hasKey $values "volumes" }}
{{ include "dynamo-disagg.validate.mounts" (dict "component" $component "context" $context "hardware" (ternary $hardware dict $isWorker)) }}
{{- end }}
{{- $arch := get $values.nodeSelector "kubernetes.io/arch" }}
{{- if and $isWorker $arch $hardware.arch (not $.Values.global.simulation.enabled) (ne (toString $arch) (toString $hardware.arch)) }}
{{ $component }}.nodeSelector.kubernetes.io/arch: {{ $.Values.global.hardware }} has {{ $hardware.arch }} nodes: remove it, or set global.hardwareSpec.arch={{ $arch }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.disruptions: budgets that protect nothing. One replica has none, because it could never be drained, but for the most
that a scaler makes of it.
*/}}
{{- define "dynamo-disagg.validate.disruptions" -}}
{{- $replicas := int .values.replicas }}
{{- $scaled := .values.autoscaling | default dict }}
{{- if and $scaled.enabled (eq $replicas 1) }}{{ $replicas = int $scaled.maxReplicas }}{{ end }}
{{- with .values.podDisruptionBudget }}
{{- if and .enabled (gt $replicas 1) }}
{{- if ge (int .maxUnavailable) $replicas }}
{{ $.component }}.podDisruptionBudget.maxUnavailable: {{ .maxUnavailable }} of {{ $replicas }} may be away, so nothing is protected: choose less than {{ $replicas }}, or set {{ $.component }}.podDisruptionBudget.enabled=false
{{- else if and (eq $.component "etcd") (gt (int .maxUnavailable) 1) }}
etcd.podDisruptionBudget.maxUnavailable: {{ .maxUnavailable }} of {{ $replicas }} members away leave no quorum: set it to 1
{{- end }}
{{- end }}
{{- end }}
{{- end }}
