{{/*
dynamo-disagg.fullname: the prefix of every object of a release.
in:  root context (any chart of the suite)
out: "<release>", "<release>-<global.nameOverride>" or global.fullnameOverride
*/}}
{{- define "dynamo-disagg.fullname" -}}
{{- if not (hasKey . "fullname") }}
{{- with .Values.global }}
{{- $_ := set $ "fullname" (.fullnameOverride | default (empty .nameOverride | ternary $.Release.Name (printf "%s-%s" $.Release.Name .nameOverride))) }}
{{- end }}
{{- end }}
{{- .fullname }}
{{- end }}

{{/*
dynamo-disagg.name: the name of a component's objects.
in:  dict "root" $ "component" "prefill"
*/}}
{{- define "dynamo-disagg.name" -}}
{{ include "dynamo-disagg.fullname" .root }}-{{ .component }}
{{- end }}

{{/*
dynamo-disagg.dynamoNamespace: the scope in which Dynamo processes find each other. Unique per release in a
cluster, because releases may share one etcd or NATS: where there is one, "-_" is behind a namespace with hyphens, so that c in
a-b is not b-c in a. One that ends like a generation (_generation.tpl) would belong to the release without that end, so it gets
another end, which no release's name can have. So does every one before Dynamo 1.6, which takes any namespace that begins alike
for one of the release's.
*/}}
{{- define "dynamo-disagg.dynamoNamespace" -}}
{{- $isShared := or (eq .Values.global.discovery.backend "etcd") (include "dynamo-disagg.usesNats" .) }}
{{- $between := "-" }}{{ if and $isShared (contains "-" .Release.Namespace) }}{{ $between = "-_" }}{{ end }}
{{- $name := printf "%s%s%s" .Release.Namespace $between (include "dynamo-disagg.fullname" .) }}
{{- $name }}{{ if or (regexMatch "-[0-9a-f]{8}$" $name) (semverCompare "<1.6.0" (include "dynamo-disagg.dynamoVersion" .)) }}_{{ end }}
{{- end }}

{{- define "dynamo-disagg.serviceAccountName" -}}
{{- with .Values.global.serviceAccount }}
{{- if .name }}{{ .name }}{{ else if .create }}{{ include "dynamo-disagg.fullname" $ }}-dynamo{{ else }}default{{ end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.frontendUrl: where pods of the cluster reach the OpenAI-compatible API. in: root chart's context */}}
{{- define "dynamo-disagg.frontendUrl" -}}
http://{{ include "dynamo-disagg.name" (dict "root" . "component" "frontend") }}.{{ .Release.Namespace }}.svc:{{ int64 .Values.frontend.service.port }}
{{- end }}

{{/*
dynamo-disagg.peers: name of the headless Service in which every member of a set, or every worker of a role, has an address of its own,
ready or not. in: dict "root" "component"
*/}}
{{- define "dynamo-disagg.peers" -}}
{{ include "dynamo-disagg.name" . }}-peers
{{- end }}

{{/* dynamo-disagg.scheme: of a URL of the release's own, with global.tls or without. in: dict "root" any context "tls" "https" "plain" "http" */}}
{{- define "dynamo-disagg.scheme" -}}
{{ ternary .tls .plain (ne .root.Values.global.tls.secretName "") }}
{{- end }}

{{/* dynamo-disagg.etcdEndpoints: comma-separated, external ones or the subchart's client Service */}}
{{- define "dynamo-disagg.etcdEndpoints" -}}
{{- $host := include "dynamo-disagg.name" (dict "root" . "component" "etcd") }}
{{- with .Values.global.discovery.etcdEndpoints }}{{ join "," . }}{{ else }}{{ include "dynamo-disagg.scheme" (dict "root" $ "tls" "https" "plain" "http") }}://{{ $host }}:{{ include "dynamo-disagg.port.etcd" $ }}{{ end }}
{{- end }}

{{- define "dynamo-disagg.natsUrl" -}}
{{- $host := include "dynamo-disagg.name" (dict "root" . "component" "nats") }}
{{- with .Values.global.natsUrl }}{{ . }}{{ else }}{{ include "dynamo-disagg.scheme" (dict "root" $ "tls" "tls" "plain" "nats") }}://{{ $host }}:{{ include "dynamo-disagg.port.nats" $ }}{{ end }}
{{- end }}

{{/* dynamo-disagg.usesNats: "true" when a plane runs over NATS, else empty */}}
{{- define "dynamo-disagg.usesNats" -}}
{{- if or (eq .Values.global.requestPlane "nats") (eq .Values.global.eventPlane "nats") }}true{{ end }}
{{- end }}
