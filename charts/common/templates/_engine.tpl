{{/*
dynamo-disagg.runtimeImage: the Dynamo image of this release: the simulation's, or global.engine.image over the
engine's own default.
in: any context, which keeps it; out: JSON map {registry, repository, tag, digest, pullPolicy}
*/}}
{{- define "dynamo-disagg.runtimeImage" -}}
{{- if not (hasKey . "image") }}
{{- with .Values.global }}
{{- $image := toJson .simulation.image }}
{{- if not .simulation.enabled }}
{{- $default := include (printf "dynamo-disagg.engine.%s.image" .engine.name) $ | fromYaml }}
{{- $image = include "dynamo-disagg.mergedImage" (dict "image" .engine.image "fallback" $default) }}
{{- end }}
{{- $_ := set $ "image" $image }}
{{- end }}
{{- end }}
{{- .image }}
{{- end }}

{{/* dynamo-disagg.engineName: what the workers run: the engine, or the mocker in simulation. */}}
{{- define "dynamo-disagg.engineName" -}}
{{ if .Values.global.simulation.enabled }}mocker{{ else }}{{ .Values.global.engine.name }}{{ end }}
{{- end }}
