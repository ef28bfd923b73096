{{/* The objects of a worker pool: what the charts prefill, decode and encode include, with their own context and nothing else. */}}

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
{{- with include "common.worker.config" . }}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "common.metadata" (dict "root" $ "component" $.Chart.Name "name" (include "common.worker.configName" $)) | nindent 2 }}
data:
  engine.yaml: |-
    {{- . | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{/*
common.worker.service: headless; in Kubernetes discovery a worker exists for the router when this Service's
EndpointSlice lists its pod as ready, hence the labels. Of a worker of several nodes the pods are selected that serve. The other
role's workers look for healthy ones before they are ready (files/pair.py), by a Service that must have no such labels.
Encoders are found before they are ready: they are ready with a worker that computes prompts, which waits for one to be found.
Until it has loaded, an encoder is not in discovery, whatever its pod is.
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
  {{- if eq .Chart.Name "encode" }}
  publishNotReadyAddresses: true
  {{- end }}
  selector:
    {{- include "common.selectorLabels" $context | nindent 4 }}
    {{- if and (gt (include "common.worker.nodes" . | int) 1) (not (include "common.worker.allServe" .)) }}
    dynamo-disagg/rank: leader
    {{- end }}
  ports:
    - {name: system, port: {{ include "common.port.system" . }}, targetPort: system}
{{- if ne (include "common.worker.mode" .) "agg" }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "common.metadata" (dict "root" . "component" .Chart.Name "name" (include "common.peers" $context)) | nindent 2 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "common.selectorLabels" $context | nindent 4 }}
    {{- if and (gt (include "common.worker.nodes" . | int) 1) (not (include "common.worker.allServe" .)) }}
    dynamo-disagg/rank: leader
    {{- end }}
  ports:
    - {name: system, port: {{ include "common.port.system" . }}, targetPort: system}
{{- end }}
{{- end }}
{{- end }}

{{- define "common.worker.podDisruptionBudget" -}}
{{- if include "common.worker.mode" . }}
{{- include "common.podDisruptionBudget" (dict "root" . "component" .Chart.Name) }}
{{- end }}
{{- end }}
