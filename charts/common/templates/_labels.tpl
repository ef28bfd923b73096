{{/*
common.selectorLabels: what selects a component's pods. Never changes on upgrade: no versions in here.
in:  dict "root" $ "component" "prefill"
*/}}
{{- define "common.selectorLabels" -}}
app.kubernetes.io/name: dynamo-disagg
app.kubernetes.io/instance: {{ include "common.fullname" .root | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* common.labels: the recommended Kubernetes labels of an object. in: as common.selectorLabels */}}
{{- define "common.labels" -}}
{{ include "common.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: dynamo-disagg
helm.sh/chart: dynamo-disagg-{{ .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/*
common.metadata: name, labels and annotations of an object, unindented.
in:  dict "root" $ "component" "prefill" ["name" string] ["labels" dict] ["annotations" dict]
*/}}
{{- define "common.metadata" -}}
name: {{ .name | default (include "common.name" .) | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "common.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- /* A null that removes nothing is no annotation either. */}}
{{- with include "common.overlay" (list (.annotations | default dict)) | fromYaml }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
