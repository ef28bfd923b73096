{{/*
common.selectorLabels: what selects a component's pods. Never changes on upgrade: no versions in here.
in:  dict "root" $ "component" "prefill"
*/}}
{{- define "common.selectorLabels" -}}
app.kubernetes.io/name: dynamo-disagg
app.kubernetes.io/instance: {{ include "common.fullname" .root | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* common.labels: the labels of an object. in: as common.selectorLabels ["labels" {}, which win over global.labels] */}}
{{- define "common.labels" -}}
{{ include "common.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: dynamo-disagg
helm.sh/chart: dynamo-disagg-{{ .root.Chart.Version | replace "+" "_" }}
{{- $shared := .root.Values.global.labels }}
{{- if or $shared .labels }}
{{- range $name, $value := include "common.overlay" (list $shared .labels) | fromJson }}
{{ quote $name }}: {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{/*
common.dynamoLabels: what Dynamo's tools and its operator's PodMonitors look for in pods, and no selector here.
in:  as common.podMetadata
*/}}
{{- define "common.dynamoLabels" -}}
{{- if has .component (prepend (include "common.roles" . | fromJsonArray) "frontend") }}
nvidia.com/dynamo-component: {{ .component }}
nvidia.com/dynamo-component-type: {{ ternary "worker" .component (or (eq .component "encode") (and (eq .component "decode") (eq .root.Values.global.serving "aggregated"))) }}
{{- /* Other ranks than the first serve no metrics. */}}
{{- if or .serves (ne (get (.labels | default dict) "dynamo-disagg/rank") "worker") }}
nvidia.com/metrics-enabled: "true"
{{- end }}
{{- end }}
{{- end }}

{{/*
common.metadata: name, labels and annotations of an object, unindented.
in:  dict "root" $ "component" "prefill" ["name" string] ["labels" dict] ["annotations" dict]
*/}}
{{- define "common.metadata" -}}
{{- include "common.filled" .root }}
name: {{ .name | default (include "common.name" .) | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "common.labels" . | nindent 2 }}
{{- /* A null that removes nothing is no annotation either. */}}
{{- $shared := .root.Values.global.annotations }}
{{- if or $shared .annotations }}
{{- with include "common.overlay" (list $shared .annotations) | fromJson }}
annotations: {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

{{/*
common.workloadMetadata: common.metadata of the object that runs a component's pods, with the component's own labels and
annotations: queues and controllers read these, and not the pods'. in: as common.metadata
*/}}
{{- define "common.workloadMetadata" -}}
{{- $values := .root.Values }}
{{- include "common.metadata" (merge (dict
      "labels" (include "common.overlay" (list $values.labels (.labels | default dict)) | fromJson)
      "annotations" (include "common.overlay" (list $values.annotations (.annotations | default dict)) | fromJson)) .) }}
{{- end }}
