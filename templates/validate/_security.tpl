{{/* dynamo-disagg.validate.security: contexts that contradict themselves. in: dict "root" "component" "values" "hardware" (of workers) */}}
{{- define "dynamo-disagg.validate.security" -}}
{{- $component := .component }}
{{- $pod := include "dynamo-disagg.podSecurityContext" (dict "root" .root "overrides" .values.podSecurityContext "runAsRoot" .hardware.runAsRoot) | fromJson }}
{{- $container := include "dynamo-disagg.securityContext" (dict "root" .root "overrides" .values.securityContext) | fromJson }}
{{ include "dynamo-disagg.validate.security.escalation" (dict "where" (printf "%s.securityContext" $component) "container" $container) }}
{{- range $name, $context := dict "podSecurityContext" $pod "securityContext" $container }}
{{- range $kind := list "seccompProfile" "appArmorProfile" }}
{{- with get $context $kind }}
{{- if and (eq .type "Localhost") (not .localhostProfile) }}
{{ $component }}.{{ $name }}.{{ $kind }}.localhostProfile: type Localhost is a profile of the node: name it, or write type RuntimeDefault
{{- else if and (ne .type "Localhost") .localhostProfile }}
{{ $component }}.{{ $name }}.{{ $kind }}.localhostProfile: type {{ .type }} takes none: remove it, or write type Localhost
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $both := include "dynamo-disagg.overlay" (list $pod $container) | fromJson }}
{{- $isRoot := and (hasKey $both "runAsUser") (eq (int $both.runAsUser) 0) }}
{{- if and $isRoot $both.runAsNonRoot }}
{{- $own := include "dynamo-disagg.overlay" (list .values.podSecurityContext .values.securityContext) | fromJson }}
{{ ternary $component "global" (or (hasKey $own "runAsUser") (hasKey $own "runAsNonRoot")) }}.podSecurityContext: the kubelet starts no container as user 0 with runAsNonRoot: set runAsNonRoot=false, or another runAsUser
{{- end }}
{{- if and .hardware.capabilities (not .hardware.runAsRoot) (not $isRoot) }}
global.hardwareSpec.rdma.capabilities: {{ join ", " .hardware.capabilities }} would reach only root, and workers are not: set global.hardwareSpec.rdma.runAsRoot=true, or remove it
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.security.escalation: rights that need another. in: dict "where" "container" its securityContext as rendered */}}
{{- define "dynamo-disagg.validate.security.escalation" -}}
{{- with .container }}
{{- if not .allowPrivilegeEscalation }}
{{- $need := ternary "privileged" "" (.privileged | default false) }}
{{- if has "CAP_SYS_ADMIN" ((.capabilities | default dict).add | default list) }}{{ $need = "capabilities.add CAP_SYS_ADMIN" }}{{ end }}
{{- with $need }}
{{ $.where }}: Kubernetes refuses {{ . }} with allowPrivilegeEscalation false: leave it out (what a machine needs is in global.hardwareSpec), or set allowPrivilegeEscalation=true too
{{- end }}
{{- end }}
{{- end }}
{{- end }}
