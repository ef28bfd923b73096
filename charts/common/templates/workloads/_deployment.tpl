{{/*
common.workload.deployment: one pod per worker.
in:  dict "root" <component context> "component" string "template" <pod template, YAML text>
*/}}
{{- define "common.workload.deployment" -}}
{{- $values := .root.Values }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  replicas: {{ int64 $values.replicas }}
  revisionHistoryLimit: 3
  strategy:
    rollingUpdate:
      {{- toYaml $values.rollingUpdate | nindent 6 }}
  selector:
    matchLabels:
      {{- include "common.selectorLabels" . | nindent 6 }}
  template:
    {{- .template | trim | nindent 4 }}
{{- end }}
