{{/* dynamo-disagg.validate.autoscaling: scalers that could not work, or would not be obeyed. */}}
{{- define "dynamo-disagg.validate.autoscaling" -}}
{{- $scaled := list }}
{{- range $component := prepend (include "dynamo-disagg.pools" . | fromJsonArray) "frontend" }}
{{- $pool := get $.Subcharts $component }}
{{- $_ := include "dynamo-disagg.filled" $pool }}
{{- with $pool.Values.autoscaling }}
{{- if .enabled }}
{{- if lt (int .maxReplicas) (int .minReplicas) }}
{{ $component }}.autoscaling.maxReplicas: {{ .maxReplicas }} is less than minReplicas {{ .minReplicas }}: raise it
{{- end }}
{{- if not (has (int $pool.askedReplicas) (list 1 (int .minReplicas))) }}
{{ $component }}.replicas: a scaler owns the number of pods, so {{ $pool.askedReplicas }} would be ignored: remove it, and set {{ $component }}.autoscaling.minReplicas={{ $pool.askedReplicas }}
{{- end }}
{{- if eq $component "frontend" }}
{{ include "dynamo-disagg.validate.autoscaling.cpu" $ }}
{{- else }}
{{- $scaled = append $scaled $component }}
{{- if and (gt (include "dynamo-disagg.worker.nodes" $pool | int) 1) (eq $.Values.global.multiNode.controller "statefulset") }}
{{ $component }}.autoscaling.enabled: a worker of several nodes is a StatefulSet for each rank, and a scaler changes one of them only: set global.multiNode.controller=lws, or {{ $component }}.autoscaling.enabled=false
{{- end }}
{{- if include "dynamo-disagg.isSet" $ }}
{{ $component }}.autoscaling.enabled: the number of a role's workers is the DisaggregatedSet's own, which no scaler may change before LeaderWorkerSet 0.10: set global.multiNode.controller=lws, or {{ $component }}.autoscaling.enabled=false
{{- end }}
{{- if and (eq $component "decode") (gt (int .target) 90) }}
decode.autoscaling.target: a worker is added when the load is a tenth above the target, and more than 100 percent of a KV cache are never in use: write 90 or less
{{- end }}
{{- if and .otherRolePerWorker (eq $.Values.global.serving "aggregated") }}
decode.autoscaling.otherRolePerWorker: aggregated serving has no other role: remove it
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with $scaled }}
{{- $where := printf "%s.autoscaling.enabled" (first .) }}
{{- if not $.Values.autoscaling.prometheusUrl }}
autoscaling.prometheusUrl: workers are scaled by the frontends' metrics ({{ $where }}): name the Prometheus that has them, e.g. http://prometheus-operated.monitoring:9090
{{- end }}
{{- if ne $.Values.global.router.mode "kv" }}
{{ $where }}: only a kv router measures the load of workers: set global.router.mode=kv, or {{ $where }}=false
{{- end }}
{{- if hasKey $.Values.frontend.args "metrics-prefix" }}
frontend.args.metrics-prefix: Dynamo renames a part of the metrics by which {{ join " and " . }} are scaled: remove it
{{- end }}
{{- end }}
{{ include "dynamo-disagg.validate.autoscaling.ratio" . }}
{{- with .Values.frontend.rejection }}
{{- $refuses := dict "prefill" (list "promptTokens" .promptTokens 16000) "decode" (list "kvUsagePercent" .kvUsagePercent 70) }}
{{- range $role := $scaled }}
{{- $rule := get $refuses $role }}
{{- $target := (get $.Values $role).autoscaling.target | default (index $rule 2) | int64 }}
{{- /* A HorizontalPodAutoscaler, which KEDA makes of it, lets a tenth above the target pass. */}}
{{- $adds := div (mul 11 $target) 10 }}
{{- if and (index $rule 1) (le (int64 (index $rule 1)) $adds) }}
frontend.rejection.{{ first $rule }}: from {{ int64 (index $rule 1) }} on requests are refused, and the scaler adds a worker above {{ $adds }} only (a tenth more than {{ $role }}.autoscaling.target, {{ $target }}), so that it never would: raise it, or lower {{ $role }}.autoscaling.target
{{- end }}
{{- end }}
{{- range $key, $value := . }}
{{- if and $value (ne $.Values.global.router.mode "kv") }}
frontend.rejection.{{ $key }}: only a kv router knows the load of workers: set global.router.mode=kv, or remove it
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.autoscaling.cpu: the frontends' scaler goes by the CPU in use as a share of what is requested, and does nothing where a
container that runs requests none. in: root context
*/}}
{{- define "dynamo-disagg.validate.autoscaling.cpu" -}}
{{- $simulation := .Values.global.simulation }}
{{- $containers := ternary (dict "global.simulation.resources" $simulation.resources) (dict "frontend.resources" .Values.frontend.resources) $simulation.enabled }}
{{- range $index, $container := .Values.frontend.initContainers }}
{{- if eq (.restartPolicy | default "") "Always" }}{{ $_ := set $containers (printf "frontend.initContainers[%d].resources" $index) (.resources | default dict) }}{{ end }}
{{- end }}
{{- range $where, $of := $containers }}
{{- $cpu := get ($of.limits | default dict) "cpu" }}
{{- with $of.requests }}{{ if not (kindIs "invalid" .cpu) }}{{ $cpu = .cpu }}{{ end }}{{ end }}
{{- if not (include "dynamo-disagg.validate.exceeds" (list $cpu 0)) }}
{{ $where }}.requests.cpu: frontend.autoscaling goes by the share in use of what every container of the pod asks for, and this one asks for nothing: write it, e.g. 100m, or set frontend.autoscaling.enabled=false
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.autoscaling.ratio: a ratio of the roles that the scalers cannot keep, or that keeps their numbers up for ever. in: root context
*/}}
{{- define "dynamo-disagg.validate.autoscaling.ratio" -}}
{{- $asks := dict }}
{{- range $role, $other := dict "prefill" "decode" "decode" "prefill" }}
{{- with (get $.Subcharts $role).Values.autoscaling }}
{{- if and .enabled .otherRolePerWorker (eq $.Values.global.serving "disaggregated") }}
{{- $_ := set $asks $role (int .otherRolePerWorker) }}
{{- $others := (get $.Subcharts $other).Values }}
{{- $where := ternary (printf "%s.autoscaling.maxReplicas" $other) (printf "%s.replicas" $other) $others.autoscaling.enabled }}
{{- $most := ternary $others.autoscaling.maxReplicas $others.replicas $others.autoscaling.enabled | int }}
{{- $wants := div (add $most (sub .otherRolePerWorker 1)) .otherRolePerWorker | int }}
{{- if gt $wants (int .maxReplicas) }}
{{ $role }}.autoscaling.otherRolePerWorker: {{ $where }} {{ $most }} would ask for {{ $wants }} of {{ $role }}, and {{ $role }}.autoscaling.maxReplicas allows {{ .maxReplicas }}: raise it to {{ $wants }}, or write a larger otherRolePerWorker
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq (get $asks "prefill" | int) 1) (eq (get $asks "decode" | int) 1) }}
prefill.autoscaling.otherRolePerWorker, decode.autoscaling.otherRolePerWorker: with 1 and 1 each role keeps the other at its own number, so that none ever gets smaller: remove one of the two, or write 2 or more
{{- end }}
{{- end }}
