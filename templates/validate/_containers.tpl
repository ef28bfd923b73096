{{/*
validate.containers: containers of one's own that the API server would refuse, after the rest of the release was created.
in: dict "component" "containers" list "volumes" names of the pod's
*/}}
{{- define "validate.containers" -}}
{{- $taken := list "engine" "frontend" "wait-for-model" "rendezvous" }}
{{- range $index, $container := .containers }}
{{- $where := printf "%s.initContainers[%d]" $.component $index }}
{{- if has .name $taken }}
{{ $where }}.name: a pod has one container {{ .name }}: choose another name
{{- end }}
{{- $taken = append $taken .name }}
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
