{{/*
common.workload.statefulset: where LeaderWorkerSet is not installed. For each worker a StatefulSet for the leader and
one for the other ranks, because one pod template can hold only one command line and one set of probes; and one
headless Service over all ranks for the rendezvous. It publishes unready pods, so it carries no discovery label.
Contract: workloads/_deployment.tpl
*/}}
{{- define "common.workload.statefulset" -}}
{{- $root := .root }}{{ $context := . }}
{{- $name := include "common.name" . }}
{{- $service := printf "%s-ranks" $name }}
{{- $nodes := include "common.worker.nodes" .root | int }}
apiVersion: v1
kind: Service
metadata:
  {{- include "common.metadata" (merge (dict "name" $service) .) | nindent 2 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "common.selectorLabels" . | nindent 4 }}
  ports:
    - {name: rendezvous, port: 29500}
{{- $index := dict "fieldRef" (dict "fieldPath" "metadata.labels['apps.kubernetes.io/pod-index']") }}
{{- range $group := until (int .root.Values.replicas) }}
{{- $address := printf "%s-%d-leader-0.%s" $name $group $service }}
{{- $members := printf "%s-%d-worker-%%d.%s" $name $group $service }}
{{- range $class := list "leader" "worker" }}
{{- $labels := dict "dynamo-disagg/group" (toString $group) "dynamo-disagg/rank" $class }}
{{- $rank := dict "class" $class "leaderAddress" $address "memberAddress" $members "labels" $labels "number" (ternary "0" $index (eq $class "leader")) }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "common.metadata" (merge (dict "name" (printf "%s-%d-%s" $name $group $class) "labels" $labels) $context) | nindent 2 }}
spec:
  replicas: {{ ternary 1 (sub $nodes 1) (eq $class "leader") }}
  revisionHistoryLimit: 3
  serviceName: {{ $service }}
  podManagementPolicy: Parallel
  {{- if eq $class "worker" }}
  # A pod's index is its rank.
  ordinals: {start: 1}
  {{- end }}
  selector:
    matchLabels:
      {{- include "common.selectorLabels" $context | nindent 6 }}
      {{- toYaml $labels | nindent 6 }}
  template:
    {{- include "common.worker.podTemplate" (dict "root" $root "rank" $rank) | trim | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}
