{{/*
common.volumes: a pod's volumes. in: list of maps name -> volume source; out: YAML list, sorted by name
*/}}
{{- define "common.volumes" -}}
{{- $merged := dict }}
{{- range . }}{{ $merged = merge $merged . }}{{ end }}
{{- range $name, $source := $merged }}
- name: {{ quote $name }}
  {{- toYaml $source | nindent 2 }}
{{- end }}
{{- end }}

{{/* common.volumeMounts. in: list of maps name -> {mountPath, readOnly, subPath}; out: YAML list */}}
{{- define "common.volumeMounts" -}}
{{- $merged := dict }}
{{- range . }}{{ $merged = merge $merged . }}{{ end }}
{{- range $name, $mount := $merged }}
{{- with $mount }}
- name: {{ quote $name }}
  {{- toYaml (omit . "source" "path") | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.userVolumes: the sources of a component's `volumes` map. */}}
{{- define "common.userVolumes" -}}
{{- $sources := dict }}
{{- range $name, $volume := . }}{{ with $volume }}{{ $_ := set $sources $name (include "common.given" .source | fromYaml) }}{{ end }}{{ end }}
{{- toYaml $sources }}
{{- end }}

{{/* common.hostVolumes: the sources of a machine's hostPaths. */}}
{{- define "common.hostVolumes" -}}
{{- $sources := dict }}
{{- range $name, $host := . }}{{ with $host }}{{ $_ := set $sources $name (dict "hostPath" (dict "path" .path)) }}{{ end }}{{ end }}
{{- toYaml $sources }}
{{- end }}
