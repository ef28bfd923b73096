{{/* dynamo-disagg.volumes: a pod's volumes. in: list of maps name -> volume source; out: YAML list, sorted by name */}}
{{- define "dynamo-disagg.volumes" -}}
{{- $merged := dict }}
{{- range . }}{{ range $name, $source := . }}{{ $_ := set $merged $name $source }}{{ end }}{{ end }}
{{- range $name, $source := $merged }}
- {{ set (omit $source "name") "name" $name | toJson }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.volumeMounts. in: list of maps name -> {mountPath, readOnly, subPath}; out: YAML list */}}
{{- define "dynamo-disagg.volumeMounts" -}}
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

{{/* dynamo-disagg.userVolumes: the sources of a component's `volumes` map. */}}
{{- define "dynamo-disagg.userVolumes" -}}
{{- $sources := dict }}
{{- range $name, $volume := . }}{{ with $volume }}{{ $_ := set $sources $name (include "dynamo-disagg.withoutNulls" .source | fromJson) }}{{ end }}{{ end }}
{{- toJson $sources }}
{{- end }}

{{/* dynamo-disagg.volumes.holding: those of a `volumes` map in which a path is. in: dict "volumes" "path"; out: JSON map name -> volume */}}
{{- define "dynamo-disagg.volumes.holding" -}}
{{- $found := dict }}
{{- range $name, $volume := .volumes }}
{{- with $volume }}
{{- if hasPrefix (printf "%s/" (clean .mountPath)) (printf "%s/" (clean $.path)) }}{{ $_ := set $found $name . }}{{ end }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/* dynamo-disagg.hostVolumes: the sources of a machine's hostPaths. */}}
{{- define "dynamo-disagg.hostVolumes" -}}
{{- $sources := dict }}
{{- range $name, $host := . }}{{ with $host }}{{ $_ := set $sources $name (dict "hostPath" (dict "path" .path)) }}{{ end }}{{ end }}
{{- toJson $sources }}
{{- end }}

{{/* dynamo-disagg.scripts: the volume with the chart's scripts, and its mount, by name. in: component context; out: JSON map {volumes, mounts} */}}
{{- define "dynamo-disagg.scripts" -}}
{{- $name := include "dynamo-disagg.name" (dict "root" . "component" "scripts") }}
{{- dict "volumes" (dict "chart-scripts" (dict "configMap" (dict "name" $name)))
         "mounts" (dict "chart-scripts" (dict "mountPath" "/opt/dynamo-disagg" "readOnly" true)) | toJson }}
{{- end }}
