{{/*
A worker pool. The charts prefill, decode and encode include these with their own context and nothing else: the role
is the chart's name, and what differs between the roles is values.
*/}}

{{/* dynamo-disagg.worker.mode: prefill, decode, agg or encode; empty when the pool does not exist. */}}
{{- define "dynamo-disagg.worker.mode" -}}
{{- include "dynamo-disagg.filled" . }}
{{- if eq .Chart.Name "encode" }}{{ if int .Values.replicas }}encode{{ end }}
{{- else if eq .Values.global.serving "aggregated" }}{{ if eq .Chart.Name "decode" }}agg{{ end }}
{{- else }}{{ .Chart.Name }}{{ end }}
{{- end }}

{{/* dynamo-disagg.worker.gpus: GPUs of one worker. Always the real engine's arithmetic, in simulation too. */}}
{{- define "dynamo-disagg.worker.gpus" -}}
{{ include (printf "dynamo-disagg.engine.%s.gpus" .Values.global.engine.name) (dict "root" .) }}
{{- end }}

{{/* dynamo-disagg.worker.nodes: nodes (and pods) of one worker; what does not divide is refused. */}}
{{- define "dynamo-disagg.worker.nodes" -}}
{{- if not (hasKey . "nodes") }}
{{- $gpus := include "dynamo-disagg.worker.gpus" . | int }}
{{- $perNode := (include "dynamo-disagg.hardware" . | fromJson).gpusPerNode | int }}
{{- $_ := set . "nodes" (div (add $gpus (sub $perNode 1)) $perNode) }}
{{- end }}
{{- .nodes }}
{{- end }}

