{{/*
A set of members that keep a state together: etcd, NATS. Their charts say what is their own, in a YAML map "<chart>.members":
  noun       what a member is called                ports      list of {name, port}, the clients' port is called client
  onVolumes  whether data is on persistent volumes  also       in a word, what else cannot change then, optional
  elsewhere  in words where it is otherwise, for dynamo-disagg.members.fixed
  container  its own part of the container          volumes    of the pods, a list; not those for data on claims
  annotations of the pods, env of the container, a map: optional
All defines here take dict "root" <component context> "members" that map.
*/}}

{{/* dynamo-disagg.members.fixed: what a running set cannot change, in words. It is stored in the cluster, so it must not be reworded. */}}
{{- define "dynamo-disagg.members.fixed" -}}
{{- $members := .members }}
{{- with .root.Values }}
{{- if $members.onVolumes }}
{{- .replicas }} {{ $members.noun }}(s) on volumes of {{ .persistence.size }}, class {{ .persistence.storageClass | default "default" }}, {{ join "+" .persistence.accessModes }}{{ with $members.also }}, {{ . }}{{ end }}
{{- else }}{{ $members.elsewhere }}{{ end }}
{{- end }}
{{- end }}

{{- define "dynamo-disagg.members.services" -}}
{{- $context := dict "root" .root "component" .root.Chart.Name }}
apiVersion: v1
kind: Service
metadata:
  {{- include "dynamo-disagg.metadata" $context | nindent 2 }}
spec:
  selector:
    {{- include "dynamo-disagg.selectorLabels" $context | nindent 4 }}
  ports:
    {{- range .members.ports }}
    {{- if eq .name "client" }}
    - {name: client, port: {{ .port }}, targetPort: client, appProtocol: tcp}
    {{- end }}
    {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "dynamo-disagg.metadata" (merge (dict "name" (include "dynamo-disagg.peers" (dict "root" .root "component" .root.Chart.Name))) $context) | nindent 2 }}
spec:
  clusterIP: None
  # Members must find each other before any of them can be ready.
  publishNotReadyAddresses: true
  selector:
    {{- include "dynamo-disagg.selectorLabels" $context | nindent 4 }}
  ports:
    {{- range .members.ports }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}, appProtocol: {{ ternary "http" "tcp" (eq .name "monitor") }}}
    {{- end }}
{{- end }}

{{- define "dynamo-disagg.members.statefulSet" -}}
{{- $root := .root }}
{{- $members := .members }}
{{- $values := .root.Values }}
{{- $context := dict "root" .root "component" .root.Chart.Name }}
{{- $fixed := include "dynamo-disagg.members.fixed" . }}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "dynamo-disagg.workloadMetadata" (merge (dict "annotations" (dict "dynamo-disagg/fixed" $fixed)) $context) | nindent 2 }}
spec:
  replicas: {{ int64 $values.replicas }}
  revisionHistoryLimit: 3
  serviceName: {{ include "dynamo-disagg.peers" (dict "root" .root "component" .root.Chart.Name) }}
  # A member becomes ready only when two of three have found each other.
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- include "dynamo-disagg.selectorLabels" $context | nindent 6 }}
  template:
    metadata:
      {{- include "dynamo-disagg.podMetadata" (merge (dict "annotations" ($members.annotations | default dict)) $context) | nindent 6 }}
    spec:
      {{- with include "dynamo-disagg.imagePullSecrets" .root | trim }}{{ . | nindent 6 }}{{ end }}
      automountServiceAccountToken: false
      # A Service called "etcd" would otherwise put ETCD_* variables here, which etcd reads as flags.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ int64 $values.terminationGracePeriodSeconds }}
      securityContext: {{ include "dynamo-disagg.podSecurityContext" (dict "root" .root "overrides" $values.podSecurityContext) }}
      {{- $apart := dict }}
      {{- if gt (int $values.replicas) 1 }}{{ $apart = include "dynamo-disagg.pod.apart" (dict "root" .root "zones" true) | fromJson }}{{ end }}
      {{- with include "dynamo-disagg.pod.placement" (dict "context" .root "values" $values "affinity" $apart) | trim }}{{ . | nindent 6 }}{{ end }}
      containers:
        - name: {{ .root.Chart.Name }}
          image: {{ include "dynamo-disagg.image" (dict "root" .root "image" $values.image) }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          env:
            {{- include "dynamo-disagg.env.list" (list
                  (dict "POD_NAME" (dict "fieldRef" (dict "fieldPath" "metadata.name")))
                  $values.env
                  ($members.env | default dict)) | trim | nindent 12 }}
          ports:
            {{- range list true false }}
            {{- $first := . }}
            {{- range $members.ports }}
            {{- if eq $first (eq .name "client") }}
            - {name: {{ .name }}, containerPort: {{ .port }}}
            {{- end }}
            {{- end }}
            {{- end }}
          resources: {{ include "dynamo-disagg.withoutNulls" $values.resources }}
          securityContext: {{ include "dynamo-disagg.securityContext" (dict "root" .root "overrides" $values.securityContext) }}
          {{- toYaml $members.container | nindent 10 }}
      {{- with $members.volumes }}
      volumes:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  {{- if $members.onVolumes }}
  # It belongs to the release: worth nothing after it.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: data
        annotations:
          # Claim templates cannot change: where nothing looks at the cluster before (GitOps), the API server refuses
          # another number of members, which would start a second cluster beside the first, or leave streams behind.
          dynamo-disagg/fixed: {{ $fixed | quote }}
      spec:
        accessModes:
          {{- toYaml $values.persistence.accessModes | nindent 10 }}
        {{- with $values.persistence.storageClass }}
        storageClassName: {{ . | quote }}
        {{- end }}
        resources:
          requests: {storage: {{ $values.persistence.size }}}
  {{- end }}
{{- end }}
