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
{{- /* The workers differ only in their number, so one is rendered for all. YAML quotes a word that begins with @. */}}
{{- $number := "@number-of-the-dynamo-disagg-worker@" }}
{{- $members := printf "%s-%s-worker-%%d.%s" $name $number $service }}
{{- $worker := "" }}
{{- range $class := list "leader" "worker" }}
{{- $labels := dict "dynamo-disagg/group" $number "dynamo-disagg/rank" $class }}
{{- $address := printf "%s-%s-leader-0.%s" $name $number $service }}
{{- $rank := dict "class" $class "leaderAddress" $address "memberAddress" $members "labels" $labels "number" (ternary "0" $index (eq $class "leader")) }}
{{- $parts := dict "root" $root "context" $context "name" (printf "%s-%s-%s" $name $number $class) "service" $service "rank" $rank "replicas" (ternary 1 (sub $nodes 1) (eq $class "leader")) }}
{{- $worker = printf "%s\n---\n%s" $worker (include "common.workload.statefulset.class" $parts | trim) }}
{{- end }}
{{- range $group := until (int .root.Values.replicas) }}
{{- replace $number (toString $group) $worker }}
{{- end }}
{{- end }}

{{/* common.workload.statefulset.class: the pods of one class of a worker: its leader, or its other ranks. */}}
{{- define "common.workload.statefulset.class" -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "common.metadata" (merge (dict "name" .name "labels" .rank.labels) .context) | nindent 2 }}
spec:
  replicas: {{ .replicas }}
  revisionHistoryLimit: 3
  serviceName: {{ .service }}
  podManagementPolicy: Parallel
  {{- if eq .rank.class "worker" }}
  # A pod's index is its rank.
  ordinals: {start: 1}
  {{- end }}
  selector:
    matchLabels:
      {{- include "common.selectorLabels" .context | nindent 6 }}
      {{- toYaml .rank.labels | nindent 6 }}
  template:
    {{- include "common.worker.podTemplate" (dict "root" .root "rank" .rank) | trim | nindent 4 }}
{{- end }}
