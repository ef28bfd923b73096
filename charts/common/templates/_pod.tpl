{{/*
dynamo-disagg.pod.placement: where and how a pod is scheduled.
in:  dict "context" <component context> "values" {nodeSelector, tolerations, affinity, topologySpreadConstraints,
     priorityClassName, schedulerName, runtimeClassName} ["affinity" {}, which replaces theirs] ["hardware" {}, of pods with the Dynamo image]
*/}}
{{- define "dynamo-disagg.pod.placement" -}}
{{- $values := .values }}
{{- $hardware := .hardware | default dict }}
{{- $selector := include "dynamo-disagg.overlay" (list ($hardware.nodeSelector | default dict) $values.nodeSelector) | fromJson }}
{{- with $hardware.arch }}{{ $_ := set $selector "kubernetes.io/arch" . }}{{ end }}
{{- /* The kubelet sets this label from its own machine, and the simulated runtime runs on that one. */}}
{{- if and (hasKey . "hardware") .context.Values.global.simulation.enabled }}{{ $_ := unset $selector "kubernetes.io/arch" }}{{ end }}
{{- with $selector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with concat ($hardware.tolerations | default list) $values.tolerations | uniq }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .affinity | default $values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- /* One without a selector would count no pods at all. */}}
  {{- $own := dict "matchLabels" (include "dynamo-disagg.selectorLabels" (dict "root" $.context "component" $.context.Chart.Name) | fromYaml) }}
  {{- range . }}
  - {{ if hasKey . "labelSelector" }}{{ toJson . }}{{ else }}{{ merge (dict "labelSelector" $own) . | toJson }}{{ end }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ quote . }}
{{- end }}
{{- with $values.schedulerName | default .context.Values.global.schedulerName }}
schedulerName: {{ quote . }}
{{- end }}
{{- with $values.runtimeClassName | default $hardware.runtimeClassName }}
runtimeClassName: {{ quote . }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.pod.apart: the affinity of a component: its own, or that its pods prefer different nodes.
One pod has it too: a template that knows the number of replicas would restart them all when it changes.
in:  dict "root" <component context> ["zones" bool: and different zones]; out: JSON map
*/}}
{{- define "dynamo-disagg.pod.apart" -}}
{{- $affinity := .root.Values.affinity }}
{{- if not $affinity }}
{{- $others := dict "matchLabels" (include "dynamo-disagg.selectorLabels" (dict "root" .root "component" .root.Chart.Name) | fromYaml) }}
{{- $terms := list (dict "weight" 100 "podAffinityTerm" (dict "topologyKey" "kubernetes.io/hostname" "labelSelector" $others)) }}
{{- if .zones }}
{{- $terms = append $terms (dict "weight" 50 "podAffinityTerm" (dict "topologyKey" "topology.kubernetes.io/zone" "labelSelector" $others)) }}
{{- end }}
{{- $affinity = dict "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" $terms) }}
{{- end }}
{{- toJson $affinity }}
{{- end }}

{{/*
dynamo-disagg.podMetadata: labels and annotations of a pod template, unindented.
in:  dict "root" <component context> "component" string ["annotations" {}] ["labels" {}]
*/}}
{{- define "dynamo-disagg.podMetadata" -}}
labels:
  {{- /* No chart version here: a new chart that changes nothing in the pods must not restart GPU workers. */}}
  {{- include "dynamo-disagg.selectorLabels" . | nindent 2 }}
  app.kubernetes.io/part-of: dynamo-disagg
  {{- with include "dynamo-disagg.dynamoLabels" . | trim }}{{ . | nindent 2 }}{{ end }}
  {{- range $name, $value := include "dynamo-disagg.overlay" (list .root.Values.global.labels (.labels | default dict) .root.Values.podLabels) | fromJson }}
  {{ quote $name }}: {{ toJson $value }}
  {{- end }}
{{- with include "dynamo-disagg.overlay" (list .root.Values.global.annotations (.annotations | default dict) .root.Values.podAnnotations) | fromJson }}
annotations: {{ toJson . }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.podDisruptionBudget: an object, rendered for more than one replica (one replica could never be drained), or where a scaler makes more.
in:  dict "root" <component context> "component" string
*/}}
{{- define "dynamo-disagg.podDisruptionBudget" -}}
{{- $values := .root.Values }}
{{- if and $values.podDisruptionBudget.enabled (or (gt (int $values.replicas) 1) ($values.autoscaling | default dict).enabled) }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "dynamo-disagg.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ int64 $values.podDisruptionBudget.maxUnavailable }}
  # Pods that are not ready protect nothing: a node whose workers load for half an hour can be drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "dynamo-disagg.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.colocation: an affinity that also requires the domain of all workers of the release.
in:  dict "root" <component context> "affinity" {} "topologyKey" label of the domain, or nothing for anywhere
*/}}
{{- define "dynamo-disagg.colocation" -}}
{{- $affinity := deepCopy .affinity }}
{{- with .topologyKey }}
{{- $roles := include "dynamo-disagg.roles" . | fromJsonArray }}
{{- if not $.root.encodes }}{{ $roles = without $roles "encode" }}{{ end }}
{{- $workers := dict
      "matchLabels" (omit (include "dynamo-disagg.selectorLabels" (dict "root" $.root "component" "") | fromYaml) "app.kubernetes.io/component")
      "matchExpressions" (list (dict "key" "app.kubernetes.io/component" "operator" "In" "values" $roles)) }}
{{- $own := $affinity.podAffinity | default dict }}
{{- $term := dict "topologyKey" . "labelSelector" $workers }}
{{- $terms := append ($own.requiredDuringSchedulingIgnoredDuringExecution | default list) $term }}
{{- $_ := set $affinity "podAffinity" (merge (dict "requiredDuringSchedulingIgnoredDuringExecution" $terms) $own) }}
{{- end }}
{{- toJson $affinity }}
{{- end }}
