{{/*
Pod Security "restricted". Whoever needs more says so in the machine preset, with the reason.
*/}}

{{/* common.podSecurityContext. in: dict "overrides" {} ["runAsRoot" bool] */}}
{{- define "common.podSecurityContext" -}}
{{- $default := dict "runAsNonRoot" true "runAsUser" 1000 "runAsGroup" 1000 "fsGroup" 1000 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- $root := dict }}
{{- if .runAsRoot }}{{ $root = dict "runAsNonRoot" false "runAsUser" 0 "runAsGroup" 0 }}{{ end }}
{{- include "common.overlay" (list $default $root .overrides) }}
{{- end }}

{{/* common.securityContext of a container. in: dict "overrides" {} "capabilities" [] */}}
{{- define "common.securityContext" -}}
{{- $capabilities := dict "drop" (list "ALL") }}
{{- with .capabilities }}{{ $_ := set $capabilities "add" . }}{{ end }}
{{- $default := dict "allowPrivilegeEscalation" false "capabilities" $capabilities }}
{{- include "common.overlay" (list $default .overrides) }}
{{- end }}
