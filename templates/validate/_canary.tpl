{{/* dynamo-disagg.validate.canary: a schedule that the CronJob controller refuses (robfig/cron 3); the schema knows that it has five fields. */}}
{{- define "dynamo-disagg.validate.canary" -}}
{{- range $where, $asks := dict "canary.enabled" .Values.canary.enabled "benchmark.enabled" .Values.benchmark.enabled }}
{{- if and $asks (eq $.Values.global.router.mode "direct") }}
{{ $where }}: with global.router.mode=direct a request must name its worker, and these name none, so that each fails: set it to false, or choose another mode
{{- end }}
{{- end }}
{{- if and .Values.canary.enabled (not (hasPrefix "@" .Values.canary.schedule)) }}
{{- $fields := list
      (list "minute" "0 to 59" "[0-5]?[0-9]")
      (list "hour" "0 to 23" "[01]?[0-9]|2[0-3]")
      (list "day of the month" "1 to 31" "0?[1-9]|[12][0-9]|3[01]")
      (list "month" "1 to 12 or jan to dec" "0?[1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec")
      (list "day of the week" "0 (Sunday) to 6 or sun to sat" "0?[0-6]|sun|mon|tue|wed|thu|fri|sat") }}
{{- range $index, $text := splitList " " .Values.canary.schedule }}
{{- $field := index $fields $index }}
{{- $one := index $field 2 }}
{{- $part := printf "([*?]|(%s)(-(%s))?)(/[1-9][0-9]*)?" $one $one }}
{{- if not (regexMatch (printf "^%s(,%s)*$" $part $part) (lower $text)) }}
canary.schedule: {{ $text }} is no {{ first $field }}: write {{ index $field 1 }}, *, a range (a-b), steps (*/n) or a list of these
{{- end }}
{{- end }}
{{- end }}
{{- end }}
