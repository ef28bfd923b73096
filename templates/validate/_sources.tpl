{{/* dynamo-disagg.validate.sources: variables with no source or with several. A null took one of a lower layer back. in: dict "where" "env" */}}
{{- define "dynamo-disagg.validate.sources" -}}
{{- range $name, $value := .env }}
{{- if kindIs "map" $value }}
{{- with include "dynamo-disagg.validate.kinds" $value }}
{{ $.where }}.{{ $name }}: a variable has one source, not {{ . }}: keep one, or remove the variable with null
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.kinds: the keys that are not null, where these are not one. in: map */}}
{{- define "dynamo-disagg.validate.kinds" -}}
{{- $kinds := include "dynamo-disagg.withoutNulls" . | fromJson | keys | sortAlpha }}
{{- if ne (len $kinds) 1 }}{{ join " and " $kinds | default "none" }}{{ end }}
{{- end }}
