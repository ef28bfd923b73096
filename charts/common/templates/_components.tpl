{{/*
The parts of a release. Each is a subchart, and its context, with the values as the subchart itself sees them, is
.Subcharts.<name> of the root chart's context. That of etcd or NATS is missing where it is not enabled.
*/}}

{{/*
dynamo-disagg.filled: what a values file has left without an entry (`env:` with all lines below commented out) is an empty map or list.
Every object of a chart asks for it first. in: component or root context, whose .Values it completes, once
*/}}
{{- define "dynamo-disagg.filled" -}}
{{- if not (hasKey . "filled") }}
{{- $_ := set . "filled" true }}
{{- /* An encoder is one process with one GPU, and no scaler knows its load. */}}
{{- if eq .Chart.Name "encode" }}
{{- $_ := set $ "refused" (keys (pick .Values "autoscaling" "parallelism" "exclusiveTopologyKey") | sortAlpha) }}
{{- $_ := unset .Values "exclusiveTopologyKey" }}
{{- $_ := set .Values "parallelism" (dict "tensor" 1 "pipeline" 1 "data" 1 "expert" 1) }}
{{- $_ := set .Values "autoscaling" (dict "enabled" false) }}
{{- end }}
{{- if hasKey .Values "terminationGracePeriodSeconds" }}
{{- $maps := list "env" "labels" "annotations" "podLabels" "podAnnotations" "podSecurityContext" "securityContext" "nodeSelector" "affinity" }}
{{- if eq .Chart.Name "frontend" }}{{ $maps = concat $maps (list "volumes" "args") }}{{ end }}
{{- if has .Chart.Name (include "dynamo-disagg.roles" . | fromJsonArray) }}{{ $maps = concat $maps (list "volumes" "engineArgs") }}{{ end }}
{{- range $key := $maps }}
{{- if not (get $.Values $key) }}{{ $_ := set $.Values $key dict }}{{ end }}
{{- end }}
{{- range $key := list "extraArgs" "tolerations" "topologySpreadConstraints" }}
{{- if not (get $.Values $key) }}{{ $_ := set $.Values $key list }}{{ end }}
{{- end }}
{{- /* Where a scaler owns the number, its least is what all rules and sums go by. */}}
{{- with .Values.autoscaling }}
{{- $_ := set $ "askedReplicas" $.Values.replicas }}
{{- if .enabled }}{{ $_ := set $.Values "replicas" .minReplicas }}{{ end }}
{{- end }}
{{- end }}
{{- /* Only the root chart sees all pools. */}}
{{- with .Values.encode }}
{{- range $.Subcharts }}{{ $_ := set . "encodes" (gt (int $.Values.encode.replicas) 0) }}{{ end }}
{{- end }}
{{- with .Values.global }}
{{- range $block := list (list . "labels" "annotations" "env" "hardwareSpec" "podSecurityContext" "securityContext") (list .engine "args") (list .serviceAccount "annotations") (list .kvTransfer "extraConfig") }}
{{- range $key := rest $block }}{{ if not (get (first $block) $key) }}{{ $_ := set (first $block) $key dict }}{{ end }}{{ end }}
{{- end }}
{{- range $block := list (list . "imagePullSecrets") (list .discovery "etcdEndpoints") (list .kvTransfer "offloadConnectors") }}
{{- range $key := rest $block }}{{ if not (get (first $block) $key) }}{{ $_ := set (first $block) $key list }}{{ end }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.replicas: the field of a workload, or nothing where a scaler owns it. in: component context */}}
{{- define "dynamo-disagg.replicas" -}}
{{- if not .Values.autoscaling.enabled }}replicas: {{ int64 .Values.replicas }}{{ end }}
{{- end }}

{{/* dynamo-disagg.roles: what workers can be. out: JSON list */}}
{{- define "dynamo-disagg.roles" -}}
["prefill", "decode", "encode"]
{{- end }}

{{/* dynamo-disagg.pools: the roles that have a pool with these values. in: root chart's context; out: JSON list */}}
{{- define "dynamo-disagg.pools" -}}
{{- $roles := include "dynamo-disagg.roles" . | fromJsonArray }}
{{- if eq .Values.global.serving "aggregated" }}{{ $roles = without $roles "prefill" }}{{ end }}
{{- if eq (int .Values.encode.replicas) 0 }}{{ $roles = without $roles "encode" }}{{ end }}
{{- toJson $roles }}
{{- end }}

{{/* dynamo-disagg.components: the parts of a release that exist with these values. in: root chart's context; out: JSON list */}}
{{- define "dynamo-disagg.components" -}}
{{- $found := prepend (include "dynamo-disagg.pools" . | fromJsonArray) "frontend" }}
{{- range list "etcd" "nats" }}{{ if hasKey $.Subcharts . }}{{ $found = append $found . }}{{ end }}{{ end }}
{{- toJson $found }}
{{- end }}
