{{/*
dynamo-disagg.validate.members: what a running set of members cannot change.
in:  dict "root" <component context> "members" as of dynamo-disagg.members.*, and for the message "values" that are fixed, "when",
     and what is "lost" where the members are made anew
*/}}
{{- define "dynamo-disagg.validate.members" -}}
{{- $component := .root.Chart.Name }}
{{- $name := include "dynamo-disagg.name" (dict "root" .root "component" $component) }}
{{- if hasKey .root.Values.env "POD_NAME" }}
{{ $component }}.env.POD_NAME: the chart sets this variable: remove it
{{- end }}
{{- with lookup "apps/v1" "StatefulSet" .root.Release.Namespace $name }}
{{- $before := dig "metadata" "annotations" "dynamo-disagg/fixed" "" . }}
{{- $after := include "dynamo-disagg.members.fixed" $ }}
{{- $labels := printf "app.kubernetes.io/instance=%s,app.kubernetes.io/component=%s" (include "dynamo-disagg.fullname" $.root) $component }}
{{- $delete := printf "kubectl -n %s delete statefulset,pvc -l %s" $.root.Release.Namespace $labels }}
{{- if ne $before $after }}
{{ $.values }}: {{ $.when }}: StatefulSet {{ $name }} runs {{ $before | default "something else" }}, the values say {{ $after }}: keep them, or run "{{ $delete }}" and then upgrade ({{ $.lost }})
{{- end }}
{{- end }}
{{- end }}
