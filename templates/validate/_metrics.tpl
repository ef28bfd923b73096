{{/* dynamo-disagg.validate.metrics: what the Prometheus operator would refuse or drop, and what leaves rules, dashboards and a collector without data. */}}
{{- define "dynamo-disagg.validate.metrics" -}}
{{- with .Values.metrics }}
{{- $interval := include "dynamo-disagg.validate.metrics.seconds" .podMonitor.interval | int }}
{{- if and .podMonitor.enabled (gt (include "dynamo-disagg.validate.metrics.seconds" .podMonitor.scrapeTimeout | int) $interval) }}
metrics.podMonitor.scrapeTimeout: {{ .podMonitor.scrapeTimeout }} is longer than the interval of {{ .podMonitor.interval }}: lower it, or raise metrics.podMonitor.interval
{{- end }}
{{- if and (or .rules.enabled .dashboards.enabled) (hasKey $.Values.frontend.args "metrics-prefix") }}
frontend.args.metrics-prefix: it renames a part of the metrics that rules and dashboards ask for: remove it, or set metrics.rules.enabled=false and metrics.dashboards.enabled=false
{{- end }}
{{- end }}
{{- with .Values.global.telemetry.otlpEndpoint }}
{{- if not (contains "@" .) }}
{{ include "dynamo-disagg.validate.server" (dict "where" "global.telemetry.otlpEndpoint" "url" (trimSuffix "/" .) "schemes" (list "http" "https") "example" "http://host:4317" "joined" " or " "each" "as there is one") }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.metrics.seconds: of a duration such as 15s or 1m */}}
{{- define "dynamo-disagg.validate.metrics.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int }}
{{- if hasSuffix "m" . }}{{ mul 60 $number }}{{ else }}{{ $number }}{{ end }}
{{- end }}
