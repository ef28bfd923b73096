{{/* dynamo-disagg.validate.probe: a probe that could measure nothing, or would wait for ever, and a floor for nothing. */}}
{{- define "dynamo-disagg.validate.probe" -}}
{{- range $where, $probe := dict "test.probe" .Values.test.probe "preflight.probe" .Values.preflight.probe }}
{{- if not $probe.enabled }}
{{- else if ne $.Values.global.serving "disaggregated" }}
{{ $where }}.enabled: aggregated serving moves no KV cache: set it to false, or global.serving=disaggregated
{{- else if not $.Values.global.simulation.enabled }}
{{- $short := list }}
{{- range $device, $count := include "dynamo-disagg.probe.devices" $ | fromJson }}{{ if eq (int $count) 0 }}{{ $short = append $short $device }}{{ end }}{{ end }}
{{- with $short }}
{{ $where }}.enabled: its two pods would share a node and be as a decode worker each, and a node has one {{ join ", one " . }}: set it to false
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq .Values.global.serving "aggregated") (ne (toString .Values.test.transport.minGBps) "auto") }}
test.transport.minGBps: aggregated serving moves no KV cache whose speed could be judged: remove it, or set global.serving=disaggregated
{{- end }}
{{- if and .Values.preflight.probe.enabled (include "dynamo-disagg.hardware" . | fromJson).claims }}
preflight.probe.enabled: the devices of {{ .Values.global.hardware }} are claimed from templates that the installation makes: set it to false, and test.probe.enabled=true to measure afterwards
{{- end }}
{{- end }}
