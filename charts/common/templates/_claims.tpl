{{/* dynamo-disagg.modelFolder: the path of a folder of the mounted volume. in: relative path, or nothing */}}
{{- define "dynamo-disagg.modelFolder" -}}
/models{{ with . }}/{{ trimAll "/" . }}{{ end }}
{{- end }}

{{/*
dynamo-disagg.claim: an existing claim, or one that the chart creates.
in:  dict "root" <context> "values" {claimName, create} "where" their path; out: YAML map {name, needs, [claim]}
*/}}
{{- define "dynamo-disagg.claim" -}}
{{- if .values.create.enabled }}
{{- $name := .values.claimName | default (include "dynamo-disagg.name" (dict "root" .root "component" "model")) }}
name: {{ $name | quote }}
needs: []
claim: {{ set (set (omit .values.create "enabled") "name" $name) "where" .where | toJson }}
{{- else }}
name: {{ .values.claimName | quote }}
needs:
  {{- if .values.claimName }}
  - {kind: PersistentVolumeClaim, name: {{ .values.claimName | quote }}, value: {{ .where }}.claimName}
  {{- end }}
{{- end }}
{{- end }}