{{/*
dynamo-disagg.worker.hardware: dynamo-disagg.hardware with a ComputeDomain only where GPUs of several pods use each other's memory: between prefill and
decode, and within a worker of several nodes. Encoders hand theirs on through the hosts (docs/multimodal.md).
in: component context, or the root chart's; out: JSON map
*/}}
{{- define "dynamo-disagg.worker.hardware" -}}
{{- $text := include "dynamo-disagg.hardware" . }}
{{- $hardware := $text | fromJson }}
{{- $worker := get (.Subcharts | default dict) "decode" | default . }}
{{- $between := and (eq .Values.global.serving "disaggregated") (ne .Chart.Name "encode") }}
{{- if and $hardware.computeDomain (or $between (gt (include "dynamo-disagg.worker.nodes" $worker | int) 1)) }}{{ $text }}
{{- else }}
{{- /* NCCL that is told to use NVLink between nodes (1) does not start in a pod without a channel of a domain. */}}
{{- $_ := set $hardware "computeDomain" false }}
{{- $_ := set $hardware "claims" (omit $hardware.claims "compute-domain") }}
{{- $_ := set $hardware "env" (omit $hardware.env "NCCL_MNNVL_ENABLE") }}
{{- toJson $hardware }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.worker.podGpus: GPUs of each of a worker's pods. */}}
{{- define "dynamo-disagg.worker.podGpus" -}}
{{ div (include "dynamo-disagg.worker.gpus" . | int64) (include "dynamo-disagg.worker.nodes" . | int64) }}
{{- end }}

{{/* dynamo-disagg.worker.allServe: "true" where every pod of a worker of several nodes serves, else empty. in: component context */}}
{{- define "dynamo-disagg.worker.allServe" -}}
{{- if gt (include "dynamo-disagg.worker.nodes" . | int) 1 }}{{ include (printf "dynamo-disagg.engine.%s.serves" (include "dynamo-disagg.engineName" .)) (dict "root" .) }}{{ end }}
{{- end }}

{{/*
dynamo-disagg.worker.idle: seconds after which the last pod of a deleted worker is gone, whatever it does; nothing where it goes
5 s after its last answer. Dynamo's mocker has no grace period (findings/dynamo-mocker-has-no-grace-period.sh).
in: component context
*/}}
{{- define "dynamo-disagg.worker.idle" -}}
{{- $pod := dict "root" . "leads" true "together" (include "dynamo-disagg.worker.allServe" .) }}
{{- with include "dynamo-disagg.drain.worker.sleep" $pod | trim }}
{{- $idle := ternary 0 (add . (include "dynamo-disagg.drain.worker.grace" $pod.root)) $pod.root.Values.global.simulation.enabled }}
{{- if gt (include "dynamo-disagg.worker.nodes" $pod.root | int) 1 }}{{ $idle = max $idle (add 1 (include "dynamo-disagg.drain.worker.sleep" (set $pod "leads" false) | trim)) }}{{ end }}
{{- if $idle }}{{ $idle }}{{ end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.worker.ownedEnv: environment the chart sets; a user may not set it. out: JSON map */}}
{{- define "dynamo-disagg.worker.ownedEnv" -}}
{{- if not (hasKey . "ownedEnv") }}
{{- /* Without the second /health stays 503 for ever. */}}
{{- $system := dict
      "DYN_SYSTEM_PORT" (include "dynamo-disagg.port.system" .)
      "DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS" (toJson (list "generate")) }}
{{- $env := merge $system
      (include "dynamo-disagg.env.pod" . | fromJson)
      (include "dynamo-disagg.env.telemetry" . | fromJson)
      (include "dynamo-disagg.env.dynamo" . | fromJson)
      (include "dynamo-disagg.drain.worker.env" . | fromJson) }}
{{- $_ := set . "ownedEnv" (toJson $env) }}
{{- end }}
{{- set (fromJson .ownedEnv) "DYN_NAMESPACE_WORKER_SUFFIX" (.generation | default "") | toJson }}
{{- end }}

{{/* dynamo-disagg.worker.resources: of one worker pod: the role's CPU and memory, its share of the GPUs, the machine's devices. */}}
{{- define "dynamo-disagg.worker.resources" -}}
{{- $root := .root }}
{{- $gpus := include "dynamo-disagg.worker.podGpus" $root | int64 }}
{{- $devices := ternary dict (dict .hardware.gpuResource $gpus) (eq "true" (include "dynamo-disagg.hardware.claimsGpus" .hardware)) }}
{{- range $name, $count := .hardware.extendedResources }}{{ $_ := set $devices $name (int64 $count) }}{{ end }}
{{- $simulation := $root.Values.global.simulation }}
{{- $base := ternary $simulation.resources $root.Values.resources $simulation.enabled | include "dynamo-disagg.withoutNulls" | fromJson }}
{{- $resources := dict "requests" (merge (dict) $devices ($base.requests | default dict)) "limits" (merge (dict) $devices ($base.limits | default dict)) }}
{{- with .hardware.claims }}
{{- $claims := list }}
{{- range $name := keys . | sortAlpha }}{{ $claims = append $claims (dict "name" $name) }}{{ end }}
{{- $_ := set $resources "claims" $claims }}
{{- end }}
{{- toJson $resources }}
{{- end }}

{{/*
dynamo-disagg.worker.rollingUpdate: what of it is left open. A new pod comes first; a new group of pods would ask for nodes that are
not there, and LeaderWorkerSet before 0.9 never replaces the last group without one that may be away.
in: component context; out: JSON map {maxSurge, maxUnavailable}
*/}}
{{- define "dynamo-disagg.worker.rollingUpdate" -}}
{{- $given := .Values.rollingUpdate }}
{{- $isGroup := gt (include "dynamo-disagg.worker.nodes" . | int) 1 }}
{{- $surge := ternary (ternary 0 1 $isGroup) $given.maxSurge (eq (toString $given.maxSurge) "") }}
{{- $away := ternary (ternary 1 0 (has (toString $surge) (list "0" "0%"))) $given.maxUnavailable (eq (toString $given.maxUnavailable) "") }}
{{- dict "maxSurge" $surge "maxUnavailable" $away | toJson }}
{{- end }}

{{/* dynamo-disagg.worker.surges: "true" where an update starts a worker more before it ends one, else empty. in: component context */}}
{{- define "dynamo-disagg.worker.surges" -}}
{{- if not (has (toString (include "dynamo-disagg.worker.rollingUpdate" . | fromJson).maxSurge) (list "0" "0%")) }}true{{ end }}
{{- end }}

{{/*
dynamo-disagg.colocationKey: the label of the domain that holds all workers. Memory of a ComputeDomain ends at the NVLink clique: beyond
it pods get ready and answer with nothing. in: component context
*/}}
{{- define "dynamo-disagg.colocationKey" -}}
{{- $inOneClique := and (not .Values.exclusiveTopologyKey) (include "dynamo-disagg.worker.hardware" . | fromJson).computeDomain }}
{{- .Values.global.colocation.topologyKey | default (ternary "nvidia.com/gpu.clique" "" (eq (toString $inOneClique) "true")) }}
{{- end }}

{{/*
dynamo-disagg.worker.affinity: the role's affinity, for workers of one node that of dynamo-disagg.pod.apart, and with global.colocation the
domain of all workers of the release.
*/}}
{{- define "dynamo-disagg.worker.affinity" -}}
{{- $affinity := .Values.affinity }}
{{- $key := include "dynamo-disagg.colocationKey" . }}
{{- if and (eq (include "dynamo-disagg.worker.nodes" .) "1") (ne $key "kubernetes.io/hostname") }}
{{- $affinity = include "dynamo-disagg.pod.apart" (dict "root" .) | fromJson }}
{{- end }}
{{- include "dynamo-disagg.colocation" (dict "root" . "affinity" $affinity "topologyKey" $key) }}
{{- end }}

{{/* dynamo-disagg.worker.config: the engine's configuration file, or nothing. in: component context, which keeps it */}}
{{- define "dynamo-disagg.worker.config" -}}
{{- if not (hasKey . "config") }}
{{- $context := include "dynamo-disagg.worker.context" . | fromJson | merge (dict "root" .) }}
{{- $_ := set . "config" (include (printf "dynamo-disagg.engine.%s.config" (include "dynamo-disagg.engineName" .)) $context | trim) }}
{{- end }}
{{- .config }}
{{- end }}

{{/*
dynamo-disagg.worker.configName: another file is another ConfigMap, because an old pod whose container starts again would read the new
one under its old generation. in: component context
*/}}
{{- define "dynamo-disagg.worker.configName" -}}
{{ include "dynamo-disagg.name" (dict "root" . "component" .Chart.Name) }}-{{ include "dynamo-disagg.worker.config" . | sha256sum | trunc 8 }}
{{- end }}

{{/* dynamo-disagg.worker.context: what an engine's templates get besides root. out: JSON map {role, mode, nodes} */}}
{{- define "dynamo-disagg.worker.context" -}}
{{- dict "role" .Chart.Name "mode" (include "dynamo-disagg.worker.mode" .) "nodes" (include "dynamo-disagg.worker.nodes" . | int) | toJson }}
{{- end }}

{{/*
dynamo-disagg.worker.kind: which of workloads/ runs the pool. The roles of a DisaggregatedSet are LeaderWorkerSets, those of one node
too. in: component context
*/}}
{{- define "dynamo-disagg.worker.kind" -}}
{{- $controller := .Values.global.multiNode.controller }}
{{- if include "dynamo-disagg.isSet" . }}lws{{ else if gt (include "dynamo-disagg.worker.nodes" . | int) 1 }}{{ $controller }}{{ else }}deployment{{ end }}
{{- end }}

{{/* dynamo-disagg.worker.runByLws: "true" for a pool that is a LeaderWorkerSet, or a role of a DisaggregatedSet, else empty. in: component context */}}
{{- define "dynamo-disagg.worker.runByLws" -}}
{{- $isPool := include "dynamo-disagg.worker.mode" . }}
{{- if and $isPool (eq (include "dynamo-disagg.worker.kind" .) "lws") }}true{{ end }}
{{- end }}

{{/* dynamo-disagg.isSet: "true" where all pools are one DisaggregatedSet, else empty. in: any context */}}
{{- define "dynamo-disagg.isSet" -}}
{{- if eq .Values.global.multiNode.controller "disaggregatedset" }}true{{ end }}
{{- end }}
