{{/* validate.probe: a probe that could measure nothing, or would wait for ever. */}}
{{- define "validate.probe" -}}
{{- range $where, $probe := dict "test.probe" .Values.test.probe "preflight.probe" .Values.preflight.probe }}
{{- if and $probe.enabled (ne $.Values.global.serving "disaggregated") }}
{{ $where }}.enabled: aggregated serving moves no KV cache: set it to false, or global.serving=disaggregated
{{- end }}
{{- end }}
{{- if and .Values.preflight.probe.enabled (include "common.hardware" . | fromJson).claims }}
preflight.probe.enabled: the devices of {{ .Values.global.hardware }} are claimed from templates that the installation makes: set it to false, and test.probe.enabled=true to measure afterwards
{{- end }}
{{- end }}
