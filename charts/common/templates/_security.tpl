{{/*
Pod Security "restricted", with a read-only root file system. Whoever needs more says so in the machine preset, with the
reason. Every pod of a release asks here, so that global.podSecurityContext and global.securityContext reach all of them.
*/}}

{{/* common.podSecurityContext. in: dict "root" any context ["overrides" {}] ["runAsRoot" bool] */}}
{{- define "common.podSecurityContext" -}}
{{- $default := dict
      "runAsNonRoot" true "runAsUser" 1000 "runAsGroup" 1000
      "fsGroup" 1000 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- $root := dict }}
{{- if .runAsRoot }}{{ $root = dict "runAsNonRoot" false "runAsUser" 0 "runAsGroup" 0 }}{{ end }}
{{- include "common.overlay" (list $default .root.Values.global.podSecurityContext $root .overrides) }}
{{- end }}

{{/*
common.securityContext: of a container.
in: dict "root" any context ["overrides" {}] ["capabilities" []] ["writable" true: its program writes beside its volumes]
*/}}
{{- define "common.securityContext" -}}
{{- $capabilities := dict "drop" (list "ALL") }}
{{- with .capabilities }}{{ $_ := set $capabilities "add" . }}{{ end }}
{{- $default := dict "allowPrivilegeEscalation" false "capabilities" $capabilities }}
{{- if not .writable }}{{ $_ := set $default "readOnlyRootFilesystem" true }}{{ end }}
{{- $context := include "common.overlay" (list $default .root.Values.global.securityContext .overrides) | fromJson }}
{{- /* A list replaces another, and the machine's are needed still. */}}
{{- with .capabilities }}
{{- $own := $context.capabilities | default dict }}
{{- $_ := set $context "capabilities" (set $own "add" (concat . ($own.add | default list) | uniq)) }}
{{- end }}
{{- toJson $context }}
{{- end }}

{{/* common.worker.isRoot: "true" where the engine runs as user 0, else empty. in: component context */}}
{{- define "common.worker.isRoot" -}}
{{- $machine := include "common.hardware" . | fromJson }}
{{- $pod := include "common.podSecurityContext" (dict "root" . "overrides" .Values.podSecurityContext "runAsRoot" $machine.runAsRoot) | fromJson }}
{{- $own := list $pod .Values.global.securityContext .Values.securityContext }}
{{- if eq (toString (include "common.overlay" $own | fromJson).runAsUser) "0" }}true{{ end }}
{{- end }}
