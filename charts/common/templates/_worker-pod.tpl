{{/*
common.worker.podTemplate: one template for every pod of a worker pool.
in:  dict "root" <component context>
     and for a worker of several nodes "rank" {class: leader|worker, number, leaderAddress, labels}: its first pod
     is the leader, the only one that serves requests, is probed, and is found by the router. A leader's rank has also
     memberAddress, the address of another rank as the leader sees it, with %d for its number. Optional are env,
     variables that the addresses name, and readyWithLeader, of a rank >= 1.
*/}}
{{- define "common.worker.podTemplate" -}}
{{- $rank := .rank | default (dict "class" "leader" "labels" dict) }}
{{- $leads := eq $rank.class "leader" }}
{{- with .root }}
{{- $values := .Values }}
{{- $global := $values.global }}
{{- $simulated := $global.simulation.enabled }}
{{- $engine := include "common.worker.engine" . }}
{{- $model := include "common.model" . | fromYaml }}
{{- $hardware := include "common.hardware" . | fromYaml }}
{{- $image := include "common.runtimeImage" . | fromYaml }}
{{- $context := include "common.worker.context" . | fromYaml | merge (dict "root" . "rank" $rank) }}
{{- $config := include "common.worker.config" . | trim }}
{{- $annotations := include "common.overlay" (list $model.annotations $hardware.podAnnotations) | fromYaml }}
{{- $needs := include (printf "common.engine.%s.pod" $engine) $context | fromYaml }}
{{- if $config }}{{ $_ := set $annotations "checksum/engine-config" (sha256sum $config) }}{{ end }}
{{- $ownVolumes := dict "dshm" (dict "emptyDir" (dict "medium" "Memory" "sizeLimit" $values.sharedMemory)) }}
{{- if $config }}
{{- $_ := set $ownVolumes "engine-config" (dict "configMap" (dict "name" (include "common.name" (dict "root" . "component" .Chart.Name)))) }}
{{- end }}
metadata:
  {{- include "common.podMetadata" (dict "root" . "component" .Chart.Name "annotations" $annotations "labels" $rank.labels) | nindent 2 }}
