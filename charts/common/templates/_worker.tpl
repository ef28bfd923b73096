{{/*
A worker pool. The charts prefill and decode include these with their own context and nothing else: the role
is the chart's name, and what differs between the roles is values.
*/}}

{{/* common.worker.mode: prefill, decode or agg; empty when the pool does not exist. */}}
{{- define "common.worker.mode" -}}
{{- if eq .Values.global.serving "aggregated" }}{{ if eq .Chart.Name "decode" }}agg{{ end }}{{ else }}{{ .Chart.Name }}{{ end }}
{{- end }}

{{/* common.worker.gpus: GPUs of one worker. Always the real engine's arithmetic, in simulation too. */}}
{{- define "common.worker.gpus" -}}
{{ include (printf "common.engine.%s.gpus" .Values.global.engine.name) (dict "root" .) }}
{{- end }}

{{/* common.worker.nodes: nodes (and pods) of one worker; what does not divide is refused by common.validate. */}}
{{- define "common.worker.nodes" -}}
{{- $gpus := include "common.worker.gpus" . | int }}
{{- $perNode := (include "common.hardware" . | fromYaml).gpusPerNode | int }}
{{- div (add $gpus (sub $perNode 1)) $perNode }}
{{- end }}

{{- define "common.worker.engine" -}}
{{ if .Values.global.simulation.enabled }}mocker{{ else }}{{ .Values.global.engine.name }}{{ end }}
{{- end }}

{{- define "common.worker.modelSource" -}}
{{ if .Values.global.simulation.enabled }}simulated{{ else }}{{ .Values.global.model.source.type }}{{ end }}
{{- end }}

{{/* common.worker.ownedEnv: environment the chart sets; a user may not set it (common.validate). out: YAML map */}}
{{- define "common.worker.ownedEnv" -}}
{{ include "common.env.pod" . | trim }}
{{ include "common.env.dynamo" . | trim }}
{{ include "common.drain.worker.env" . | trim }}
DYN_SYSTEM_PORT: "9090"
# Without it /health stays 503 for ever.
DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS: '["generate"]'
{{- end }}

{{/* common.worker.resources: of one worker pod: the role's CPU and memory, its share of the GPUs, the machine's devices. */}}
{{- define "common.worker.resources" -}}
{{- $root := .root }}
{{- $gpus := div (include "common.worker.gpus" $root | int64) (include "common.worker.nodes" $root | int64) }}
{{- $devices := dict .hardware.gpuResource $gpus }}
{{- range $name, $count := .hardware.extendedResources }}{{ $_ := set $devices $name (int64 $count) }}{{ end }}
{{- $base := ternary $root.Values.global.simulation.resources $root.Values.resources $root.Values.global.simulation.enabled | include "common.given" | fromYaml }}
{{- $resources := dict "requests" (merge (dict) $devices ($base.requests | default dict)) "limits" (merge (dict) $devices ($base.limits | default dict)) }}
{{- with .hardware.claims }}
{{- $claims := list }}
{{- range $name := keys . | sortAlpha }}{{ $claims = append $claims (dict "name" $name) }}{{ end }}
{{- $_ := set $resources "claims" $claims }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{/* common.worker.affinity: the role's affinity, and with global.colocation the company of all workers of the release. */}}
{{- define "common.worker.affinity" -}}
{{- include "common.company" (dict "root" . "affinity" .Values.affinity "topologyKey" .Values.global.colocation.topologyKey) }}
{{- end }}

{{/*
common.company: an affinity that also asks for the company of all workers of the release.
in:  dict "root" <component context> "affinity" {} "topologyKey" label of the domain, or nothing for anywhere
*/}}
{{- define "common.company" -}}
{{- $affinity := deepCopy .affinity }}
{{- with .topologyKey }}
{{- $workers := dict
      "matchLabels" (omit (include "common.selectorLabels" (dict "root" $.root "component" "") | fromYaml) "app.kubernetes.io/component")
      "matchExpressions" (list (dict "key" "app.kubernetes.io/component" "operator" "In" "values" (list "prefill" "decode"))) }}
{{- $company := $affinity.podAffinity | default dict }}
{{- $terms := append ($company.requiredDuringSchedulingIgnoredDuringExecution | default list) (dict "topologyKey" . "labelSelector" $workers) }}
{{- $_ := set $affinity "podAffinity" (merge (dict "requiredDuringSchedulingIgnoredDuringExecution" $terms) $company) }}
{{- end }}
{{- toYaml $affinity }}
{{- end }}

{{/* common.worker.workload: the objects that run the pool. */}}
{{- define "common.worker.workload" -}}
{{- if include "common.worker.mode" . }}
{{- $kind := "deployment" }}
{{- if gt (include "common.worker.nodes" . | int) 1 }}{{ $kind = .Values.global.multiNode.controller }}{{ end }}
{{- include (printf "common.workload.%s" $kind) (dict "root" . "component" .Chart.Name) }}
{{- end }}
{{- end }}

{{/* common.worker.configMap: the engine's configuration file, for engines that read one. */}}
{{- define "common.worker.configMap" -}}
{{- if include "common.worker.mode" . }}
{{- with include "common.worker.config" . | trim }}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "common.metadata" (dict "root" $ "component" $.Chart.Name) | nindent 2 }}
data:
  engine.yaml: |-
    {{- . | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "common.worker.config" -}}
{{- include (printf "common.engine.%s.config" (include "common.worker.engine" .)) (include "common.worker.context" . | fromYaml | merge (dict "root" .)) }}
{{- end }}

{{/* common.worker.context: what an engine's templates get besides root. out: YAML map {role, mode, nodes} */}}
{{- define "common.worker.context" -}}
role: {{ .Chart.Name }}
mode: {{ include "common.worker.mode" . }}
nodes: {{ include "common.worker.nodes" . }}
{{- end }}

{{/*
common.worker.service: headless; in Kubernetes discovery a worker exists for the router when this Service's
EndpointSlice lists its pod as ready, hence the labels. Of a worker of several nodes only the leader is selected.
*/}}
{{- define "common.worker.service" -}}
{{- if include "common.worker.mode" . }}
{{- $discovery := dict }}
{{- if eq .Values.global.discovery.backend "kubernetes" }}
{{- $discovery = dict "nvidia.com/dynamo-discovery-backend" "kubernetes" "nvidia.com/dynamo-discovery-enabled" "true" }}
{{- end }}
{{- $context := dict "root" . "component" .Chart.Name "labels" $discovery }}
apiVersion: v1
kind: Service
metadata:
  {{- include "common.metadata" $context | nindent 2 }}
spec:
  clusterIP: None
  selector:
    {{- include "common.selectorLabels" $context | nindent 4 }}
    {{- if gt (include "common.worker.nodes" . | int) 1 }}
    dynamo-disagg/rank: leader
    {{- end }}
  ports:
    - {name: system, port: 9090, targetPort: system}
{{- end }}
{{- end }}

{{- define "common.worker.podDisruptionBudget" -}}
{{- if include "common.worker.mode" . }}
{{- include "common.podDisruptionBudget" (dict "root" . "component" .Chart.Name) }}
{{- end }}
{{- end }}
