{{/* dynamo-disagg.nats.lameDuckSeconds: how long a stopping server takes to send its clients to the others; 15 s are left to exit. */}}
{{- define "dynamo-disagg.nats.lameDuckSeconds" -}}
{{ sub .Values.terminationGracePeriodSeconds 15 }}
{{- end }}

{{/* dynamo-disagg.nats.config: nats.conf, in its JSON form but for a variable. in: component context */}}
{{- define "dynamo-disagg.nats.config" -}}
{{- $name := include "dynamo-disagg.name" (dict "root" . "component" "nats") }}
{{- $config := dict "port" (include "dynamo-disagg.port.nats" . | int) "http_port" 8222 "max_payload" (mul .Values.maxPayloadMiB 1048576) "server_name" "$POD_NAME" }}
{{- $tls := dict }}
{{- if .Values.global.tls.secretName }}
{{- $folder := include "dynamo-disagg.tls.folder" . }}
{{- $tls = dict "cert_file" (printf "%s/tls.crt" $folder) "key_file" (printf "%s/tls.key" $folder) "ca_file" (printf "%s/ca.crt" $folder) }}
{{- /* A client must show a certificate of the same authority; the routes always ask for one. */}}
{{- $_ := set $config "tls" (merge (dict "verify" true) $tls) }}
{{- end }}
{{- if gt (int .Values.replicas) 1 }}
{{- $routes := list }}
{{- range until (int .Values.replicas) }}
{{- $routes = append $routes (printf "nats://%s-%d.%s.%s.svc:6222" $name . (include "dynamo-disagg.peers" (dict "root" $ "component" "nats")) $.Release.Namespace) }}
{{- end }}
{{- $_ := set $config "cluster" (dict "name" (printf "%s-%s" .Release.Namespace (include "dynamo-disagg.fullname" .)) "port" 6222 "routes" $routes) }}
{{- with $tls }}{{ $_ := set $config.cluster "tls" . }}{{ end }}
{{- $_ := set $config "pid_file" "/run/nats/nats.pid" }}
{{- $_ := set $config "lame_duck_grace_period" "10s" }}
{{- $_ := set $config "lame_duck_duration" (printf "%ss" (include "dynamo-disagg.nats.lameDuckSeconds" .)) }}
{{- end }}
{{- if .Values.jetstream.enabled }}
{{- /* The server would allow itself three quarters of the node's memory. */}}
{{- $_ := set $config "jetstream" (dict "store_dir" "/data" "max_memory_store" (mul .Values.jetstream.memoryMiB 1048576)) }}
{{- end }}
{{- /* A variable stands without quotes. Named by a flag a server refuses to reload (findings/nats-name-flag-forbids-reload.sh). */}}
{{- toPrettyJson $config | replace "\"$POD_NAME\"" "$POD_NAME" }}
{{- end }}

{{/*
dynamo-disagg.nats.user: flags that ask clients for a user -> the variable with the answer. Not in nats.conf, which would read a password as
its own syntax: as a number, or as a variable. out: JSON map
*/}}
{{- define "dynamo-disagg.nats.user" -}}
{{ ternary "{}" (dict "user" "NATS_AUTH_USERNAME" "pass" "NATS_AUTH_PASSWORD" | toJson) (empty .Values.global.natsSecret) }}
{{- end }}

{{/* dynamo-disagg.nats.members: what dynamo-disagg.members.* renders. in: component context; out: YAML map */}}
{{- define "dynamo-disagg.nats.members" -}}
{{- $name := include "dynamo-disagg.name" (dict "root" . "component" "nats") }}
{{- $clustered := gt (int .Values.replicas) 1 }}
{{- $onVolumes := and .Values.jetstream.enabled .Values.persistence.enabled }}
{{- $alive := quote "/healthz?js-enabled-only=true" }}
noun: server
ports:
  - {name: cluster, port: 6222}
  - {name: client, port: {{ include "dynamo-disagg.port.nats" . }}}
  - {name: monitor, port: 8222}
onVolumes: {{ $onVolumes }}
elsewhere: no volumes
annotations:
  checksum/config: {{ include "dynamo-disagg.nats.config" . | sha256sum }}
env: {{ include "dynamo-disagg.env.natsUser" . }}
container:
  # Found on PATH: upstream's images keep it in different places.
  command: [nats-server]
  args:
    - --config=/etc/nats/nats.conf
    {{- range $flag, $name := include "dynamo-disagg.nats.user" . | fromJson }}
    - --{{ $flag }}=$({{ $name }})
    {{- end }}
  startupProbe:
    # With JetStream it waits until the streams are recovered, so that an upgrade never stops the next server before.
    # Later checks ignore streams: a stream without a quorum must not cut off core NATS.
    {{- include "dynamo-disagg.containerProbe" (dict "path" "/healthz" "port" "monitor" "probe" .Values.probes.startup) | trim | nindent 4 }}
  livenessProbe:
    {{- include "dynamo-disagg.containerProbe" (dict "path" $alive "port" "monitor" "probe" .Values.probes.liveness) | trim | nindent 4 }}
  readinessProbe:
    {{- include "dynamo-disagg.containerProbe" (dict "path" $alive "port" "monitor" "probe" .Values.probes.readiness) | trim | nindent 4 }}
  {{- if $clustered }}
  lifecycle:
    preStop:
      # Lame duck mode: clients move to the other servers one by one. A single server has no others, so it stops at
      # once and is back the sooner.
      exec:
        command: [nats-server, --signal, ldm=/run/nats/nats.pid]
  {{- end }}
  volumeMounts:
    - {name: config, mountPath: /etc/nats, readOnly: true}
    {{- include "dynamo-disagg.volumeMounts" (list (include "dynamo-disagg.tls.mounts" . | fromJson)) | nindent 4 }}
    {{- if $clustered }}
    - {name: pid, mountPath: /run/nats}
    {{- end }}
    {{- if .Values.jetstream.enabled }}
    - {name: data, mountPath: /data}
    {{- end }}
volumes:
  - {name: config, configMap: {name: {{ $name }}}}
  {{- include "dynamo-disagg.volumes" (list (include "dynamo-disagg.tls.volumes" . | fromJson)) | nindent 2 }}
  {{- if $clustered }}
  - {name: pid, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  {{- end }}
  {{- if and .Values.jetstream.enabled (not $onVolumes) }}
  - {name: data, emptyDir: {sizeLimit: {{ .Values.persistence.size }}}}
  {{- end }}
{{- end }}
