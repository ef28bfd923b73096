{{/*
common.volumes: a pod's volumes. in: list of maps name -> volume source; out: YAML list, sorted by name
*/}}
{{- define "common.volumes" -}}
{{- $merged := dict }}
{{- range . }}{{ $merged = merge $merged . }}{{ end }}
{{- range $name, $source := $merged }}
- name: {{ $name }}
  {{- toYaml $source | nindent 2 }}
{{- end }}
{{- end }}

{{/* common.volumeMounts. in: list of maps name -> {mountPath, readOnly, subPath}; out: YAML list */}}
{{- define "common.volumeMounts" -}}
{{- $merged := dict }}
{{- range . }}{{ $merged = merge $merged . }}{{ end }}
{{- range $name, $mount := $merged }}
- name: {{ $name }}
  {{- toYaml (omit $mount "source" "path") | nindent 2 }}
{{- end }}
{{- end }}

{{/* common.userVolumes: the sources of a component's `volumes` map. */}}
{{- define "common.userVolumes" -}}
{{- $sources := dict }}
{{- range $name, $volume := . }}{{ $_ := set $sources $name $volume.source }}{{ end }}
{{- toYaml $sources }}
{{- end }}

{{/* common.hostVolumes: the sources of a machine's hostPaths. */}}
{{- define "common.hostVolumes" -}}
{{- $sources := dict }}
{{- range $name, $host := . }}{{ $_ := set $sources $name (dict "hostPath" (dict "path" $host.path)) }}{{ end }}
{{- toYaml $sources }}
{{- end }}
