{{/* The objects of a worker pool: what the charts prefill, decode and encode include, with their own context and nothing else. */}}

{{/* dynamo-disagg.worker.workload: the objects that run the pool; of a DisaggregatedSet what its controller makes for the role. */}}
{{- define "dynamo-disagg.worker.workload" -}}
{{- if include "dynamo-disagg.worker.mode" . }}
{{- include (printf "dynamo-disagg.workload.%s" (include "dynamo-disagg.worker.kind" .)) (dict "root" . "component" .Chart.Name) }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.worker.configMap: the engine's configuration file, for engines that read one. */}}
{{- define "dynamo-disagg.worker.configMap" -}}
{{- if include "dynamo-disagg.worker.mode" . }}
{{- with include "dynamo-disagg.worker.config" . }}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "dynamo-disagg.metadata" (dict "root" $ "component" $.Chart.Name "name" (include "dynamo-disagg.worker.configName" $)) | nindent 2 }}
data:
  engine.yaml: |-
    {{- . | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.worker.service: headless; in Kubernetes discovery a worker exists for the router when this Service's
EndpointSlice lists its pod as ready, hence the labels. Of a worker of several nodes the pods are selected that serve. The other
role's workers look for healthy ones before they are ready (files/pair.py), by a Service that must have no such labels.
Encoders are found before they are ready: they are ready with a worker that computes prompts, which waits for one to be found.
Until it has loaded, an encoder is not in discovery, whatever its pod is.
*/}}
{{- define "dynamo-disagg.worker.service" -}}
{{- if include "dynamo-disagg.worker.mode" . }}
{{- $discovery := dict }}
{{- if eq .Values.global.discovery.backend "kubernetes" }}
{{- $discovery = dict "nvidia.com/dynamo-discovery-backend" "kubernetes" "nvidia.com/dynamo-discovery-enabled" "true" }}
{{- end }}
{{- $context := dict "root" . "component" .Chart.Name "labels" $discovery }}
apiVersion: v1
kind: Service
metadata:
  {{- include "dynamo-disagg.metadata" $context | nindent 2 }}
spec:
  clusterIP: None
  {{- if eq .Chart.Name "encode" }}
  publishNotReadyAddresses: true
  {{- end }}
  selector:
    {{- include "dynamo-disagg.selectorLabels" $context | nindent 4 }}
    {{- if and (gt (include "dynamo-disagg.worker.nodes" . | int) 1) (not (include "dynamo-disagg.worker.allServe" .)) }}
    dynamo-disagg/rank: leader
    {{- end }}
  ports:
    - {name: system, port: {{ include "dynamo-disagg.port.system" . }}, targetPort: system}
{{- if ne (include "dynamo-disagg.worker.mode" .) "agg" }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "dynamo-disagg.metadata" (dict "root" . "component" .Chart.Name "name" (include "dynamo-disagg.peers" $context)) | nindent 2 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "dynamo-disagg.selectorLabels" $context | nindent 4 }}
    {{- if and (gt (include "dynamo-disagg.worker.nodes" . | int) 1) (not (include "dynamo-disagg.worker.allServe" .)) }}
    dynamo-disagg/rank: leader
    {{- end }}
  ports:
    - {name: system, port: {{ include "dynamo-disagg.port.system" . }}, targetPort: system}
{{- end }}
{{- end }}
{{- end }}

{{- define "dynamo-disagg.worker.podDisruptionBudget" -}}
{{- if include "dynamo-disagg.worker.mode" . }}
{{- include "dynamo-disagg.podDisruptionBudget" (dict "root" . "component" .Chart.Name) }}
{{- end }}
{{- end }}
