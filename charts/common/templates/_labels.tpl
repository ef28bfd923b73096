{{/*
dynamo-disagg.selectorLabels: what selects a component's pods. Never changes on upgrade: no versions in here.
in:  dict "root" $ "component" "prefill"
*/}}
{{- define "dynamo-disagg.selectorLabels" -}}
app.kubernetes.io/name: dynamo-disagg
app.kubernetes.io/instance: {{ include "dynamo-disagg.fullname" .root | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* dynamo-disagg.labels: the labels of an object. in: as dynamo-disagg.selectorLabels ["labels" {}, which win over global.labels] */}}
{{- define "dynamo-disagg.labels" -}}
{{ include "dynamo-disagg.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: dynamo-disagg
helm.sh/chart: dynamo-disagg-{{ .root.Chart.Version | replace "+" "_" }}
{{- $shared := .root.Values.global.labels }}
{{- if or $shared .labels }}
{{- range $name, $value := include "dynamo-disagg.overlay" (list $shared .labels) | fromJson }}
{{ quote $name }}: {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.dynamoLabels: what Dynamo's tools and its operator's PodMonitors look for in pods, and no selector here.
in:  as dynamo-disagg.podMetadata
*/}}
{{- define "dynamo-disagg.dynamoLabels" -}}
{{- if has .component (prepend (include "dynamo-disagg.roles" . | fromJsonArray) "frontend") }}
nvidia.com/dynamo-component: {{ .component }}
nvidia.com/dynamo-component-type: {{ ternary "worker" .component (or (eq .component "encode") (and (eq .component "decode") (eq .root.Values.global.serving "aggregated"))) }}
{{- /* Other ranks than the first serve no metrics. */}}
{{- if or .serves (ne (get (.labels | default dict) "dynamo-disagg/rank") "worker") }}
nvidia.com/metrics-enabled: "true"
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.metadata: name, labels and annotations of an object, unindented.
in:  dict "root" $ "component" "prefill" ["name" string] ["labels" dict] ["annotations" dict]
*/}}
{{- define "dynamo-disagg.metadata" -}}
{{- include "dynamo-disagg.filled" .root }}
name: {{ .name | default (include "dynamo-disagg.name" .) | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "dynamo-disagg.labels" . | nindent 2 }}
{{- /* A null that removes nothing is no annotation either. */}}
{{- $shared := .root.Values.global.annotations }}
{{- if or $shared .annotations }}
{{- with include "dynamo-disagg.overlay" (list $shared .annotations) | fromJson }}
annotations: {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.workloadMetadata: dynamo-disagg.metadata of the object that runs a component's pods, with the component's own labels and
annotations: queues and controllers read these, and not the pods'. in: as dynamo-disagg.metadata
*/}}
{{- define "dynamo-disagg.workloadMetadata" -}}
{{- $values := .root.Values }}
{{- include "dynamo-disagg.metadata" (merge (dict
      "labels" (include "dynamo-disagg.overlay" (list $values.labels (.labels | default dict)) | fromJson)
      "annotations" (include "dynamo-disagg.overlay" (list $values.annotations (.annotations | default dict)) | fromJson)) .) }}
{{- end }}
