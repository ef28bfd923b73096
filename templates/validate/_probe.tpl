{{/* validate.probe: a probe that could measure nothing, or would wait for ever, and a floor for nothing. */}}
{{- define "validate.probe" -}}
{{- range $where, $probe := dict "test.probe" .Values.test.probe "preflight.probe" .Values.preflight.probe }}
{{- if and $probe.enabled (ne $.Values.global.serving "disaggregated") }}
{{ $where }}.enabled: aggregated serving moves no KV cache: set it to false, or global.serving=disaggregated
{{- end }}
{{- end }}
{{- if and (eq .Values.global.serving "aggregated") (ne (toString .Values.test.transport.minGBps) "auto") }}
test.transport.minGBps: aggregated serving moves no KV cache whose speed could be judged: remove it, or set global.serving=disaggregated
{{- end }}
{{- if and .Values.preflight.probe.enabled (include "common.hardware" . | fromJson).claims }}
preflight.probe.enabled: the devices of {{ .Values.global.hardware }} are claimed from templates that the installation makes: set it to false, and test.probe.enabled=true to measure afterwards
{{- end }}
{{- end }}
