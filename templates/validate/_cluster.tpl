{{/* dynamo-disagg.validate.seesCluster: "true" where objects can be looked up, else empty; see dynamo-disagg.validate.cluster */}}
{{- define "dynamo-disagg.validate.seesCluster" -}}
{{- if and .Values.global.clusterChecks (hasKey (lookup "v1" "ServiceAccount" .Release.Namespace "") "items") }}true{{ end }}
{{- end }}

{{/*
dynamo-disagg.validate.cluster: objects the release names must exist. `helm template` and GitOps renderers have no
cluster; lookup then finds no service accounts at all, and every real namespace can list them.
*/}}
{{- define "dynamo-disagg.validate.cluster" -}}
{{- if include "dynamo-disagg.validate.seesCluster" . }}
{{- range include "dynamo-disagg.needs" . | fromJsonArray }}
{{- $object := lookup "v1" .kind $.Release.Namespace .name }}
{{- if not $object }}
{{ .value }}: there is no {{ .kind }} "{{ .name }}" in namespace {{ $.Release.Namespace }}: create it
{{- if .command }} ({{ .command }}){{ else if eq .kind "Secret" }} (kubectl -n {{ $.Release.Namespace }} create secret {{ if .pull }}docker-registry {{ .name }} ...{{ else }}generic {{ .name }}{{ range .keys | default (list (.key | default "<key>")) }} --from-literal={{ . }}=...{{ end }}{{ end }}){{ end }}, or set global.clusterChecks=false
{{- else if .certificate }}
{{- $secret := .name }}
{{- range list "tls.crt" "tls.key" "ca.crt" }}
{{- $text := get ($object.data | default dict) . | b64dec }}
{{- if not (regexMatch (ternary "-----BEGIN [A-Z ]*PRIVATE KEY-----" "-----BEGIN CERTIFICATE-----" (eq . "tls.key")) $text) }}
global.tls.secretName: {{ . }} of Secret "{{ $secret }}" is {{ ternary "no PEM" "missing" (ne $text "") }} (it has: {{ keys ($object.data | default dict) | sortAlpha | join ", " }}): all three of tls.crt, tls.key and ca.crt are needed, as PEM
{{- else if contains "ENCRYPTED" $text }}
global.tls.secretName: tls.key of Secret "{{ $secret }}" has a passphrase, which nothing asks for: store it without
{{- end }}
{{- end }}
{{- else }}
{{- $need := . }}
{{- range .keys | default (list .key) }}
{{- $of := $object.data | default dict }}
{{- if and . (hasKey $of .) (not (get $of .)) }}
{{ $need.value }}: Secret "{{ $need.name }}" has nothing under its key "{{ . }}": write it
{{- else if and . (not (hasKey $of .)) }}
{{ $need.value }}: Secret "{{ $need.name }}" has no key "{{ . }}" (it has: {{ keys ($object.data | default dict) | sortAlpha | join ", " }}): add it{{ if and $need.key (not $need.command) }}, or set {{ $need.value }}.key{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.apis: kinds that come with a controller, which the cluster must have. */}}
{{- define "dynamo-disagg.validate.apis" -}}
{{- if include "dynamo-disagg.validate.seesCluster" . }}
{{- $needs := list }}
{{- $hardware := include "dynamo-disagg.worker.hardware" . | fromJson }}
{{- if include "dynamo-disagg.isSet" . }}
{{- $needs = append $needs (dict "api" "disaggregatedset.x-k8s.io/v1/DisaggregatedSet" "where" "global.multiNode.controller") }}
{{- end }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- if include "dynamo-disagg.worker.runByLws" (get $.Subcharts $role) }}
{{- $needs = append $needs (dict "api" "leaderworkerset.x-k8s.io/v1/LeaderWorkerSet" "where" "global.multiNode.controller") }}
{{- end }}
{{- end }}
{{- if $hardware.computeDomain }}
{{- $needs = append $needs (dict "api" "resource.nvidia.com/v1beta1/ComputeDomain" "where" "global.hardware") }}
{{- end }}
{{- if omit $hardware.claims "compute-domain" }}
{{- $needs = append $needs (dict "api" "resource.k8s.io/v1/ResourceClaimTemplate" "where" "global.hardware") }}
{{- end }}
{{- if .Values.frontend.httpRoute.enabled }}
{{- $needs = append $needs (dict "api" "gateway.networking.k8s.io/v1/HTTPRoute" "where" "frontend.httpRoute.enabled") }}
{{- end }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- if (get $.Values $role).autoscaling.enabled }}
{{- $needs = append $needs (dict "api" "keda.sh/v1alpha1/ScaledObject" "where" (printf "%s.autoscaling.enabled" $role)) }}
{{- end }}
{{- end }}
{{- range $value, $kind := dict "podMonitor" "PodMonitor" "rules" "PrometheusRule" }}
{{- if (get $.Values.metrics $value).enabled }}
{{- $needs = append $needs (dict "api" (printf "monitoring.coreos.com/v1/%s" $kind) "where" (printf "metrics.%s.enabled" $value)) }}
{{- end }}
{{- end }}
{{- $fixes := include "dynamo-disagg.apiFixes" . | fromYaml }}
{{- range $needs }}
{{- if not ($.Capabilities.APIVersions.Has .api) }}
{{ .where }}: the cluster has no {{ last (splitList "/" .api) }} ({{ .api | dir }}): {{ get $fixes (.api | dir | dir) }}; global.clusterChecks=false skips this check
{{- end }}
{{- end }}
{{- end }}
{{- end }}