spec:
  {{- with include "common.imagePullSecrets" . | trim }}{{ . | nindent 2 }}{{ end }}
  serviceAccountName: {{ include "common.serviceAccountName" . | quote }}
  automountServiceAccountToken: {{ eq $global.discovery.backend "kubernetes" }}
  # A Service called "vllm" or "dyn" would otherwise put VLLM_PORT and its like here.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ int64 $values.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "common.podSecurityContext" (dict "overrides" $values.podSecurityContext "runAsRoot" $hardware.runAsRoot) | nindent 4 }}
  {{- with include "common.pod.placement" (dict "root" . "hardware" $hardware "affinity" (include "common.worker.affinity" . | fromYaml)) | trim }}{{ . | nindent 2 }}{{ end }}
  {{- with $hardware.claims }}
  resourceClaims:
    {{- range $name := keys . | sortAlpha }}
    - name: {{ quote $name }}
      resourceClaimTemplateName: {{ include "common.fullname" $.root }}-{{ $name }}
    {{- end }}
  {{- end }}
  {{- with include "common.model.initContainers" (dict "root" . "model" $model "image" $image) | trim }}{{ . | nindent 2 }}{{ end }}
  containers:
    - name: engine
      image: {{ include "common.image" (dict "root" . "image" $image) }}
      imagePullPolicy: {{ $image.pullPolicy }}
      {{- if and $simulated (not $leads) }}
      command: [python3, /opt/simulation/rendezvous.py, join]
      {{- else }}
      command:
        {{- include (printf "common.engine.%s.command" $engine) $context | trim | nindent 8 }}
      {{- with include (printf "common.engine.%s.args" $engine) $context | trim }}
      args:
        {{- . | nindent 8 }}
        {{- if not $simulated }}
        {{- range $values.extraArgs }}
        - {{ . | quote }}
        {{- end }}
        {{- end }}
      {{- end }}
      {{- end }}
      env:
        {{- include "common.env.list" (list
              (include "common.worker.ownedEnv" . | fromYaml)
              (include "common.worker.rankEnv" $context | fromYaml)
              $model.env
              $hardware.env
              (include (printf "common.engine.%s.env" $engine) $context | fromYaml)
              $global.env
              $values.env) | trim | nindent 8 }}
      {{- if $leads }}
      ports:
        - {name: system, containerPort: 9090}
      {{- include "common.worker.probes" . | trim | nindent 6 }}
      {{- else if $rank.readyWithLeader }}
      {{- include "common.worker.readyWithLeader" . | trim | nindent 6 }}
      {{- end }}
      lifecycle:
        preStop:
          sleep: {seconds: {{ include "common.drain.worker.preStop" . }}}
      resources:
        {{- include "common.worker.resources" (dict "root" . "hardware" $hardware) | nindent 8 }}
      securityContext:
        {{- include "common.securityContext" (dict "overrides" $values.securityContext "capabilities" (concat $hardware.capabilities ($needs.capabilities | default list))) | nindent 8 }}
      volumeMounts:
        {{- include "common.volumeMounts" (list
              (include "common.worker.mounts" . | fromYaml)
              $model.mounts
              ($needs.volumes | default dict)
              $hardware.hostPaths
              $values.volumes) | trim | nindent 8 }}
    {{- if and $simulated $leads (gt (int $context.nodes) 1) }}
    {{- include "common.worker.rendezvous" (dict "context" $context "image" $image) | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "common.volumes" (list
          $ownVolumes
          $model.volumes
          (include "common.userVolumes" ($needs.volumes | default dict) | fromYaml)
          (include "common.hostVolumes" $hardware.hostPaths | fromYaml)
          (include "common.userVolumes" $values.volumes | fromYaml)) | trim | nindent 4 }}
{{- end }}
{{- end }}

{{/* common.worker.mounts: where the pod's own volumes are. in: component context; out: YAML map name -> volumeMount */}}
{{- define "common.worker.mounts" -}}
dshm: {mountPath: /dev/shm}
{{- if include "common.worker.config" . | trim }}
engine-config: {mountPath: /etc/dynamo, readOnly: true}
{{- end }}
{{- end }}

{{/* common.worker.rankEnv: how the pods of a worker of several nodes find each other; Dynamo's portable names. */}}
{{- define "common.worker.rankEnv" -}}
{{- if gt (int .nodes) 1 -}}
{{- with .rank.env }}{{ toYaml . }}{{ end }}
DYNAMO_LEADER_ADDRESS: {{ .rank.leaderAddress | quote }}
DYNAMO_GROUP_SIZE: {{ .nodes | quote }}
DYNAMO_RANK: {{ toJson .rank.number }}
{{- else -}}
{}
{{- end }}
{{- end }}

{{/*
common.worker.rendezvous: in simulation, the leader's side of the rendezvous check. It listens where the engine
would and makes the pod ready only when every rank has joined with the right rank, size and address.
*/}}
{{- define "common.worker.rendezvous" -}}
- name: rendezvous
  image: {{ include "common.image" (dict "root" .context.root "image" .image) }}
  imagePullPolicy: {{ .image.pullPolicy }}
  command: [python3, /opt/simulation/rendezvous.py, lead]
  env:
    {{- include "common.env.list" (list (include "common.worker.rankEnv" .context | fromYaml)) | trim | nindent 4 }}
  ports:
    - {name: rendezvous, containerPort: 29500}
    - {name: joined, containerPort: 29501}
  readinessProbe:
    httpGet: {path: /, port: joined}
    periodSeconds: 1
    timeoutSeconds: 5
    # A worker without one of its ranks can answer nothing, so not one request more.
    failureThreshold: 1
  resources:
    {{- include "common.given" .context.root.Values.global.simulation.resources | nindent 4 }}
  securityContext:
    {{- include "common.securityContext" (dict "overrides" dict) | nindent 4 }}
{{- end }}
