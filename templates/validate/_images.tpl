{{/*
dynamo-disagg.validate.images: refuses a repository that repeats a registry host (nvcr.io/nvcr.io/...). Mirrors may legitimately contain
a host in their path, so only the image's own registry and known ones are checked.
*/}}
{{- define "dynamo-disagg.validate.images" -}}
{{- $simulated := .Values.global.simulation.enabled }}
{{- $runtime := include "dynamo-disagg.runtimeImage" . | fromJson }}
{{- $images := dict (ternary "global.simulation.image" "global.engine.image" $simulated) $runtime }}
{{- range list "frontend" "preflight" }}
{{- $image := (get $.Values .).image }}
{{- if $image.repository }}
{{- $_ := set $images (printf "%s.image" .) (include "dynamo-disagg.mergedImage" (dict "image" $image "fallback" $runtime) | fromJson) }}
{{- end }}
{{- end }}
{{- if eq (include "dynamo-disagg.modelSource" .) "ociImage" }}
{{- $_ := set $images "global.model.source.ociImage.image" .Values.global.model.source.ociImage.image }}
{{- end }}
{{- range list "etcd" "nats" }}{{ $part := get $.Values . }}{{ if $part.enabled }}{{ $_ := set $images (printf "%s.image" .) $part.image }}{{ end }}{{ end }}
{{- with .Values.benchmark }}{{ if and .enabled .image.repository }}{{ $_ := set $images "benchmark.image" .image }}{{ end }}{{ end }}
{{- if not $simulated }}
{{- range $engine := list "vllm" "sglang" "trtllm" }}
{{- $default := include (printf "dynamo-disagg.engine.%s.image" $engine) $ | fromYaml }}
{{- if and (ne $engine $.Values.global.engine.name) (eq (base $runtime.repository) (base $default.repository)) }}
global.engine.image.repository: {{ $runtime.repository }} is the image of {{ $engine }}, and global.engine.name is {{ $.Values.global.engine.name }}: remove it, or set global.engine.name={{ $engine }}
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $image := $images }}
{{- $registry := $.Values.global.imageRegistry | default $image.registry }}
{{- $repository := regexReplaceAll "[:@].*$" $image.repository "" }}
{{- $parts := splitList "/" $repository }}
{{- with regexFind "[:@].*$" $image.repository }}
{{ $where }}.repository: {{ trimPrefix ":" . | trimPrefix "@" }} is no part of it: write {{ $where }}.repository={{ $repository }} and {{ $where }}.{{ ternary "digest" "tag" (hasPrefix "@" .) }}={{ trimPrefix ":" . | trimPrefix "@" }}
{{- end }}
{{- if and (gt (len $parts) 1) (contains "." (first $parts))
      (or (eq (first $parts) (splitList "/" $registry | first)) (has $registry (list "nvcr.io" "docker.io"))) }}
{{ $where }}.repository: the image would be {{ $registry }}/{{ $repository }}: write {{ $where }}.registry={{ first $parts }} and {{ $where }}.repository={{ rest $parts | join "/" }}
{{- end }}
{{- end }}
{{- end }}
