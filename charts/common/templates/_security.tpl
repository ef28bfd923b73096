{{/*
Pod Security "restricted", with a read-only root file system. Whoever needs more says so in the machine preset, with the
reason. Every pod of a release asks here, so that global.podSecurityContext and global.securityContext reach all of them.
*/}}

{{/* dynamo-disagg.podSecurityContext. in: dict "root" any context ["overrides" {}] ["runAsRoot" bool] */}}
{{- define "dynamo-disagg.podSecurityContext" -}}
{{- $default := dict
      "runAsNonRoot" true "runAsUser" 1000 "runAsGroup" 1000
      "fsGroup" 1000 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- $root := dict }}
{{- if .runAsRoot }}{{ $root = dict "runAsNonRoot" false "runAsUser" 0 "runAsGroup" 0 }}{{ end }}
{{- include "dynamo-disagg.overlay" (list $default .root.Values.global.podSecurityContext $root .overrides) }}
{{- end }}

{{/*
dynamo-disagg.securityContext: of a container.
in: dict "root" any context ["overrides" {}] ["capabilities" []] ["writable" true: its program writes beside its volumes]
*/}}
{{- define "dynamo-disagg.securityContext" -}}
{{- $capabilities := dict "drop" (list "ALL") }}
{{- with .capabilities }}{{ $_ := set $capabilities "add" . }}{{ end }}
{{- $default := dict "allowPrivilegeEscalation" false "capabilities" $capabilities }}
{{- if not .writable }}{{ $_ := set $default "readOnlyRootFilesystem" true }}{{ end }}
{{- $context := include "dynamo-disagg.overlay" (list $default .root.Values.global.securityContext .overrides) | fromJson }}
{{- /* A list replaces another, and the machine's are needed still. */}}
{{- with .capabilities }}
{{- $own := $context.capabilities | default dict }}
{{- $_ := set $context "capabilities" (set $own "add" (concat . ($own.add | default list) | uniq)) }}
{{- end }}
{{- toJson $context }}
{{- end }}

{{/* dynamo-disagg.worker.isRoot: "true" where the engine runs as user 0, else empty. in: component context */}}
{{- define "dynamo-disagg.worker.isRoot" -}}
{{- $machine := include "dynamo-disagg.hardware" . | fromJson }}
{{- $pod := include "dynamo-disagg.podSecurityContext" (dict "root" . "overrides" .Values.podSecurityContext "runAsRoot" $machine.runAsRoot) | fromJson }}
{{- $own := list $pod .Values.global.securityContext .Values.securityContext }}
{{- if eq (toString (include "dynamo-disagg.overlay" $own | fromJson).runAsUser) "0" }}true{{ end }}
{{- end }}
