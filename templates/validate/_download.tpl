{{/* dynamo-disagg.validate.download: the pod of the Job that downloads the model. in: root context */}}
{{- define "dynamo-disagg.validate.download" -}}
{{- $where := "global.model.source.huggingface.download" }}
{{- $source := .Values.global.model.source }}
{{- if and (eq $source.type "huggingface") $source.huggingface.download.enabled }}
{{- with $source.huggingface.download }}
{{ include "dynamo-disagg.validate.security" (dict "root" $ "component" $where "values" . "hardware" dict) }}
{{- range $index, $toleration := .tolerations }}
{{ include "dynamo-disagg.validate.toleration" (dict "where" (printf "%s.tolerations[%d]" $where $index) "toleration" .) }}
{{- end }}
{{- $own := include "dynamo-disagg.downloadMounts" $ | fromYaml }}
{{- $owners := dict }}{{ range $own }}{{ $_ := set $owners .mountPath "the chart" }}{{ end }}
{{ include "dynamo-disagg.validate.volumes" (dict "where" (printf "%s.volumes" $where) "volumes" (.volumes | default dict) "names" (keys $own) "owners" $owners) }}
{{- if not $.Values.global.simulation.enabled }}
{{ include "dynamo-disagg.validate.authorities" (dict
      "root" $ "env" (dict "global.env" $.Values.global.env) "who" "the Job that downloads the model has it too"
      "where" (printf "%s.volumes" $where) "volumes" .volumes "mounts" (pick $own "model")) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.authorities: certificates that a pod is told to trust, which asks the hub, and that no volume of it brings: then no server is
trusted, or the file is missed. Images bring folders of the system's, and one of one's own what it likes, but not what a component mounts.
in: dict "root" "env" path -> variables, of which no name is in two "who" of the message "where" path of its "volumes" "mounts" others of its
*/}}
{{- define "dynamo-disagg.validate.authorities" -}}
{{- $isOwnImage := or .root.Values.global.engine.image.repository (and (hasPrefix "frontend." .where) .root.Values.frontend.image.repository) }}
{{- $places := include "dynamo-disagg.volumes.places" .root | fromJson }}
{{- range $of, $env := .env }}
{{- range $name, $paths := include "dynamo-disagg.env.authorities" $env | fromJson }}
{{- $isThere := false }}{{ $mounted := list }}
{{- range $path := $paths }}
{{- if regexMatch "^/(usr|etc/ssl|etc/pki|opt/dynamo)(/|$)" (clean $path) }}{{ $isThere = true }}{{ end }}
{{- range list $.volumes $.mounts }}
{{- if include "dynamo-disagg.volumes.holding" (dict "volumes" . "path" $path) | fromJson }}{{ $isThere = true }}{{ end }}
{{- end }}
{{- range $place, $volumes := $places }}
{{- range keys (include "dynamo-disagg.volumes.holding" (dict "volumes" $volumes "path" $path) | fromJson) }}{{ $mounted = append $mounted (printf "%s.%s" $place .) }}{{ end }}
{{- end }}
{{- end }}
{{- if not (or $isThere (and $isOwnImage (not $mounted))) }}
{{ $of }}.{{ $name }}: {{ $.who }}, and no volume of it has {{ join " or " $paths }}: mount it in {{ $.where }}{{ with $mounted }}, as {{ first . }} does{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
