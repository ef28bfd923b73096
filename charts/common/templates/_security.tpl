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
{{- $context := include "common.overlay" (list $default .overrides) | fromYaml }}
{{- /* A list replaces another, and the machine's are needed still. */}}
{{- with .capabilities }}
{{- $own := $context.capabilities | default dict }}
{{- $_ := set $context "capabilities" (set $own "add" (concat . ($own.add | default list) | uniq)) }}
{{- end }}
{{- toYaml $context }}
{{- end }}
