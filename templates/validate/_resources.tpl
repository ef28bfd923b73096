{{/*
dynamo-disagg.validate.resources: amounts of CPU and memory that contradict each other. The API server would refuse some of
them after other objects were created.
*/}}
{{- define "dynamo-disagg.validate.resources" -}}
{{- $simulated := .Values.global.simulation.enabled }}
{{- $resources := dict "test.resources" .Values.test.resources }}
{{- $sizes := dict }}
{{- if $simulated }}{{ $_ := set $resources "global.simulation.resources" .Values.global.simulation.resources }}{{ end }}
{{- if .Values.preflight.enabled }}{{ $_ := set $resources "preflight.resources" .Values.preflight.resources }}{{ end }}
{{- if and (or .Values.test.probe.enabled .Values.preflight.probe.enabled) (not $simulated) }}{{ $_ := set $resources "test.probe.resources" .Values.test.probe.resources }}{{ end }}
{{- if .Values.benchmark.enabled }}{{ $_ := set $resources "benchmark.resources" .Values.benchmark.resources }}{{ end }}
{{- with (include "dynamo-disagg.model" . | fromJson).download }}
{{- $where := "global.model.source.huggingface.download" }}
{{- $_ := set $resources (printf "%s.resources" $where) .resources }}
{{ include "dynamo-disagg.validate.resources.folders" (dict "where" $where "volumes" .volumes "resources" .resources) }}
{{- end }}
{{- range $component := include "dynamo-disagg.components" . | fromJsonArray }}
{{- $values := get $.Values $component }}
{{- with $values.sharedMemory }}{{ $_ := set $sizes (printf "%s.sharedMemory" $component) . }}{{ end }}
{{ include "dynamo-disagg.validate.resources.folders" (dict "where" $component "volumes" $values.volumes "resources" $values.resources) }}
{{- with $values.persistence }}{{ $_ := set $sizes (printf "%s.persistence.size" $component) .size }}{{ end }}
{{- if not (and $simulated (not (has $component (list "etcd" "nats")))) }}
{{- $_ := set $resources (printf "%s.resources" $component) $values.resources }}
{{- $memory := get ($values.resources.limits | default dict) "memory" }}
{{- with $values.sharedMemory }}
{{- if include "dynamo-disagg.validate.exceeds" (list . $memory) }}
{{ $component }}.sharedMemory: /dev/shm counts against the memory limit, and {{ include "dynamo-disagg.args.value" . }} is above its {{ include "dynamo-disagg.args.value" $memory }}: lower it, or raise {{ $component }}.resources.limits.memory
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $size := $sizes }}{{ include "dynamo-disagg.validate.amount" (dict "where" $where "amount" $size) }}{{ end }}
{{- range $where, $amounts := $resources }}
{{- range $kind, $of := $amounts }}
{{- range $name, $amount := $of }}
{{- if contains "/" $name }}
{{ $where }}.{{ $kind }}.{{ $name }}: GPUs follow from a worker's parallelism, and other devices from the machine type: remove it, or name it in global.hardwareSpec.rdma.extendedResources
{{- else }}
{{ include "dynamo-disagg.validate.amount" (dict "where" (printf "%s.%s.%s" $where $kind $name) "amount" $amount) }}
{{- end }}
{{- end }}
{{- end }}
{{ include "dynamo-disagg.validate.resources.requests" (dict "where" $where "amounts" $amounts) }}
{{- range $kind, $of := $amounts }}
{{- range $name, $amount := $of }}
{{- if and (ne $name "cpu") (not (contains "/" $name)) (include "dynamo-disagg.validate.exceeds" (list $amount 0)) }}
{{- $_ := set $sizes (printf "%s.%s.%s" $where $kind $name) $amount }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{ include "dynamo-disagg.validate.storage" (dict "root" . "sizes" $sizes) }}
{{- range $where, $size := $sizes }}
{{- $text := include "dynamo-disagg.args.value" $size }}
{{- $quantity := include "dynamo-disagg.validate.quantity" $size }}
{{- $bytes := $quantity | default "1048576" | float64 }}
{{- if regexMatch "^(prefill|decode|encode)[.]resources[.]limits[.]memory$" $where }}
{{- if and (ge $bytes 1048576.0) (lt $bytes 1073741824.0) $quantity }}
{{ $where }}: {{ $text }} is less than an engine takes before it has a model: write {{ regexFind "^[0-9.]+" $text }}Gi
{{- end }}
{{- end }}
{{- if lt $bytes 1048576.0 }}
{{ $where }}: {{ $text }} is {{ include "dynamo-disagg.args.value" $bytes }} bytes: write a larger unit, e.g. {{ regexFind "^[0-9.]+" $text }}{{ ternary "Gi" "Mi" (regexMatch "^[0-9.]+$" $text) }}
{{- end }}
{{- end }}
{{- with .Values.nats }}
{{- $memory := get (.resources.limits | default dict) "memory" }}
{{- if and .enabled .jetstream.enabled (include "dynamo-disagg.validate.exceeds" (list (mulf .jetstream.memoryMiB 1048576) $memory)) }}
nats.jetstream.memoryMiB: streams of {{ .jetstream.memoryMiB }} MiB do not fit into the memory limit of {{ $memory }}: lower it, or raise nats.resources.limits.memory
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.resources.folders: emptyDirs in memory that the container has not. in: dict "where" of the volumes and resources "volumes" "resources" */}}
{{- define "dynamo-disagg.validate.resources.folders" -}}
{{- $limits := .resources.limits | default dict }}
{{- range $name, $volume := .volumes }}
{{- with $volume }}
{{- $folder := (.source | default dict).emptyDir | default dict }}
{{- if and (eq (toString $folder.medium) "Memory") (include "dynamo-disagg.validate.exceeds" (list $folder.sizeLimit (get $limits "memory"))) }}
{{ $.where }}.volumes.{{ $name }}.source.emptyDir.sizeLimit: a folder in memory counts against the memory limit, and {{ $folder.sizeLimit }} is above its {{ $limits.memory }}: lower it, or raise {{ $.where }}.resources.limits.memory
{{- else if hasPrefix "HugePages" (toString $folder.medium) }}
{{- $pages := regexFind "-.*" $folder.medium }}
{{- $has := list }}{{ range $amount := keys $limits }}{{ if hasPrefix (printf "hugepages%s" $pages) $amount }}{{ $has = append $has $amount }}{{ end }}{{ end }}
{{- if not $has }}
{{ $.where }}.volumes.{{ $name }}.source.emptyDir.medium: the container has no huge pages{{ if $pages }} of this size{{ end }}: write {{ $.where }}.resources.limits.hugepages{{ $pages | default "-2Mi" }} and the same in requests
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.resources.requests: requests that their limits do not cover.
in: dict "where" "amounts" {requests, limits} ["devices" bool: devices may be among them]
*/}}
{{- define "dynamo-disagg.validate.resources.requests" -}}
{{- $where := .where }}{{ $devices := .devices }}
{{- $limits := .amounts.limits | default dict }}
{{- range $name, $request := .amounts.requests | default dict }}
{{- $limit := get $limits $name }}
{{- $isDevice := and $devices (contains "/" $name) }}
{{- if kindIs "invalid" $request }}
{{- else if or $isDevice (hasPrefix "hugepages-" $name) }}
{{- if or (has (toString $limit) (list "" "<nil>")) (include "dynamo-disagg.validate.exceeds" (list $request $limit)) (include "dynamo-disagg.validate.exceeds" (list $limit $request)) }}
{{ $where }}.requests.{{ $name }}: {{ ternary "devices" "huge pages" (eq (toString $isDevice) "true") }} cannot be overcommitted: write the same {{ include "dynamo-disagg.args.value" $request }} in {{ $where }}.limits.{{ $name }}
{{- end }}
{{- else if include "dynamo-disagg.validate.exceeds" (list $request $limit) }}
{{ $where }}.requests.{{ $name }}: {{ include "dynamo-disagg.args.value" $request }} is above the limit of {{ include "dynamo-disagg.args.value" $limit }}: lower it, or raise {{ $where }}.limits.{{ $name }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.storage: volumes for the weights that are smaller than these. in: dict "root" "sizes" of dynamo-disagg.validate.resources,
to which it adds those of the volumes
*/}}
{{- define "dynamo-disagg.validate.storage" -}}
{{- $sizes := .sizes }}
{{- with .root.Values.global }}
{{- $model := include "dynamo-disagg.model" $.root | fromJson }}
{{- $bytes := mulf 1073741824 .model.sizeGiB }}
{{- $holders := dict }}
{{- with $model.claim }}{{ if .size }}{{ $_ := set $holders (printf "%s.create.size" .where) .size }}{{ end }}{{ end }}
{{- if hasKey ($model.volumes | default dict) "model-cache" }}
{{- with .model.source.huggingface.cache }}
{{- if not (or .claimName .create.enabled) }}
{{- with .sizeLimit }}{{ $_ := set $holders "global.model.source.huggingface.cache.sizeLimit" . }}{{ end }}
{{- range $role := include "dynamo-disagg.pools" $.root | fromJsonArray }}
{{- with get ((get $.root.Values $role).resources.limits | default dict) "ephemeral-storage" }}
{{- $_ := set $holders (printf "%s.resources.limits.ephemeral-storage" $role) . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $size := $holders }}
{{- $_ := set $sizes $where $size }}
{{ include "dynamo-disagg.validate.amount" (dict "where" $where "amount" $size) }}
{{- if include "dynamo-disagg.validate.exceeds" (list $bytes $size) }}
{{ $where }}: {{ include "dynamo-disagg.args.value" $size }} cannot hold the model's {{ $.root.Values.global.model.sizeGiB }} GiB: raise it, or correct global.model.sizeGiB
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.quantity: what Kubernetes takes as an amount as a number, else nothing. in: "500m", "16Gi", "1e3", 2 */}}
{{- define "dynamo-disagg.validate.quantity" -}}
{{- if has (kindOf .) (list "float64" "int64" "int") }}{{ if ge (float64 .) 0.0 }}{{ mulf . 1 }}{{ end }}
{{- else if kindIs "string" . }}
{{- $text := . }}
{{- $number := regexFind "^([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?" $text }}
{{- $units := dict "" 1 "n" 1e-9 "u" 1e-6 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024
      "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 }}
{{- $unit := trimPrefix $number $text }}
{{- if and $number (hasKey $units $unit) (or (not $unit) (eq $number (lower $number | replace "e" ""))) }}{{ mulf (float64 $number) (get $units $unit) }}{{ end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.amount: what is no amount of CPU, memory or storage. in: dict "where" "amount", which may be nothing */}}
{{- define "dynamo-disagg.validate.amount" -}}
{{- $text := include "dynamo-disagg.args.value" .amount }}
{{- $isCpu := hasSuffix ".cpu" .where }}
{{- $isRight := and (include "dynamo-disagg.validate.quantity" .amount) (not (and $isCpu (regexMatch "[KMGTPE]i?$" $text))) }}
{{- if not (or (kindIs "invalid" .amount) (eq $text "") $isRight) }}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $text }}
{{- $unit := trimPrefix $number $text | trim | upper | trunc 1 }}
{{- /* A text with line breaks is still one line of the message. */}}
{{ .where }}: {{ if regexMatch "^[!-~ ]+$" $text }}{{ $text }}{{ else }}{{ toJson $text }}{{ end }} is no quantity: write {{ if $isCpu }}cores or millicores, such as 4 or 500m{{ else if and $number (has $unit (list "K" "M" "G" "T")) }}{{ $number }}{{ $unit }}i, or {{ $number }}{{ $unit | replace "K" "k" }}{{ else }}bytes with a suffix, such as 64Gi{{ end }}
{{ end }}
{{- end }}

{{/* dynamo-disagg.validate.exceeds: "true" where one amount is above another, both given; else empty. in: list of the two */}}
{{- define "dynamo-disagg.validate.exceeds" -}}
{{- $one := index . 0 }}{{ $other := index . 1 }}
{{- if not (or (kindIs "invalid" $one) (kindIs "invalid" $other) (eq (toString $one) (toString $other))) }}
{{- $first := include "dynamo-disagg.validate.quantity" $one }}
{{- $second := include "dynamo-disagg.validate.quantity" $other }}
{{- if and $first $second }}{{ if gt (float64 $first) (float64 $second) }}true{{ end }}{{ end }}
{{- end }}
{{- end }}
