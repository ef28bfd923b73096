{{/*
dynamo-disagg.worker.podTemplate: one template for every pod of a worker pool.
in:  dict "root" <component context>
     and for a worker of several nodes "rank" {class: leader|worker, number, leaderAddress, labels}: its first pod
     is the leader, the only one that serves requests, is probed, and is found by the router, but for dynamo-disagg.worker.allServe. A leader's rank has also
     memberAddress, the address of another rank as the leader sees it, with %d for its number. Optional is env,
     variables that the addresses name.
*/}}
{{- define "dynamo-disagg.worker.podTemplate" -}}
{{- $rank := .rank | default (dict "class" "leader" "labels" dict) }}
{{- $leads := eq $rank.class "leader" }}
{{- $together := include "dynamo-disagg.worker.allServe" .root }}
{{- $serves := or $leads (eq "true" $together) }}
{{- with .root }}
{{- $values := .Values }}
{{- $global := $values.global }}
{{- $simulated := $global.simulation.enabled }}
{{- $engine := include "dynamo-disagg.engineName" . }}
{{- include "dynamo-disagg.worker.parts" . }}
{{- $model := .parts.model }}
{{- $hardware := .parts.hardware }}
{{- $image := .parts.image }}
{{- $context := merge (dict "root" . "rank" $rank) .parts.context }}
{{- $needs := include (printf "dynamo-disagg.engine.%s.pod" $engine) $context | fromYaml }}
{{- $labels := set (deepCopy $rank.labels) "dynamo-disagg/generation" (.generation | default "") }}
metadata:
  {{- include "dynamo-disagg.podMetadata" (dict "root" . "component" .Chart.Name "annotations" .parts.annotations "labels" $labels "serves" $serves) | nindent 2 }}
