{{/*
dynamo-disagg.args: command-line flags from a map, sorted, as a YAML list.
in:  map flag -> value (no leading dashes)
     true -> "--flag"; false -> "--no-flag" (both vLLM and Dynamo use argparse's BooleanOptionalAction);
     map or list -> JSON; integers never print as floats
*/}}
{{- define "dynamo-disagg.args" -}}
{{- range $flag, $value := . }}
{{- if kindIs "bool" $value }}
- --{{ if not $value }}no-{{ end }}{{ $flag }}
{{- else }}
- --{{ $flag }}
- {{ include "dynamo-disagg.args.value" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dynamo-disagg.args.value" -}}
{{- if or (kindIs "map" .) (kindIs "slice" .) }}{{ toJson . }}
{{- else if kindIs "float64" . }}{{ if eq . (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- else }}{{ . }}{{ end }}
{{- end }}
