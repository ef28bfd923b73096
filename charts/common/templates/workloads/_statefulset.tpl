{{/*
dynamo-disagg.workload.statefulset: where LeaderWorkerSet is not installed. A StatefulSet for each rank, because a pod template
holds one command line and one set of probes; its pod n is that rank of worker n. One headless Service over all ranks is
for the rendezvous: it publishes unready pods, so it carries no discovery label. Contract: workloads/_deployment.tpl
*/}}
{{- define "dynamo-disagg.workload.statefulset" -}}
{{- $root := .root }}{{ $context := . }}
{{- $name := include "dynamo-disagg.name" . }}
{{- $service := printf "%s-ranks" $name }}
{{- $worker := dict "DYNAMO_GROUP" (dict "fieldRef" (dict "fieldPath" "metadata.labels['apps.kubernetes.io/pod-index']")) }}
{{- $address := printf "%s-rank-%%d-$(DYNAMO_GROUP).%s" $name $service }}
apiVersion: v1
kind: Service
metadata:
  {{- include "dynamo-disagg.metadata" (merge (dict "name" $service) .) | nindent 2 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "dynamo-disagg.selectorLabels" . | nindent 4 }}
  ports:
    - {name: rendezvous, port: {{ include "dynamo-disagg.port.rendezvous" . }}}
{{- range $number := until (include "dynamo-disagg.worker.nodes" .root | int) }}
{{- $class := ternary "worker" "leader" (gt $number 0) }}
{{- $labels := dict "dynamo-disagg/rank" $class "dynamo-disagg/rank-number" (toString $number) }}
{{- $rank := dict
      "class" $class "number" (toString $number) "leaderAddress" (printf $address 0) "memberAddress" $address
      "env" $worker "labels" $labels }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "dynamo-disagg.workloadMetadata" (merge (dict "name" (printf "%s-rank-%d" $name $number) "labels" $labels) $context) | nindent 2 }}
spec:
  replicas: {{ int64 $root.Values.replicas }}
  revisionHistoryLimit: 3
  serviceName: {{ $service }}
  podManagementPolicy: Parallel
  # A worker's ranks are seen to be ready some probes apart; only then may an update go on to the next worker.
  minReadySeconds: {{ include "dynamo-disagg.worker.minReadySeconds" $root }}
  selector:
    matchLabels:
      {{- include "dynamo-disagg.selectorLabels" $context | nindent 6 }}
      {{- toYaml $labels | nindent 6 }}
  template:
    {{- include "dynamo-disagg.worker.podTemplate" (dict "root" $root "rank" $rank) | trim | nindent 4 }}
{{- end }}
{{- end }}
