{{/*
common.workload.lws: one group of pods for each worker, as a LeaderWorkerSet. A lost rank hangs the others'
collectives, so the group restarts as a whole. Its name differs from the pool's: the controller makes a headless
Service of the same name, and that one publishes unready pods. Contract: workloads/_deployment.tpl
*/}}
{{- define "common.workload.lws" -}}
{{- $name := printf "%s-group" (include "common.name" .) }}
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata:
  {{- include "common.lws.metadata" (merge (dict "name" $name) .) | nindent 2 }}
spec:
  {{- include "common.lws.spec" (merge (dict "subdomain" $name) .) | nindent 2 }}
{{- end }}

{{/* common.lws.metadata. in: as common.metadata */}}
{{- define "common.lws.metadata" -}}
{{- $annotations := dict }}
{{- with .root.Values.exclusiveTopologyKey }}{{ $_ := set $annotations "leaderworkerset.sigs.k8s.io/exclusive-topology" . }}{{ end }}
{{- include "common.workloadMetadata" (merge (dict "annotations" $annotations) .) }}
{{- end }}

{{/*
common.lws.spec. A worker of one node, which only a DisaggregatedSet has here, is a group of one pod.
in: dict "root" <component context> "subdomain" the group's headless Service, as its leader sees it ["env" what that names]
*/}}
{{- define "common.lws.spec" -}}
{{- $nodes := include "common.worker.nodes" .root | int }}
{{- $address := "$(LWS_LEADER_ADDRESS)" }}
{{- with include "common.replicas" .root }}
{{- . }}
{{- end }}
startupPolicy: LeaderCreated
rolloutStrategy:
  type: RollingUpdate
  rollingUpdateConfiguration: {{ include "common.worker.rollingUpdate" .root }}
leaderWorkerTemplate:
  size: {{ $nodes }}
  restartPolicy: RecreateGroupOnPodRestart
  {{- if gt $nodes 1 }}
  leaderTemplate:
    {{- $leader := dict
          "class" "leader" "number" "0" "leaderAddress" $address "memberAddress" (printf "$(POD_NAME)-%%d.%s" .subdomain)
          "env" .env "labels" (dict "dynamo-disagg/rank" "leader") }}
    {{- include "common.worker.podTemplate" (dict "root" .root "rank" $leader) | trim | nindent 4 }}
  workerTemplate:
    {{- $index := dict "fieldRef" (dict "fieldPath" "metadata.labels['leaderworkerset.sigs.k8s.io/worker-index']") }}
    {{- $worker := dict "class" "worker" "number" $index "leaderAddress" $address "labels" (dict "dynamo-disagg/rank" "worker") }}
    {{- include "common.worker.podTemplate" (dict "root" .root "rank" $worker) | trim | nindent 4 }}
  {{- else }}
  workerTemplate:
    {{- include "common.worker.podTemplate" (dict "root" .root) | trim | nindent 4 }}
  {{- end }}
{{- end }}
