{{/*
validate.containers: containers of one's own that the API server would refuse, after the rest of the release was created.
in: dict "context" <component context> "component" "containers" list "volumes" names of the pod's "hardware" of workers
*/}}
{{- define "validate.containers" -}}
{{- $of := dict "root" .context "overrides" .context.Values.podSecurityContext "runAsRoot" .hardware.runAsRoot }}
{{- $pod := include "common.podSecurityContext" $of | fromJson }}
{{- $taken := list "engine" "frontend" "wait-for-model" "rendezvous" }}
{{- range $index, $container := .containers }}
{{- $where := printf "%s.initContainers[%d]" $.component $index }}
{{- if has .name $taken }}
{{ $where }}.name: a pod has one container {{ .name }}: choose another name
{{- end }}
{{- $taken = append $taken .name }}
{{- $security := include "common.securityContext" (dict "root" $.context "overrides" .securityContext "writable" true) | fromJson }}
{{ include "validate.security.escalation" (dict "where" (printf "%s.securityContext" $where) "container" $security) }}
{{- $both := include "common.overlay" (list $pod $security) | fromJson }}
{{- if and (hasKey (.securityContext | default dict) "runAsUser") (eq (toString $both.runAsUser) "0") $both.runAsNonRoot }}
{{ $where }}.securityContext: the kubelet starts no container as user 0 with runAsNonRoot: set runAsNonRoot=false, or another runAsUser
{{- end }}
{{- range .env }}
{{- if and .value .valueFrom }}
{{ $where }}.env.{{ .name }}: a variable has one source, not value and valueFrom: keep one
{{- end }}
{{- end }}
{{- range .volumeMounts }}
{{- if not (has .name $.volumes) }}
{{ $where }}.volumeMounts: the pod has no volume {{ .name }}: add it to {{ $.component }}.volumes
{{- end }}
{{- end }}
{{- range $key := list "livenessProbe" "readinessProbe" "startupProbe" "lifecycle" }}
{{- if and (hasKey $container $key) (ne ($container.restartPolicy | default "") "Always") }}
{{ $where }}.{{ $key }}: only a container that stays has one: write restartPolicy Always, or remove it
{{- end }}
{{- end }}
{{- end }}
{{- end }}
