{{/* common.quantity: a Kubernetes quantity as a number. in: "500m", "16Gi", 2 */}}
{{- define "common.quantity" -}}
{{- $text := toString . }}
{{- $unit := regexFind "[A-Za-z]*$" $text }}
{{- $units := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 }}
{{- /* Helm parses large plain numbers as floats: 1e+06 */}}
{{- if regexMatch "e[+-]?[0-9]+$" $text }}{{ $text }}{{ else }}{{ mulf (trimSuffix $unit $text | float64) (get $units $unit) }}{{ end }}
{{- end }}

{{/*
common.validate.resources: amounts of CPU and memory that contradict each other. The API server would refuse some of
them after other objects were created.
*/}}
{{- define "common.validate.resources" -}}
{{- $simulated := .Values.global.simulation.enabled }}
{{- $resources := dict }}
{{- if $simulated }}{{ $_ := set $resources "global.simulation.resources" .Values.global.simulation.resources }}{{ end }}
{{- range $component := include "common.components" . | fromYamlArray }}
{{- if not (and $simulated (has $component (list "frontend" "prefill" "decode"))) }}
{{- $values := get $.Values $component }}
{{- $_ := set $resources (printf "%s.resources" $component) $values.resources }}
{{- $memory := get ($values.resources.limits | default dict) "memory" }}
{{- with $values.sharedMemory }}
{{- if and $memory (gt (include "common.quantity" . | float64) (include "common.quantity" $memory | float64)) }}
{{ $component }}.sharedMemory: /dev/shm counts against the memory limit, and {{ . }} is above its {{ $memory }}: lower it, or raise {{ $component }}.resources.limits.memory
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $amounts := $resources }}
{{- $limits := $amounts.limits | default dict }}
{{- range $name, $request := $amounts.requests | default dict }}
{{- $limit := get $limits $name }}
{{- if hasPrefix "hugepages-" $name }}
{{- if ne (toString $limit) (toString $request) }}
{{ $where }}.requests.{{ $name }}: huge pages cannot be overcommitted: write the same {{ $request }} in {{ $where }}.limits.{{ $name }}
{{- end }}
{{- else if and $limit (gt (include "common.quantity" $request | float64) (include "common.quantity" $limit | float64)) }}
{{ $where }}.requests.{{ $name }}: {{ $request }} is above the limit of {{ $limit }}: lower it, or raise {{ $where }}.limits.{{ $name }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.nats }}
{{- $memory := get (.resources.limits | default dict) "memory" }}
{{- if and .enabled .jetstream.enabled $memory (gt (mulf .jetstream.memoryMiB 1048576) (include "common.quantity" $memory | float64)) }}
nats.jetstream.memoryMiB: streams of {{ .jetstream.memoryMiB }} MiB do not fit into the memory limit of {{ $memory }}: lower it, or raise nats.resources.limits.memory
{{- end }}
{{- end }}
{{- end }}
