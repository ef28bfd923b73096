{{/*
dynamo-disagg.workload.lws: one group of pods for each worker, as a LeaderWorkerSet. A lost rank hangs the others'
collectives, so the group restarts as a whole. Its name differs from the pool's: the controller makes a headless
Service of the same name, and that one publishes unready pods. Contract: workloads/_deployment.tpl
*/}}
{{- define "dynamo-disagg.workload.lws" -}}
{{- $name := printf "%s-group" (include "dynamo-disagg.name" .) }}
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata:
  {{- include "dynamo-disagg.lws.metadata" (merge (dict "name" $name) .) | nindent 2 }}
spec:
  {{- include "dynamo-disagg.lws.spec" (merge (dict "subdomain" $name) .) | nindent 2 }}
{{- end }}

{{/* dynamo-disagg.lws.metadata. in: as dynamo-disagg.metadata */}}
{{- define "dynamo-disagg.lws.metadata" -}}
{{- $annotations := dict }}
{{- with .root.Values.exclusiveTopologyKey }}{{ $_ := set $annotations "leaderworkerset.sigs.k8s.io/exclusive-topology" . }}{{ end }}
{{- include "dynamo-disagg.workloadMetadata" (merge (dict "annotations" $annotations) .) }}
{{- end }}

{{/*
dynamo-disagg.lws.spec. A worker of one node, which only a DisaggregatedSet has here, is a group of one pod.
in: dict "root" <component context> "subdomain" the group's headless Service, as its leader sees it ["env" what that names]
*/}}
{{- define "dynamo-disagg.lws.spec" -}}
{{- $nodes := include "dynamo-disagg.worker.nodes" .root | int }}
{{- $address := "$(LWS_LEADER_ADDRESS)" }}
{{- with include "dynamo-disagg.replicas" .root }}
{{- . }}
{{- end }}
startupPolicy: LeaderCreated
rolloutStrategy:
  type: RollingUpdate
  rollingUpdateConfiguration: {{ include "dynamo-disagg.worker.rollingUpdate" .root }}
leaderWorkerTemplate:
  size: {{ $nodes }}
  restartPolicy: RecreateGroupOnPodRestart
  {{- if gt $nodes 1 }}
  leaderTemplate:
    {{- $leader := dict
          "class" "leader" "number" "0" "leaderAddress" $address "memberAddress" (printf "$(POD_NAME)-%%d.%s" .subdomain)
          "env" .env "labels" (dict "dynamo-disagg/rank" "leader") }}
    {{- include "dynamo-disagg.worker.podTemplate" (dict "root" .root "rank" $leader) | trim | nindent 4 }}
  workerTemplate:
    {{- $index := dict "fieldRef" (dict "fieldPath" "metadata.labels['leaderworkerset.sigs.k8s.io/worker-index']") }}
    {{- $worker := dict "class" "worker" "number" $index "leaderAddress" $address "labels" (dict "dynamo-disagg/rank" "worker") }}
    {{- include "dynamo-disagg.worker.podTemplate" (dict "root" .root "rank" $worker) | trim | nindent 4 }}
  {{- else }}
  workerTemplate:
    {{- include "dynamo-disagg.worker.podTemplate" (dict "root" .root) | trim | nindent 4 }}
  {{- end }}
{{- end }}
