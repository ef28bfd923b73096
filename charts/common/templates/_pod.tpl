{{/*
common.pod.placement: where and how a pod is scheduled.
in:  dict "root" <component context> ["hardware" {} ["affinity" {}]] (only workers pass a machine) ["of" <component
     context>, where root has nothing but values]
*/}}
{{- define "common.pod.placement" -}}
{{- $values := .root.Values }}
{{- $hardware := .hardware | default dict }}
{{- $selector := include "common.overlay" (list ($hardware.nodeSelector | default dict) $values.nodeSelector) | fromYaml }}
{{- with $hardware.arch }}{{ $_ := set $selector "kubernetes.io/arch" . }}{{ end }}
{{- /* The kubelet sets this label from its own machine, and the simulated runtime runs on that one. */}}
{{- if (($values.global).simulation).enabled }}{{ $_ := unset $selector "kubernetes.io/arch" }}{{ end }}
{{- with $selector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat ($hardware.tolerations | default list) $values.tolerations | uniq }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity | default $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- /* One without a selector would count no pods at all. */}}
  {{- $of := $.of | default $.root }}
  {{- $own := dict "matchLabels" (include "common.selectorLabels" (dict "root" $of "component" $of.Chart.Name) | fromYaml) }}
  {{- range . }}
  - {{ if hasKey . "labelSelector" }}{{ toYaml . | nindent 4 | trim }}{{ else }}{{ merge (dict "labelSelector" $own) . | toYaml | nindent 4 | trim }}{{ end }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ quote . }}
{{- end }}
{{- end }}

{{/*
common.pod.apart: values as common.pod.placement reads them, of a component whose pods prefer different nodes and zones
unless its affinity says otherwise.
in:  dict "root" <component context> "component" string; out: YAML map
*/}}
{{- define "common.pod.apart" -}}
{{- $values := pick .root.Values "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" }}
{{- if and (gt (int .root.Values.replicas) 1) (not $values.affinity) }}
{{- $others := dict "matchLabels" (include "common.selectorLabels" . | fromYaml) }}
{{- $node := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" $others }}
{{- $zone := dict "topologyKey" "topology.kubernetes.io/zone" "labelSelector" $others }}
{{- $preferred := list (dict "weight" 100 "podAffinityTerm" $node) (dict "weight" 50 "podAffinityTerm" $zone) }}
{{- $_ := set $values "affinity" (dict "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" $preferred)) }}
{{- end }}
{{- toYaml $values }}
{{- end }}

{{/*
common.podMetadata: labels and annotations of a pod template, unindented.
in:  dict "root" <component context> "component" string ["annotations" {}] ["labels" {}]
*/}}
{{- define "common.podMetadata" -}}
labels:
  {{- /* No chart version here: a new chart that changes nothing in the pods must not restart GPU workers. */}}
  {{- include "common.selectorLabels" . | nindent 2 }}
  app.kubernetes.io/part-of: dynamo-disagg
  {{- with include "common.overlay" (list (.labels | default dict) .root.Values.podLabels) | fromYaml }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with include "common.overlay" (list (.annotations | default dict) .root.Values.podAnnotations) | fromYaml }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
common.podDisruptionBudget: an object, rendered for more than one replica (one replica could never be drained).
in:  dict "root" <component context> "component" string
*/}}
{{- define "common.podDisruptionBudget" -}}
{{- $values := .root.Values }}
{{- if and $values.podDisruptionBudget.enabled (gt (int $values.replicas) 1) }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ int64 $values.podDisruptionBudget.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "common.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}
