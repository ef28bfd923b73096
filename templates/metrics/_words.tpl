{{/*
dynamo-disagg.metrics.words: what stands for the words in angle brackets of files/rules.yaml.
in: root context; out: YAML map
*/}}
{{- define "dynamo-disagg.metrics.words" -}}
namespace: {{ quote .Release.Namespace }}
release: {{ include "dynamo-disagg.fullname" . | quote }}
startupSeconds: {{ include "dynamo-disagg.metrics.startupSeconds" . }}
transferGBps: {{ (include "dynamo-disagg.verify.floor" . | fromYaml).floor }}
{{- with .Values.metrics.rules }}
{{- range $name, $value := merge (dict) .objectives .thresholds }}
{{ $name }}: {{ $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.metrics.startupSeconds: until the slowest pool is there, weights, pulls and scheduling included. in: root context */}}
{{- define "dynamo-disagg.metrics.startupSeconds" -}}
{{- $longest := 0 }}
{{- range include "dynamo-disagg.pools" . | fromJsonArray }}
{{- $longest = max $longest (include "dynamo-disagg.worker.untilHealthy" (get $.Subcharts .)) }}
{{- end }}
{{- $longest }}
{{- end }}

{{/* dynamo-disagg.metrics.facts: what is true of the release, of which a rule may need several. in: root context; out: JSON list */}}
{{- define "dynamo-disagg.metrics.facts" -}}
{{- $global := .Values.global }}
{{- $facts := list $global.engine.name $global.kvTransfer.connector $global.router.mode }}
{{- $floor := (include "dynamo-disagg.verify.floor" . | fromYaml).floor }}
{{- if and $floor (eq $global.serving "disaggregated") (not $global.simulation.enabled) }}{{ $facts = append $facts "transfers" }}{{ end }}
{{- if .Values.canary.enabled }}{{ $facts = append $facts "canary" }}{{ end }}
{{- toJson $facts }}
{{- end }}

{{/* dynamo-disagg.metrics.ports: the name of the port with metrics, by component. in: root context; out: YAML map */}}
{{- define "dynamo-disagg.metrics.ports" -}}
frontend: http
{{- range include "dynamo-disagg.pools" . | fromJsonArray }}
{{ . }}: system
{{- end }}
{{- end }}
