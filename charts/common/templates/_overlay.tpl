{{/*
dynamo-disagg.overlay: maps laid over each other as Helm lays values files over each other: maps merge, anything else
replaces, and null removes. Sprig's merge and mergeOverwrite take false, 0 and "" for absent, so that a lower
layer's true would win over a false.
in:  list of maps, the strongest last; out: JSON map
*/}}
{{- define "dynamo-disagg.overlay" -}}
{{- $layers := compact . }}
{{- $text := first $layers | default dict | toJson }}
{{- /* Most layers are empty, and most maps have no null in them. */}}
{{- if or (gt (len $layers) 1) (contains "null" $text) }}
{{- $result := dict }}
{{- range $layer := $layers }}
{{- range $key, $value := $layer }}
{{- $old := get $result $key }}
{{- if kindIs "invalid" $value }}
{{- $_ := unset $result $key }}
{{- else if and (kindIs "map" $value) (kindIs "map" $old) }}
{{- $_ := set $result $key (include "dynamo-disagg.overlay" (list $old $value) | fromJson) }}
{{- else }}
{{- $_ := set $result $key $value }}
{{- end }}
{{- end }}
{{- end }}
{{- $text = toJson $result }}
{{- end }}
{{- $text }}
{{- end }}

{{/* dynamo-disagg.withoutNulls: the map with all null entries removed, at every depth. in: map; out: JSON map */}}
{{- define "dynamo-disagg.withoutNulls" -}}
{{- $text := . | default dict | toJson }}
{{- if contains "null" $text }}
{{- $result := dict }}
{{- range $key, $value := . }}
{{- if kindIs "map" $value }}
{{- $_ := set $result $key (include "dynamo-disagg.withoutNulls" $value | fromJson) }}
{{- else if not (kindIs "invalid" $value) }}
{{- $_ := set $result $key $value }}
{{- end }}
{{- end }}
{{- $text = toJson $result }}
{{- end }}
{{- $text }}
{{- end }}
