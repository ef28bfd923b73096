{{/*
dynamo-disagg.etcd.memberHost: where a member is reached. Without the cluster's domain, which differs between clusters.
in:  dict "root" <component context> "pod" string
*/}}
{{- define "dynamo-disagg.etcd.memberHost" -}}
{{ .pod }}.{{ include "dynamo-disagg.peers" (dict "root" .root "component" "etcd") }}.{{ .root.Release.Namespace }}.svc
{{- end }}

{{/* dynamo-disagg.etcd.initialCluster: all members with their peer URLs. in: component context */}}
{{- define "dynamo-disagg.etcd.initialCluster" -}}
{{- $name := include "dynamo-disagg.name" (dict "root" . "component" "etcd") }}
{{- $members := list }}
{{- range until (int .Values.replicas) }}
{{- $pod := printf "%s-%d" $name . }}
{{- $members = append $members (printf "%s=%s://%s:2380" $pod (include "dynamo-disagg.etcd.scheme" $) (include "dynamo-disagg.etcd.memberHost" (dict "root" $ "pod" $pod))) }}
{{- end }}
{{- join "," $members }}
{{- end }}

{{- define "dynamo-disagg.etcd.scheme" -}}
{{ include "dynamo-disagg.scheme" (dict "root" . "tls" "https" "plain" "http") }}
{{- end }}

{{/* dynamo-disagg.etcd.tls: flags with which clients and peers must show the release's certificate, a YAML map. in: component context */}}
{{- define "dynamo-disagg.etcd.tls" -}}
{{- if .Values.global.tls.secretName }}
{{- range $prefix := list "" "peer-" }}
{{ $prefix }}cert-file: {{ include "dynamo-disagg.tls.folder" $ }}/tls.crt
{{ $prefix }}key-file: {{ include "dynamo-disagg.tls.folder" $ }}/tls.key
{{ $prefix }}trusted-ca-file: {{ include "dynamo-disagg.tls.folder" $ }}/ca.crt
{{ $prefix }}client-cert-auth: "true"
{{- end }}
{{- /* Members would look each other's address up in the DNS, whose answer ends with the cluster's domain, which no certificate here names. */}}
peer-skip-client-san-verification: "true"
{{- end }}
{{- end }}

{{/* dynamo-disagg.etcd.identity: who the member is, a YAML map of flags. A wrong one splits or breaks the cluster, so no value may set them. */}}
{{- define "dynamo-disagg.etcd.identity" -}}
{{- $host := include "dynamo-disagg.etcd.memberHost" (dict "root" . "pod" "$(POD_NAME)") }}
name: $(POD_NAME)
data-dir: /var/lib/etcd/data
listen-peer-urls: {{ include "dynamo-disagg.etcd.scheme" . }}://0.0.0.0:2380
listen-client-urls: {{ include "dynamo-disagg.etcd.scheme" . }}://0.0.0.0:{{ include "dynamo-disagg.port.etcd" . }}
listen-metrics-urls: http://0.0.0.0:2381
initial-advertise-peer-urls: {{ include "dynamo-disagg.etcd.scheme" . }}://{{ $host }}:2380
advertise-client-urls: {{ include "dynamo-disagg.etcd.scheme" . }}://{{ $host }}:{{ include "dynamo-disagg.port.etcd" . }}
initial-cluster: {{ include "dynamo-disagg.etcd.initialCluster" . }}
initial-cluster-state: {{ .Values.initialClusterState }}
initial-cluster-token: {{ .Release.Namespace }}-{{ include "dynamo-disagg.fullname" . }}
{{- include "dynamo-disagg.etcd.tls" . }}
{{- end }}

{{/*
dynamo-disagg.etcd.tuning: a YAML map of flags that extraArgs may set again. Dynamo keeps a few kilobytes of keys and renews
their leases every few seconds: little data, many revisions.
*/}}
{{- define "dynamo-disagg.etcd.tuning" -}}
auto-compaction-mode: periodic
auto-compaction-retention: 5m
quota-backend-bytes: "1073741824"
{{- end }}

{{/* dynamo-disagg.etcd.members: what dynamo-disagg.members.* renders. in: component context; out: YAML map */}}
{{- define "dynamo-disagg.etcd.members" -}}
noun: member
ports:
  - {name: peer, port: 2380}
  - {name: client, port: {{ include "dynamo-disagg.port.etcd" . }}}
  - {name: metrics, port: 2381}
onVolumes: {{ .Values.persistence.enabled }}
{{- if .Values.global.tls.secretName }}
# The members' addresses, which they keep, begin with https.
also: TLS
{{- end }}
elsewhere: {{ .Values.replicas }} member(s) on emptyDir
container:
  command: [/usr/local/bin/etcd]
  args:
    {{- range $flag, $value := merge (include "dynamo-disagg.etcd.identity" . | fromYaml) (include "dynamo-disagg.etcd.tuning" . | fromYaml) }}
    - --{{ $flag }}={{ $value }}
    {{- end }}
    {{- range .Values.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  startupProbe:
    {{- include "dynamo-disagg.containerProbe" (dict "path" "/livez" "port" "metrics" "probe" .Values.probes.startup) | trim | nindent 4 }}
  livenessProbe:
    {{- include "dynamo-disagg.containerProbe" (dict "path" "/livez" "port" "metrics" "probe" .Values.probes.liveness) | trim | nindent 4 }}
  readinessProbe:
    {{- include "dynamo-disagg.containerProbe" (dict "path" "/readyz" "port" "metrics" "probe" .Values.probes.readiness) | trim | nindent 4 }}
  volumeMounts:
    - {name: data, mountPath: /var/lib/etcd}
    {{- include "dynamo-disagg.volumeMounts" (list (include "dynamo-disagg.tls.mounts" . | fromJson)) | nindent 4 }}
{{- $volumes := include "dynamo-disagg.tls.volumes" . | fromJson }}
{{- if not .Values.persistence.enabled }}{{ $_ := set $volumes "data" (dict "emptyDir" (dict "sizeLimit" .Values.persistence.size)) }}{{ end }}
{{- with $volumes }}
volumes:
  {{- include "dynamo-disagg.volumes" (list .) | nindent 2 }}
{{- end }}
{{- end }}
