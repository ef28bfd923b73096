{{/*
common.overlay: maps laid over each other as Helm lays values files over each other: maps merge, anything else
replaces, and null removes. Sprig's merge and mergeOverwrite take false, 0 and "" for absent, so that a lower
layer's true would win over a false.
in:  list of maps, the strongest last; out: YAML map
*/}}
{{- define "common.overlay" -}}
{{- $result := dict }}
{{- range $layer := . }}
{{- range $key, $value := $layer }}
{{- $old := get $result $key }}
{{- if kindIs "invalid" $value }}{{ $_ := unset $result $key }}
{{- else if and (kindIs "map" $value) (kindIs "map" $old) }}{{ $_ := set $result $key (include "common.overlay" (list $old $value) | fromYaml) }}
{{- else }}{{ $_ := set $result $key $value }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $result }}
{{- end }}

{{/* common.given: a map without its nulls, at all depths: they removed what a lower layer had, or nothing. in: map; out: YAML map */}}
{{- define "common.given" -}}
{{- $result := dict }}
{{- range $key, $value := . }}
{{- if kindIs "map" $value }}{{ $_ := set $result $key (include "common.given" $value | fromYaml) }}
{{- else if not (kindIs "invalid" $value) }}{{ $_ := set $result $key $value }}
{{- end }}
{{- end }}
{{- toYaml $result }}
{{- end }}
