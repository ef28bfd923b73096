{{/*
common.telemetry.urls: the collectors that the values name: for Dynamo, in the flags of the engines, which send their own traces,
and in OpenTelemetry's variables; not those of the pod itself. in: root context; out: JSON map path -> URL
*/}}
{{- define "common.telemetry.urls" -}}
{{- $urls := dict }}
{{- with .Values.global }}
{{- with .telemetry.otlpEndpoint }}{{ $_ := set $urls "global.telemetry.otlpEndpoint" . }}{{ end }}
{{- $flags := dict "global.engine.args" .engine.args }}
{{- range $role := include "common.pools" $ | fromJsonArray }}{{ $_ := set $flags (printf "%s.engineArgs" $role) (get $.Subcharts $role).Values.engineArgs }}{{ end }}
{{- $flag := include (printf "common.engine.%s.traces" .engine.name) $ }}
{{- range $where, $of := $flags }}
{{- with get $of $flag }}{{ $_ := set $urls (printf "%s.%s" $where $flag) . }}{{ end }}
{{- end }}
{{- end }}
{{- range $where, $env := include "common.env.places" . | fromJson }}
{{- range $name, $value := $env }}
{{- if and (kindIs "string" $value) (regexMatch "^OTEL_EXPORTER_OTLP_([A-Z]+_)?ENDPOINT$" $name) }}{{ $_ := set $urls (printf "%s.%s" $where $name) $value }}{{ end }}
{{- end }}
{{- end }}
{{- range $where, $url := $urls }}{{ if regexMatch "^([a-z]+://)?(localhost|127[.]|\\[::1\\])" $url }}{{ $_ := unset $urls $where }}{{ end }}{{ end }}
{{- toJson $urls }}
{{- end }}

{{/*
common.env.telemetry: where Dynamo's processes send logs and traces. The endpoint is that of all signals: with the one of traces
alone, Dynamo 1.6.1 sends its logs to localhost:4317 (findings/dynamo-otlp-exports-logs-too.sh).
in:  component context; out: JSON map
*/}}
{{- define "common.env.telemetry" -}}
{{- $env := dict }}
{{- with .Values.global.telemetry }}
{{- if .jsonLogs }}{{ $_ := set $env "DYN_LOGGING_JSONL" "true" }}{{ end }}
{{- if .otlpEndpoint }}
{{- $_ := set $env "OTEL_EXPORT_ENABLED" "true" }}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" .otlpEndpoint }}
{{- $_ := set $env "OTEL_SERVICE_NAME" (include "common.name" (dict "root" $ "component" $.Chart.Name)) }}
{{- end }}
{{- end }}
{{- toJson $env }}
{{- end }}
