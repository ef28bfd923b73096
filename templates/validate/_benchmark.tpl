{{/* validate.benchmark: what the Job would find out after minutes. */}}
{{- define "validate.benchmark" -}}
{{- with .Values.benchmark }}
{{- if .enabled }}
{{- if not .image.repository }}
benchmark.image.repository: the Job needs an image with AIPerf 0.13, and the chart has none of its own: write benchmark.image.repository and benchmark.image.tag of one that hack/data/aiperf/Containerfile makes
{{- else if not (or .image.tag .image.digest) }}
benchmark.image.tag: {{ .image.repository }} has neither tag nor digest: write one of them
{{- end }}
{{- $shared := int64 .workload.sharedPrefixTokens }}
{{- range (include "dynamo-disagg.benchmark.workload" $ | fromJson).prompt_tokens }}
{{- if le (sub . $shared | int64) 0 }}
benchmark.workload.sharedPrefixTokens: {{ $shared }} leaves nothing of a prompt of {{ int64 . }} tokens: write less, or longer benchmark.workload.promptTokens
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
