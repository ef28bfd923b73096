{{- define "dynamo-disagg.validate.helm" -}}
{{- if semverCompare "<3.18.6-0" .Capabilities.HelmVersion.Version }}
helm: version {{ .Capabilities.HelmVersion.Version }} checks values.schema.json differently: use Helm 3.18.6 or newer
{{- end }}
{{- end }}

{{/* A chart that wraps this one may keep its own keys under global; typed directly, an unknown key is a typo. */}}
{{- define "dynamo-disagg.validate.globals" -}}
{{- if .Chart.IsRoot }}
{{- $known := list "nameOverride" "fullnameOverride" "labels" "annotations" "schedulerName" "imageRegistry" "imagePullSecrets" "clusterChecks" "serviceAccount"
      "podSecurityContext" "securityContext" "tls" "model"
      "engine" "env" "serving" "hardware" "hardwareSpec" "rdma" "colocation" "multiNode" "kvTransfer" "kvCache" "telemetry"
      "router" "discovery" "requestPlane" "eventPlane" "natsUrl" "natsSecret" "simulation" }}
{{- $top := list "frontend" "prefill" "decode" "encode" "etcd" "nats" "preflight" "networkPolicy" }}
{{- range $key := keys .Values.global | sortAlpha }}
{{- if not (has $key $known) }}
global.{{ $key }}: {{ if has $key $top }}it stands beside global, not in it: write {{ $key }}{{ else }}there is no such value: {{ with include "dynamo-disagg.validate.nearest" (dict "word" $key "known" $known "atLeast" 450) }}write global.{{ . }}{{ else }}remove it{{ end }}{{ end }}
{{- end }}
{{- end }}
{{- /* Helm lays global over a component's own copy, so that only what global has not is seen here. */}}
{{- range $component := prepend (include "dynamo-disagg.roles" . | fromJsonArray) "frontend" }}
{{- with (get $.Values $component).global }}
{{- if ne (toJson .) (toJson $.Values.global) }}
{{ $component }}.global: global is for all components alike: write it in global
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dynamo-disagg.validate.names" -}}
{{- $name := include "dynamo-disagg.fullname" . }}
{{- /* Of a LeaderWorkerSet <name>-0-<revision>-prefill, for which its controller makes StatefulSets <that>-<worker>. */}}
{{- $room := ternary 30 34 (eq "true" (include "dynamo-disagg.isSet" .)) }}
{{- if gt (len $name) $room }}
release name: "{{ $name }}" has {{ len $name }} characters, and the names of objects and their pods leave room for {{ $room }}: choose a shorter release name, or {{ if .Values.global.fullnameOverride }}a shorter global.fullnameOverride{{ else }}set global.fullnameOverride, which takes its place{{ with .Values.global.nameOverride }}, and remove global.nameOverride{{ end }}{{ end }}
{{- end }}
{{- if and .Values.global.nameOverride .Values.global.fullnameOverride }}
global.nameOverride: global.fullnameOverride takes its place: remove one of the two
{{- end }}
{{- /* Two copies in one wrapping chart cannot see each other's values, and the release is the same for both. */}}
{{- $taken := get .Release "dynamoDisaggNames" | default dict }}
{{- $other := get $taken $name | default .Chart.Name }}
{{- if ne $other .Chart.Name }}
global.nameOverride: {{ $other }} and {{ .Chart.Name }} are two copies of this chart whose objects would have the same names, {{ $name }}-...: write another one for each, such as {{ .Chart.Name }}.global.nameOverride={{ .Chart.Name }}
{{- end }}
{{- $_ := set .Release "dynamoDisaggNames" (set $taken $name .Chart.Name) }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
release name: "{{ $name }}" cannot name a Service: begin with a letter and use only a-z, 0-9 and "-"
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.account: a service account that is not the chart's to make or to describe. */}}
{{- define "dynamo-disagg.validate.account" -}}
{{- with .Values.global.serviceAccount }}
{{- if and .create (eq .name "default") }}
global.serviceAccount.name: Kubernetes makes the account "default" in each namespace: set global.serviceAccount.create=false to use it, or choose another name
{{- end }}
{{- if and (not .create) .annotations }}
global.serviceAccount.annotations: the chart does not make this account, so nothing would set them: annotate it yourself, or set global.serviceAccount.create=true
{{- end }}
{{- end }}
{{- with .Values.preflight }}
{{- $own := include "dynamo-disagg.serviceAccountName" $ }}
{{- if and .enabled $.Values.global.serviceAccount.create }}
{{- if eq .serviceAccountName $own }}
preflight.serviceAccountName: the chart makes the account {{ $own }} after the preflight: name one that exists, or remove it
{{- else if and (not .serviceAccountName) (eq $own (include "dynamo-disagg.name" (dict "root" $ "component" "preflight"))) }}
global.serviceAccount.name: the preflight's own account is {{ $own }}: choose another name, or set preflight.serviceAccountName
{{- end }}
{{- end }}
{{- end }}
{{- end }}
