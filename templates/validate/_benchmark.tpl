{{/* dynamo-disagg.validate.benchmark: what the Job would find out after minutes. */}}
{{- define "dynamo-disagg.validate.benchmark" -}}
{{- with .Values.benchmark }}
{{- if .enabled }}
{{- if not .image.repository }}
benchmark.image.repository: the Job needs an image with AIPerf 0.13, and the chart has none of its own: write benchmark.image.repository and benchmark.image.tag of one that hack/data/aiperf/Containerfile makes
{{- else if not (or .image.tag .image.digest) }}
benchmark.image.tag: {{ .image.repository }} has neither tag nor digest: write one of them
{{- end }}
{{- $workload := include "dynamo-disagg.benchmark.workload" $ | fromJson }}
{{- $longest := int64 $workload.answer_tokens }}{{ range $workload.prompt_tokens }}{{ $longest = max $longest (add . $workload.answer_tokens) }}{{ end }}
{{- $told := list }}
{{- range $role := without (include "dynamo-disagg.pools" $ | fromJsonArray) "encode" }}
{{- $facts := include "dynamo-disagg.validate.facts" (dict "context" (get $.Subcharts $role) "program" $.Values.global.engine.name) | fromJson }}
{{- range $flag := include "dynamo-disagg.validate.facts.lengths" . | fromJsonArray }}
{{- $most := include "dynamo-disagg.validate.checks.number" (get $facts.values $flag) }}
{{- $where := get $facts.where $flag }}
{{- if and (regexMatch "^[1-9][0-9]*$" $most) (gt $longest (int64 $most)) (not (has $where $told)) (not $.Values.global.simulation.enabled) }}
{{- $told = append $told $where }}
benchmark.workload: a prompt and its answer have up to {{ $longest }} tokens, and {{ $where }} is {{ $most }}, so that each fails: write shorter benchmark.workload.promptTokens or answerTokens, or raise it
{{- end }}
{{- end }}
{{- end }}
{{- $shared := int64 .workload.sharedPrefixTokens }}
{{- range $workload.prompt_tokens }}
{{- if le (sub . $shared | int64) 0 }}
benchmark.workload.sharedPrefixTokens: {{ $shared }} leaves nothing of a prompt of {{ int64 . }} tokens: write less, or longer benchmark.workload.promptTokens
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
