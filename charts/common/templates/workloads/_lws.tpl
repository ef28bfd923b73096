{{/*
common.workload.lws: one group of pods for each worker, as a LeaderWorkerSet. A lost rank hangs the others'
collectives, so the group restarts as a whole. Its name differs from the pool's: the controller makes a headless
Service of the same name, and that one publishes unready pods. Contract: workloads/_deployment.tpl
*/}}
{{- define "common.workload.lws" -}}
{{- $values := .root.Values }}
{{- $labels := dict "dynamo-disagg/rank" "leader" }}
{{- $name := printf "%s-group" (include "common.name" .) }}
{{- $address := "$(LWS_LEADER_ADDRESS)" }}
{{- $members := printf "$(POD_NAME)-%%d.%s" $name }}
{{- $index := dict "fieldRef" (dict "fieldPath" "metadata.labels['leaderworkerset.sigs.k8s.io/worker-index']") }}
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata:
  {{- $annotations := dict }}
  {{- with $values.exclusiveTopologyKey }}{{ $_ := set $annotations "leaderworkerset.sigs.k8s.io/exclusive-topology" . }}{{ end }}
  {{- include "common.workloadMetadata" (merge (dict "name" $name "annotations" $annotations) .) | nindent 2 }}
spec:
  {{- with include "common.replicas" .root }}
  {{ . }}
  {{- end }}
  startupPolicy: LeaderCreated
  rolloutStrategy:
    type: RollingUpdate
    rollingUpdateConfiguration: {{ include "common.worker.rollingUpdate" .root }}
  leaderWorkerTemplate:
    size: {{ include "common.worker.nodes" .root }}
    restartPolicy: RecreateGroupOnPodRestart
    leaderTemplate:
      {{- $leader := dict "class" "leader" "number" "0" "leaderAddress" $address "memberAddress" $members "labels" $labels }}
      {{- include "common.worker.podTemplate" (dict "root" .root "rank" $leader) | trim | nindent 6 }}
    workerTemplate:
      {{- $ofWorkers := dict "dynamo-disagg/rank" "worker" }}
      {{- $worker := dict "class" "worker" "number" $index "leaderAddress" $address "labels" $ofWorkers }}
      {{- include "common.worker.podTemplate" (dict "root" .root "rank" $worker) | trim | nindent 6 }}
{{- end }}
