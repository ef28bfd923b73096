{{/*
dynamo-disagg.validate.previous: an upgrade that forgot the installation's values. `helm upgrade --set a=b` without files begins from the
chart's defaults, in silence. What runs says which model it serves, and on which nodes.
*/}}
{{- define "dynamo-disagg.validate.previous" -}}
{{- $global := .Values.global }}
{{- $isDefault := and (eq $global.model.name "Qwen/Qwen3-0.6B") (eq $global.hardware "nvidia") (not $global.hardwareSpec) }}
{{- if and $isDefault (not $global.simulation.enabled) (include "dynamo-disagg.validate.seesCluster" .) }}
{{- $runs := dict }}
{{- range $component, $subchart := pick .Subcharts "frontend" "decode" }}
{{- with lookup "apps/v1" "Deployment" $.Release.Namespace (include "dynamo-disagg.name" (dict "root" $subchart "component" $component)) }}
{{- $_ := set $runs $component .spec.template.spec }}
{{- end }}
{{- end }}
{{- $path := dig "startupProbe" "httpGet" "path" "" (dig "frontend" "containers" (list dict) $runs | first) }}
{{- $model := trimSuffix "/ready" (trimPrefix "/v1/models/" $path) }}
{{- $nodes := omit (dig "decode" "nodeSelector" dict $runs) "kubernetes.io/arch" }}
{{- if and $model (ne $model $global.model.name) }}
global.model.name: the release serves {{ $model }}, and these values are the defaults, with {{ $global.model.name }}: helm upgrade --set alone forgets the installation's values: add its files (-f), or --reset-then-reuse-values; if it is meant, set global.clusterChecks=false
{{- else if and $nodes (not .Values.decode.nodeSelector) }}
global.hardware: the release runs on nodes with {{ keys $nodes | sortAlpha | first }}, and these values are the defaults, with nvidia: helm upgrade --set alone forgets the installation's values: add its files (-f), or --reset-then-reuse-values; if it is meant, set global.clusterChecks=false
{{- end }}
{{- end }}
{{- end }}
