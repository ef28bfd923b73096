{{/* common.volumes: a pod's volumes. in: list of maps name -> volume source; out: YAML list, sorted by name */}}
{{- define "common.volumes" -}}
{{- $merged := dict }}
{{- range . }}{{ range $name, $source := . }}{{ $_ := set $merged $name $source }}{{ end }}{{ end }}
{{- range $name, $source := $merged }}
- {{ set (omit $source "name") "name" $name | toJson }}
{{- end }}
{{- end }}

{{/* common.volumeMounts. in: list of maps name -> {mountPath, readOnly, subPath}; out: YAML list */}}
{{- define "common.volumeMounts" -}}
{{- $merged := dict }}
{{- range . }}{{ range $name, $mount := . }}{{ $_ := set $merged $name $mount }}{{ end }}{{ end }}
{{- range $name, $mount := $merged }}
{{- with $mount }}
- name: {{ quote $name }}
  {{- range $key, $value := omit . "source" "path" }}
  {{ $key }}: {{ toJson $value }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.userVolumes: the sources of a component's `volumes` map. */}}
{{- define "common.userVolumes" -}}
{{- $sources := dict }}
{{- range $name, $volume := . }}{{ with $volume }}{{ $_ := set $sources $name (include "common.withoutNulls" .source | fromJson) }}{{ end }}{{ end }}
{{- toJson $sources }}
{{- end }}

{{/* common.volumes.holding: those of a `volumes` map in which a path is. in: dict "volumes" "path"; out: JSON map name -> volume */}}
{{- define "common.volumes.holding" -}}
{{- $found := dict }}
{{- range $name, $volume := .volumes }}
{{- with $volume }}
{{- if hasPrefix (printf "%s/" (clean .mountPath)) (printf "%s/" (clean $.path)) }}{{ $_ := set $found $name . }}{{ end }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/* common.hostVolumes: the sources of a machine's hostPaths. */}}
{{- define "common.hostVolumes" -}}
{{- $sources := dict }}
{{- range $name, $host := . }}{{ with $host }}{{ $_ := set $sources $name (dict "hostPath" (dict "path" .path)) }}{{ end }}{{ end }}
{{- toJson $sources }}
{{- end }}

{{/* common.scripts: the volume with the chart's scripts, and its mount, by name. in: component context; out: JSON map {volumes, mounts} */}}
{{- define "common.scripts" -}}
{{- $name := include "common.name" (dict "root" . "component" "scripts") }}
{{- dict "volumes" (dict "chart-scripts" (dict "configMap" (dict "name" $name)))
         "mounts" (dict "chart-scripts" (dict "mountPath" "/opt/dynamo-disagg" "readOnly" true)) | toJson }}
{{- end }}