spec:
  {{- with include "dynamo-disagg.imagePullSecrets" . | trim }}{{ . | nindent 2 }}{{ end }}
  serviceAccountName: {{ include "dynamo-disagg.serviceAccountName" . | quote }}
  automountServiceAccountToken: {{ eq $global.discovery.backend "kubernetes" }}
  {{- if .Values.global.colocation.hostPID }}
  hostPID: true
  {{- end }}
  {{- if and $values.hostIPC (not $simulated) }}
  hostIPC: true
  {{- end }}
  {{- if and $values.hostNetwork (not $simulated) }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  # A Service called "vllm" or "dyn" would otherwise put VLLM_PORT and its like here.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ int64 $values.terminationGracePeriodSeconds }}
  securityContext: {{ .parts.security }}
  {{- with .parts.placement }}{{ . | nindent 2 }}{{ end }}
  {{- with $hardware.claims }}
  resourceClaims:
    {{- $gpus := include "dynamo-disagg.worker.podGpus" $.root }}
    {{- range $name, $claim := . }}
    - name: {{ quote $name }}
      resourceClaimTemplateName: {{ include "dynamo-disagg.claimTemplate" (dict "root" $.root "name" $name "claim" $claim "gpus" $gpus) }}
    {{- end }}
  {{- end }}
  {{- with include "dynamo-disagg.initContainers" (dict "root" . "model" $model "image" $image "resources" (fromJson .parts.resources)) | trim }}{{ . | nindent 2 }}{{ end }}
  containers:
    - name: engine
      image: {{ include "dynamo-disagg.image" (dict "root" . "image" $image) }}
      imagePullPolicy: {{ $image.pullPolicy }}
      {{- if and $simulated (not $leads) }}
      command: [python3, /opt/simulation/rendezvous.py, join]
      {{- else }}
      command:
        {{- with .parts.launcher }}{{ . | nindent 8 }}{{ end }}
        {{- include (printf "dynamo-disagg.engine.%s.command" $engine) $context | trim | nindent 8 }}
      {{- with include (printf "dynamo-disagg.engine.%s.args" $engine) $context | trim }}
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
        {{- include "dynamo-disagg.env.list" (list
              (include "dynamo-disagg.worker.ownedEnv" . | fromJson)
              (include "dynamo-disagg.worker.rankEnv" $context | fromJson)
              $model.env
              .parts.sameNode
              $hardware.env
              (include (printf "dynamo-disagg.engine.%s.env" $engine) $context | fromYaml)
              $global.env
              $values.env) | trim | nindent 8 }}
      {{- $probed := dict "root" . "successes" (include "dynamo-disagg.worker.successes" (dict "root" . "leads" $leads) | trim) }}
      {{- if $serves }}
      ports:
        - {name: system, containerPort: {{ include "dynamo-disagg.port.system" . }}}
      {{- include "dynamo-disagg.worker.probes" $probed | trim | nindent 6 }}
      {{- else }}
      {{- include "dynamo-disagg.worker.readyWithLeader" $probed | trim | nindent 6 }}
      {{- end }}
      lifecycle:
        preStop:
          {{- include "dynamo-disagg.drain.worker.preStop" (dict "root" . "leads" $leads "together" $together) | trim | nindent 10 }}
      resources: {{ .parts.resources }}
      {{- $capabilities := concat $hardware.capabilities ($needs.capabilities | default list) }}
      {{- /* Engines write what they compile to many folders of their image. */}}
      {{- $security := dict "root" . "overrides" $values.securityContext "capabilities" $capabilities "writable" true }}
      securityContext: {{ include "dynamo-disagg.securityContext" $security }}
      volumeMounts:
        {{- .parts.mounts | nindent 8 }}
    {{- if and $simulated $leads (gt (int $context.nodes) 1) }}
    {{- include "dynamo-disagg.worker.rendezvous" (dict "context" $context "image" $image) | nindent 4 }}
    {{- end }}
  volumes:
    {{- .parts.volumes | nindent 4 }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.worker.parts: what all pods of a pool have alike, worked out once. in: component context, which gets it */}}
{{- define "dynamo-disagg.worker.parts" -}}
{{- if not (hasKey . "parts") }}
{{- $values := .Values }}
{{- $model := include "dynamo-disagg.model" . | fromJson }}
{{- $hardware := include "dynamo-disagg.worker.hardware" . | fromJson }}
{{- $context := include "dynamo-disagg.worker.context" . | fromJson }}
{{- $ofRank := merge (dict "root" . "rank" (dict "class" "leader")) $context }}
{{- $needed := (include (printf "dynamo-disagg.engine.%s.pod" (include "dynamo-disagg.engineName" .)) $ofRank | fromYaml).volumes | default dict }}
{{- $own := dict "dshm" (dict "emptyDir" (dict "medium" "Memory" "sizeLimit" $values.sharedMemory)) }}
{{- if include "dynamo-disagg.worker.config" . }}
{{- $_ := set $own "engine-config" (dict "configMap" (dict "name" (include "dynamo-disagg.worker.configName" .))) }}
{{- end }}
{{- $volumes := include "dynamo-disagg.volumes" (list
      (merge $own (include "dynamo-disagg.tls.volumes" . | fromJson))
      (include "dynamo-disagg.scripts" . | fromJson).volumes
      $model.volumes
      (include "dynamo-disagg.userVolumes" $needed | fromJson)
      (include "dynamo-disagg.hostVolumes" $hardware.hostPaths | fromJson)
      (include "dynamo-disagg.userVolumes" $values.volumes | fromJson)) }}
{{- $mounts := include "dynamo-disagg.volumeMounts" (list
      (include "dynamo-disagg.worker.mounts" . | fromJson) $model.mounts $needed $hardware.hostPaths $values.volumes) }}
{{- $affinity := include "dynamo-disagg.worker.affinity" . | fromJson }}
{{- $_ := set . "parts" (dict
      "model" $model "hardware" $hardware "context" $context
      "image" (include "dynamo-disagg.runtimeImage" . | fromJson)
      "annotations" (include "dynamo-disagg.overlay" (list $model.annotations $hardware.podAnnotations) | fromJson)
      "security" (include "dynamo-disagg.podSecurityContext" (dict "root" . "overrides" $values.podSecurityContext "runAsRoot" $hardware.runAsRoot))
      "placement" (include "dynamo-disagg.pod.placement" (dict "context" . "values" $values "hardware" $hardware "affinity" $affinity) | trim)
      "launcher" (include "dynamo-disagg.sameNode.command" . | trim)
      "sameNode" (include "dynamo-disagg.sameNode.env" . | fromYaml)
      "resources" (include "dynamo-disagg.worker.resources" (dict "root" . "hardware" $hardware))
      "volumes" (trim $volumes) "mounts" (trim $mounts)) }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.worker.mounts: where the pod's own volumes are. in: component context; out: JSON map name -> volumeMount */}}
{{- define "dynamo-disagg.worker.mounts" -}}
{{- $mounts := merge (dict "dshm" (dict "mountPath" "/dev/shm")) (include "dynamo-disagg.scripts" . | fromJson).mounts (include "dynamo-disagg.tls.mounts" . | fromJson) }}
{{- if include "dynamo-disagg.worker.config" . }}{{ $_ := set $mounts "engine-config" (dict "mountPath" "/etc/dynamo" "readOnly" true) }}{{ end }}
{{- toJson $mounts }}
{{- end }}

{{/* dynamo-disagg.worker.rankEnv: how the pods of a worker of several nodes find each other; Dynamo's portable names. out: JSON map */}}
{{- define "dynamo-disagg.worker.rankEnv" -}}
{{- $env := dict }}
{{- if gt (int .nodes) 1 }}
{{- $of := dict "DYNAMO_LEADER_ADDRESS" .rank.leaderAddress "DYNAMO_GROUP_SIZE" (toString .nodes) "DYNAMO_RANK" .rank.number }}
{{- $env = merge $of (.rank.env | default dict) }}
{{- /* SGLang's other ranks have Dynamo's grace period too, after they have slept for their leader's. */}}
{{- if and (ne .rank.class "leader") (not (include "dynamo-disagg.worker.allServe" .root)) }}{{ $_ := set $env "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS" "1" }}{{ end }}
{{- end }}
{{- toJson $env }}
{{- end }}

{{/*
dynamo-disagg.worker.rendezvous: in simulation, the leader's side of the rendezvous check. It listens where the engine
would and makes the pod ready only when every rank has joined with the right rank, size and address.
*/}}
{{- define "dynamo-disagg.worker.rendezvous" -}}
- name: rendezvous
  image: {{ include "dynamo-disagg.image" (dict "root" .context.root "image" .image) }}
  imagePullPolicy: {{ .image.pullPolicy }}
  command: [python3, /opt/simulation/rendezvous.py, lead]
  env:
    {{- include "dynamo-disagg.env.list" (list (include "dynamo-disagg.worker.rankEnv" .context | fromJson)) | trim | nindent 4 }}
  ports:
    - {name: rendezvous, containerPort: {{ include "dynamo-disagg.port.rendezvous" . }}}
    - {name: joined, containerPort: 29501}
  readinessProbe:
    httpGet: {path: /, port: joined}
    periodSeconds: 1
    timeoutSeconds: 5
    # A worker without one of its ranks can answer nothing, so not one request more.
    failureThreshold: 1
  resources: {{ include "dynamo-disagg.withoutNulls" .context.root.Values.global.simulation.resources }}
  securityContext: {{ include "dynamo-disagg.securityContext" (dict "root" .context.root) }}
{{- end }}
