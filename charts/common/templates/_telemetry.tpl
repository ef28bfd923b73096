{{/*
dynamo-disagg.env.telemetry: where Dynamo's processes send logs and traces. The endpoint is that of all signals: with the one of traces
alone, Dynamo 1.6.1 sends its logs to localhost:4317 (findings/dynamo-otlp-exports-logs-too.sh).
in:  component context; out: JSON map
*/}}
{{- define "dynamo-disagg.env.telemetry" -}}
{{- $env := dict }}
{{- with .Values.global.telemetry }}
{{- if .jsonLogs }}{{ $_ := set $env "DYN_LOGGING_JSONL" "true" }}{{ end }}
{{- if .otlpEndpoint }}
{{- $_ := set $env "OTEL_EXPORT_ENABLED" "true" }}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" .otlpEndpoint }}
{{- $_ := set $env "OTEL_SERVICE_NAME" (include "dynamo-disagg.name" (dict "root" $ "component" $.Chart.Name)) }}
{{- end }}
{{- end }}
{{- toJson $env }}
{{- end }}
