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

{{/* common.worker.resources: of one worker pod: the role's CPU and memory, the machine's GPUs and devices. */}}
{{- define "common.worker.resources" -}}
{{- $root := .root }}
{{- $devices := dict .hardware.gpuResource (include "common.worker.gpus" $root | int64) }}
{{- range $name, $count := .hardware.extendedResources }}{{ $_ := set $devices $name (int64 $count) }}{{ end }}
{{- $base := $root.Values.resources }}
{{- if $root.Values.global.simulation.enabled }}{{ $base = $root.Values.global.simulation.resources }}{{ end }}
{{- toYaml (dict "requests" (merge (dict) $devices ($base.requests | default dict)) "limits" (merge (dict) $devices ($base.limits | default dict))) }}
{{- end }}

{{/* common.worker.affinity: the role's affinity, and with global.colocation the company of all workers of the release. */}}
{{- define "common.worker.affinity" -}}
{{- $affinity := deepCopy .Values.affinity }}
{{- with .Values.global.colocation.topologyKey }}
{{- $workers := dict
      "matchLabels" (omit (include "common.selectorLabels" (dict "root" $ "component" $.Chart.Name) | fromYaml) "app.kubernetes.io/component")
      "matchExpressions" (list (dict "key" "app.kubernetes.io/component" "operator" "In" "values" (list "prefill" "decode"))) }}
{{- $company := $affinity.podAffinity | default dict }}
{{- $terms := append ($company.requiredDuringSchedulingIgnoredDuringExecution | default list) (dict "topologyKey" . "labelSelector" $workers) }}
{{- $_ := set $affinity "podAffinity" (merge (dict "requiredDuringSchedulingIgnoredDuringExecution" $terms) $company) }}
{{- end }}
{{- toYaml $affinity }}
{{- end }}

{{- define "common.worker.podTemplate" -}}
{{- $values := .Values }}
{{- $global := $values.global }}
{{- $mode := include "common.worker.mode" . }}
{{- $engine := include "common.worker.engine" . }}
{{- $model := printf "common.model.%s" (include "common.worker.modelSource" .) }}
{{- $hardware := include "common.hardware" . | fromYaml }}
{{- $image := include "common.runtimeImage" . | fromYaml }}
{{- $context := dict "root" . "role" .Chart.Name "mode" $mode }}
{{- $shm := dict "dshm" (dict "emptyDir" (dict "medium" "Memory" "sizeLimit" $values.sharedMemory)) }}
metadata:
  {{- include "common.podMetadata" (dict "root" . "component" .Chart.Name "annotations" $hardware.podAnnotations) | nindent 2 }}
spec:
  {{- with include "common.imagePullSecrets" . | trim }}{{ . | nindent 2 }}{{ end }}
  serviceAccountName: {{ include "common.serviceAccountName" . }}
  automountServiceAccountToken: {{ eq $global.discovery.backend "kubernetes" }}
  terminationGracePeriodSeconds: {{ int64 $values.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "common.podSecurityContext" (dict "overrides" $values.podSecurityContext) | nindent 4 }}
  {{- with include "common.pod.placement" (dict "root" . "hardware" $hardware "affinity" (include "common.worker.affinity" . | fromYaml)) | trim }}{{ . | nindent 2 }}{{ end }}
  containers:
    - name: engine
      image: {{ include "common.image" (dict "root" . "image" $image) }}
      imagePullPolicy: {{ $image.pullPolicy }}
      command: [python3, -m, {{ include (printf "common.engine.%s.module" $engine) . }}]
      args:
        {{- include (printf "common.engine.%s.args" $engine) $context | trim | nindent 8 }}
        {{- if not $global.simulation.enabled }}
        {{- range $values.extraArgs }}
        - {{ . | quote }}
        {{- end }}
        {{- end }}
      env:
        {{- include "common.env.list" (list
              (include "common.worker.ownedEnv" . | fromYaml)
              (include (printf "%s.env" $model) . | fromYaml)
              $hardware.env
              (include (printf "common.engine.%s.env" $engine) $context | fromYaml)
              $global.env
              $values.env) | trim | nindent 8 }}
      ports:
        - {name: system, containerPort: 9090}
      {{- include "common.worker.probes" . | trim | nindent 6 }}
      lifecycle:
        preStop:
          sleep: {seconds: {{ include "common.drain.worker.preStop" . }}}
      resources:
        {{- include "common.worker.resources" (dict "root" . "hardware" $hardware) | nindent 8 }}
      securityContext:
        {{- include "common.securityContext" (dict "overrides" $values.securityContext "capabilities" $hardware.capabilities) | nindent 8 }}
      volumeMounts:
        {{- include "common.volumeMounts" (list
              (dict "dshm" (dict "mountPath" "/dev/shm"))
              (include (printf "%s.mounts" $model) . | fromYaml)
              $hardware.hostPaths
              $values.volumes) | trim | nindent 8 }}
  volumes:
    {{- include "common.volumes" (list
          $shm
          (include (printf "%s.volumes" $model) . | fromYaml)
          (include "common.hostVolumes" $hardware.hostPaths | fromYaml)
          (include "common.userVolumes" $values.volumes | fromYaml)) | trim | nindent 4 }}
{{- end }}

{{/* common.worker.workload: the object that runs the pool. */}}
{{- define "common.worker.workload" -}}
{{- if include "common.worker.mode" . }}
{{- include "common.workload.deployment" (dict "root" . "component" .Chart.Name "template" (include "common.worker.podTemplate" .)) }}
{{- end }}
{{- end }}

{{/*
common.worker.service: headless; in Kubernetes discovery a worker exists for the router when this Service's
EndpointSlice lists its pod as ready, hence the labels.
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
  ports:
    - {name: system, port: 9090, targetPort: system}
{{- end }}
{{- end }}

{{- define "common.worker.podDisruptionBudget" -}}
{{- if include "common.worker.mode" . }}
{{- include "common.podDisruptionBudget" (dict "root" . "component" .Chart.Name) }}
{{- end }}
{{- end }}
