{{/*
common.workload.deployment: one pod for each worker. Contract of every file in workloads/:
in:  dict "root" <component context> "component" string; out: the objects that run the pool
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
  progressDeadlineSeconds: {{ add (include "common.progressDeadline" (dict "root" .root "model" (include "common.model" .root | fromYaml))) (include "common.startupBudget" .root) }}
  strategy:
    rollingUpdate:
      {{- toYaml $values.rollingUpdate | nindent 6 }}
  selector:
    matchLabels:
      {{- include "common.selectorLabels" . | nindent 6 }}
  template:
    {{- include "common.worker.podTemplate" (dict "root" .root) | trim | nindent 4 }}
{{- end }}
