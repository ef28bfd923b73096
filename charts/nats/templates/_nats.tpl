{{/* nats.peers: name of the headless Service that gives every server an address of its own. in: component context */}}
{{- define "nats.peers" -}}
{{ include "common.name" (dict "root" . "component" "nats") }}-peers
{{- end }}

{{/* nats.lameDuckSeconds: how long a stopping server takes to send its clients to the others; 15 s are left to exit. */}}
{{- define "nats.lameDuckSeconds" -}}
{{ sub .Values.terminationGracePeriodSeconds 15 }}
{{- end }}

{{/* nats.config: nats.conf, in its JSON form. in: component context */}}
{{- define "nats.config" -}}
{{- $name := include "common.name" (dict "root" . "component" "nats") }}
{{- $config := dict "port" 4222 "http_port" 8222 "max_payload" (mul .Values.maxPayloadMiB 1048576) }}
{{- if gt (int .Values.replicas) 1 }}
{{- $routes := list }}
{{- range until (int .Values.replicas) }}
{{- $routes = append $routes (printf "nats://%s-%d.%s.%s.svc:6222" $name . (include "nats.peers" $) $.Release.Namespace) }}
{{- end }}
{{- $_ := set $config "cluster" (dict "name" (printf "%s-%s" .Release.Namespace (include "common.fullname" .)) "port" 6222 "routes" $routes) }}
{{- $_ := set $config "pid_file" "/run/nats/nats.pid" }}
{{- $_ := set $config "lame_duck_grace_period" "10s" }}
{{- $_ := set $config "lame_duck_duration" (printf "%ss" (include "nats.lameDuckSeconds" .)) }}
{{- end }}
{{- if .Values.jetstream.enabled }}
{{- /* The server would allow itself three quarters of the node's memory. */}}
{{- $_ := set $config "jetstream" (dict "store_dir" "/data" "max_memory_store" (mul .Values.jetstream.memoryMiB 1048576)) }}
{{- end }}
{{- toPrettyJson $config }}
{{- end }}

{{/* nats.volumes: "true" when JetStream keeps its streams on persistent volumes, else empty. in: component context */}}
{{- define "nats.volumes" -}}
{{- if and .Values.jetstream.enabled .Values.persistence.enabled }}true{{ end }}
{{- end }}

{{/*
nats.fixed: what a running release cannot change, in words. It is stored in the cluster, so it must not be reworded.
in:  component context
*/}}
{{- define "nats.fixed" -}}
{{- with .Values.persistence }}
{{- if include "nats.volumes" $ }}{{ $.Values.replicas }} server(s) on volumes of {{ .size }}, class {{ .storageClass | default "default" }}, {{ join "+" .accessModes }}{{ else }}no volumes{{ end }}
{{- end }}
{{- end }}

{{/*
nats.problems: rules that need two values or the cluster, one line a problem as in common.validate.
in:  component context
*/}}
{{- define "nats.problems" -}}
{{- if hasKey .Values.env "POD_NAME" }}
nats.env.POD_NAME: the chart sets this variable: remove it
{{- end }}
{{- $name := include "common.name" (dict "root" . "component" "nats") }}
{{- with lookup "apps/v1" "StatefulSet" .Release.Namespace $name }}
{{- $before := dig "metadata" "annotations" "dynamo-disagg/fixed" "" . }}
{{- $after := include "nats.fixed" $ }}
{{- if ne $before $after }}
nats.replicas, nats.jetstream, nats.persistence: fixed while streams are on volumes: StatefulSet {{ $name }} runs {{ $before | default "something else" }}, the values say {{ $after }}: keep them, or run "kubectl -n {{ $.Release.Namespace }} delete statefulset,pvc -l app.kubernetes.io/instance={{ include "common.fullname" $ }},app.kubernetes.io/component=nats" and then upgrade (streams and requests in flight are lost)
{{- end }}
{{- end }}
{{- end }}
