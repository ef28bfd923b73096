{{/*
common.workload.deployment: one pod for each worker. Contract of every file in workloads/:
in:  dict "root" <component context> "component" string; out: the objects that run the pool
*/}}
{{- define "common.workload.deployment" -}}
{{- $values := .root.Values }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "common.workloadMetadata" . | nindent 2 }}
spec:
  {{- with include "common.replicas" .root }}
  {{ . }}
  {{- end }}
  revisionHistoryLimit: 3
  # The two roles of a new generation are seen to be ready some probes apart, and the frontends need a moment to know them;
  # only then may the old generation go, prefill first.
  minReadySeconds: {{ include "common.worker.minReadySeconds" .root }}
  # Longer than minReadySeconds, or the API server refuses it.
  {{- $pair := .root.pair | default (dict "seconds" (include "common.startupBudget" .root)) }}
  progressDeadlineSeconds: {{ add 60 (include "common.worker.apart" .root) (include "common.worker.placed" .root) $pair.seconds }}
  strategy:
    rollingUpdate: {{ include "common.worker.rollingUpdate" .root }}
  selector:
    matchLabels:
      {{- include "common.selectorLabels" . | nindent 6 }}
  template:
    {{- include "common.worker.podTemplate" (dict "root" .root) | trim | nindent 4 }}
{{- end }}
