{{/*
dynamo-disagg.initContainers: what runs in a pod before its program: the wait for the model, and the component's own containers, of
which those with restartPolicy Always stay beside it. in: as dynamo-disagg.model.wait
*/}}
{{- define "dynamo-disagg.initContainers" -}}
{{- $wait := include "dynamo-disagg.model.wait" . | trim }}
{{- $own := .root.Values.initContainers }}
{{- if or $wait $own }}
initContainers:
  {{- with $wait }}{{ . | nindent 2 }}{{ end }}
  {{- range $own }}
  {{- $security := include "dynamo-disagg.securityContext" (dict "root" $.root "overrides" .securityContext "writable" true) | fromJson }}
  - {{ merge (dict "securityContext" $security) . (dict "imagePullPolicy" "IfNotPresent") | toYaml | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end }}
