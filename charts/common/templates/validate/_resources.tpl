{{/* common.quantity: a Kubernetes quantity as a number. in: "500m", "16Gi", "1e3", 2 */}}
{{- define "common.quantity" -}}
{{- $text := toString . }}
{{- $number := regexFind "^[0-9.]+([eE][+-]?[0-9]+)?" $text }}
{{- $units := dict "" 1 "n" 1e-9 "u" 1e-6 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 }}
{{- mulf (float64 $number) (get $units (trimPrefix $number $text)) }}
{{- end }}

{{/* common.exceeds: "true" where one amount is above another, both given; else empty. in: list of the two */}}
{{- define "common.exceeds" -}}
{{- $one := index . 0 }}{{ $other := index . 1 }}
{{- if not (or (has (toString $one) (list "" "<nil>")) (has (toString $other) (list "" "<nil>"))) }}
{{- if gt (include "common.quantity" $one | float64) (include "common.quantity" $other | float64) }}true{{ end }}
{{- end }}
{{- end }}

{{/*
common.validate.resources: amounts of CPU and memory that contradict each other. The API server would refuse some of
them after other objects were created.
*/}}
{{- define "common.validate.resources" -}}
{{- $simulated := .Values.global.simulation.enabled }}
{{- $resources := dict }}
{{- $sizes := dict }}
{{- if $simulated }}{{ $_ := set $resources "global.simulation.resources" .Values.global.simulation.resources }}{{ end }}
{{- if .Values.preflight.enabled }}{{ $_ := set $resources "preflight.resources" .Values.preflight.resources }}{{ end }}
{{- with (include "common.model" . | fromYaml).download }}{{ $_ := set $resources "global.model.source.huggingface.download.resources" .resources }}{{ end }}
{{- range $component := include "common.components" . | fromYamlArray }}
{{- $values := get $.Values $component }}
{{- with $values.sharedMemory }}{{ $_ := set $sizes (printf "%s.sharedMemory" $component) . }}{{ end }}
{{- with $values.persistence }}{{ $_ := set $sizes (printf "%s.persistence.size" $component) .size }}{{ end }}
{{- if not (and $simulated (has $component (list "frontend" "prefill" "decode"))) }}
{{- $_ := set $resources (printf "%s.resources" $component) $values.resources }}
{{- $memory := get ($values.resources.limits | default dict) "memory" }}
{{- with $values.sharedMemory }}
{{- if include "common.exceeds" (list . $memory) }}
{{ $component }}.sharedMemory: /dev/shm counts against the memory limit, and {{ include "common.args.value" . }} is above its {{ include "common.args.value" $memory }}: lower it, or raise {{ $component }}.resources.limits.memory
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $amounts := $resources }}
{{- $limits := $amounts.limits | default dict }}
{{- range $name, $request := $amounts.requests | default dict }}
{{- $limit := get $limits $name }}
{{- if kindIs "invalid" $request }}
{{- else if hasPrefix "hugepages-" $name }}
{{- if or (has (toString $limit) (list "" "<nil>")) (include "common.exceeds" (list $request $limit)) (include "common.exceeds" (list $limit $request)) }}
{{ $where }}.requests.{{ $name }}: huge pages cannot be overcommitted: write the same {{ include "common.args.value" $request }} in {{ $where }}.limits.{{ $name }}
{{- end }}
{{- else if include "common.exceeds" (list $request $limit) }}
{{ $where }}.requests.{{ $name }}: {{ include "common.args.value" $request }} is above the limit of {{ include "common.args.value" $limit }}: lower it, or raise {{ $where }}.limits.{{ $name }}
{{- end }}
{{- end }}
{{- range $kind, $of := $amounts }}
{{- range $name, $amount := $of }}
{{- if and (ne $name "cpu") (include "common.exceeds" (list $amount 0)) }}{{ $_ := set $sizes (printf "%s.%s.%s" $where $kind $name) $amount }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{ include "common.validate.storage" (dict "root" . "sizes" $sizes) }}
{{- range $where, $size := $sizes }}
{{- $text := include "common.args.value" $size }}
{{- $bytes := include "common.quantity" $size | float64 }}
{{- if lt $bytes 1048576.0 }}
{{ $where }}: {{ $text }} is {{ include "common.args.value" $bytes }} bytes: write a larger unit, e.g. {{ regexFind "^[0-9.]+" $text }}{{ ternary "Gi" "Mi" (regexMatch "^[0-9.]+$" $text) }}
{{- end }}
{{- end }}
{{- with .Values.nats }}
{{- $memory := get (.resources.limits | default dict) "memory" }}
{{- if and .enabled .jetstream.enabled (include "common.exceeds" (list (mulf .jetstream.memoryMiB 1048576) $memory)) }}
nats.jetstream.memoryMiB: streams of {{ .jetstream.memoryMiB }} MiB do not fit into the memory limit of {{ $memory }}: lower it, or raise nats.resources.limits.memory
{{- end }}
{{- end }}
{{- end }}

{{/*
common.validate.storage: volumes for the weights that are smaller than these. in: dict "root" "sizes" of common.validate.resources,
to which it adds those of the volumes
*/}}
{{- define "common.validate.storage" -}}
{{- $sizes := .sizes }}
{{- with .root.Values.global }}
{{- $model := include "common.model" $.root | fromYaml }}
{{- $bytes := mulf 1073741824 .model.sizeGiB }}
{{- $holders := dict }}
{{- with $model.claim }}{{ if .size }}{{ $_ := set $holders (printf "%s.create.size" .where) .size }}{{ end }}{{ end }}
{{- if hasKey ($model.volumes | default dict) "model-cache" }}
{{- with .model.source.huggingface.cache }}
{{- if not (or .claimName .create.enabled) }}
{{- with .sizeLimit }}{{ $_ := set $holders "global.model.source.huggingface.cache.sizeLimit" . }}{{ end }}
{{- range $role := without (include "common.components" $.root | fromYamlArray) "frontend" "etcd" "nats" }}
{{- with get ((get $.root.Values $role).resources.limits | default dict) "ephemeral-storage" }}{{ $_ := set $holders (printf "%s.resources.limits.ephemeral-storage" $role) . }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $size := $holders }}
{{- $_ := set $sizes $where $size }}
{{- if include "common.exceeds" (list $bytes $size) }}
{{ $where }}: {{ include "common.args.value" $size }} cannot hold the model's {{ $.root.Values.global.model.sizeGiB }} GiB: raise it, or correct global.model.sizeGiB
{{- end }}
{{- end }}
{{- end }}
{{- end }}
