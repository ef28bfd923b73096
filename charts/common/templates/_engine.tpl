{{/*
common.runtimeImage: the Dynamo image of this release: the simulation's, or global.engine.image over the
engine's own default.
out: JSON map {registry, repository, tag, digest, pullPolicy}
*/}}
{{- define "common.runtimeImage" -}}
{{- with .Values.global }}
{{- if .simulation.enabled }}
{{- toJson .simulation.image }}
{{- else }}
{{- $default := include (printf "common.engine.%s.image" .engine.name) $ | fromYaml }}
{{- include "common.mergedImage" (dict "image" .engine.image "fallback" $default) }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.engineName: what the workers run: the engine, or the mocker in simulation. */}}
{{- define "common.engineName" -}}
{{ if .Values.global.simulation.enabled }}mocker{{ else }}{{ .Values.global.engine.name }}{{ end }}
{{- end }}
