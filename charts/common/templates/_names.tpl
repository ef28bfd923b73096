{{/*
common.fullname: the prefix of every object of a release.
in:  root context (any chart of the suite)
out: "<release>" or "<release>-<global.nameOverride>"
*/}}
{{- define "common.fullname" -}}
{{- with .Values.global.nameOverride }}{{ $.Release.Name }}-{{ . }}{{ else }}{{ .Release.Name }}{{ end }}
{{- end }}

{{/*
common.name: the name of a component's objects.
in:  dict "root" $ "component" "prefill"
*/}}
{{- define "common.name" -}}
{{ include "common.fullname" .root }}-{{ .component }}
{{- end }}

{{/*
common.dynamoNamespace: the scope in which Dynamo processes find each other. Unique per release in a
cluster, because releases may share one external etcd or NATS.
*/}}
{{- define "common.dynamoNamespace" -}}
{{ .Release.Namespace }}-{{ include "common.fullname" . }}
{{- end }}

{{- define "common.serviceAccountName" -}}
{{- with .Values.global.serviceAccount }}
{{- if .name }}{{ .name }}{{ else if .create }}{{ include "common.fullname" $ }}-dynamo{{ else }}default{{ end }}
{{- end }}
{{- end }}

{{/* common.frontendUrl: where pods of the cluster reach the OpenAI-compatible API. in: root chart's context */}}
{{- define "common.frontendUrl" -}}
http://{{ include "common.name" (dict "root" . "component" "frontend") }}.{{ .Release.Namespace }}.svc:{{ int64 .Values.frontend.service.port }}
{{- end }}

{{/* common.etcdEndpoints: comma-separated, external ones or the subchart's client Service */}}
{{- define "common.etcdEndpoints" -}}
{{- with .Values.global.discovery.etcdEndpoints }}{{ join "," . }}{{ else }}http://{{ include "common.name" (dict "root" . "component" "etcd") }}:2379{{ end }}
{{- end }}

{{- define "common.natsUrl" -}}
{{- with .Values.global.natsUrl }}{{ . }}{{ else }}nats://{{ include "common.name" (dict "root" . "component" "nats") }}:4222{{ end }}
{{- end }}

{{/* common.usesNats: "true" when a plane runs over NATS, else empty */}}
{{- define "common.usesNats" -}}
{{- if or (eq .Values.global.requestPlane "nats") (eq .Values.global.eventPlane "nats") }}true{{ end }}
{{- end }}
