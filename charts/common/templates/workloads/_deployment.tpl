{{/*
dynamo-disagg.workload.deployment: one pod for each worker. Contract of every file in workloads/:
in:  dict "root" <component context> "component" string; out: the objects that run the pool
*/}}
{{- define "dynamo-disagg.workload.deployment" -}}
{{- $values := .root.Values }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "dynamo-disagg.workloadMetadata" . | nindent 2 }}
spec:
  {{- with include "dynamo-disagg.replicas" .root }}
  {{ . }}
  {{- end }}
  revisionHistoryLimit: 3
  # The two roles of a new generation are seen to be ready some probes apart, and the frontends need a moment to know them;
  # only then may the old generation go, prefill first.
  minReadySeconds: {{ include "dynamo-disagg.worker.minReadySeconds" .root }}
  # Longer than minReadySeconds, or the API server refuses it.
  {{- $pair := .root.pair | default (dict "seconds" (include "dynamo-disagg.startupBudget" .root)) }}
  progressDeadlineSeconds: {{ add 60 (include "dynamo-disagg.worker.apart" .root) (include "dynamo-disagg.worker.placed" .root) $pair.seconds }}
  strategy:
    rollingUpdate: {{ include "dynamo-disagg.worker.rollingUpdate" .root }}
  selector:
    matchLabels:
      {{- include "dynamo-disagg.selectorLabels" . | nindent 6 }}
  template:
    {{- include "dynamo-disagg.worker.podTemplate" (dict "root" .root) | trim | nindent 4 }}
{{- end }}
