{{/* dynamo-disagg.validate.mounts: volumes over others. in: dict "component" "context" <component context> "hardware" */}}
{{- define "dynamo-disagg.validate.mounts" -}}
{{- $model := include "dynamo-disagg.model" .context | fromJson }}
{{- $taken := merge $model.mounts (include "dynamo-disagg.scripts" .context | fromJson).mounts }}
{{- if ne .component "frontend" }}
{{- $of := include "dynamo-disagg.worker.context" .context | fromJson | merge (dict "root" .context "rank" (dict "class" "worker")) }}
{{- $needs := include (printf "dynamo-disagg.engine.%s.pod" (include "dynamo-disagg.engineName" .context)) $of | fromYaml }}
{{- $taken = merge $taken (include "dynamo-disagg.worker.mounts" .context | fromJson) ($needs.volumes | default dict) }}
{{- else }}
{{- $taken = merge $taken (include "dynamo-disagg.frontend.mounts" .context | fromJson) }}
{{- end }}
{{- $owners := dict }}
{{- range $name, $mount := $taken }}{{ with $mount }}{{ $_ := set $owners (clean .mountPath) "the chart" }}{{ end }}{{ end }}
{{- $ownPaths := .context.Values.global.hardwareSpec.hostPaths | default dict }}
{{- range $name, $mount := .hardware.hostPaths }}
{{- $where := printf "global.hardwareSpec.hostPaths.%s" $name }}
{{- if or (hasKey $taken $name) (hasKey $model.volumes $name) }}
{{ $where }}: the chart has a volume of this name: choose another name
{{- end }}
{{- with get $owners (clean .mountPath) }}
{{ $where }}.mountPath: {{ . }} mounts another volume at {{ clean $mount.mountPath }}: choose another path
{{- end }}
{{- $_ := set $owners (clean .mountPath) (ternary $where "the machine type" (hasKey $ownPaths $name)) }}
{{- end }}
{{- $taken = merge $taken (.hardware.hostPaths | default dict) }}
{{- $names := keys $taken $model.volumes }}
{{ include "dynamo-disagg.validate.volumes" (dict "where" (printf "%s.volumes" .component) "volumes" .context.Values.volumes "names" $names "owners" $owners) }}
{{- $volumes := concat $names (keys .context.Values.volumes) }}
{{ include "dynamo-disagg.validate.containers" (dict "context" .context "component" .component "containers" .context.Values.initContainers "volumes" $volumes "hardware" .hardware) }}
{{- end }}

{{/*
dynamo-disagg.validate.volumes: a `volumes` map beside the pod's own volumes. in: dict "where" "volumes" "names" of the pod's own
"owners" path -> whose volume is mounted there, to which it adds these
*/}}
{{- define "dynamo-disagg.validate.volumes" -}}
{{- range $name := keys .volumes | sortAlpha }}
{{- with get $.volumes $name }}
{{- $where := printf "%s.%s" $.where $name }}
{{- $path := clean .mountPath }}
{{- if has $name $.names }}
{{ $where }}: the chart has a volume of this name: choose another name
{{- end }}
{{- with get $.owners $path }}
{{ $where }}.mountPath: {{ . }} mounts another volume at {{ $path }}: choose another path
{{- end }}
{{- if regexMatch "^/(bin|etc|lib|lib64|opt|opt/dynamo|proc|sbin|usr|usr/(bin|lib|local)|(var/)?run/secrets/kubernetes[.]io/serviceaccount)$" $path }}
{{ $where }}.mountPath: {{ $path }} has the image's own files or Kubernetes', which this volume would hide: choose a folder of its own, such as /mnt/{{ $name }}, or one file with subPath
{{- end }}
{{- if regexMatch "(^|/)[.][.](/|$)" (printf "%s %s" .mountPath (.subPath | default "") | replace " " "/") }}
{{ $where }}: Kubernetes allows no ".." in paths: write mountPath and subPath without
{{- end }}
{{- with include "dynamo-disagg.validate.kinds" .source }}
{{ $where }}.source: a volume has one source, not {{ . }}: keep one, or remove the volume with null
{{- end }}
{{- range $kind, $source := .source }}
{{- $mode := get ($source | default dict) "defaultMode" | int }}
{{- if or (gt $mode 511) (lt $mode 0) }}
{{ $where }}.source.{{ $kind }}.defaultMode: {{ $mode }} is decimal, and no mode of files: write it in octal, e.g. 0644, or as its decimal 420
{{- end }}
{{- end }}
{{- $_ := set $.owners $path $where }}
{{- end }}
{{- end }}
{{- end }}
