{{/* etcd.peers: name of the headless Service that gives every member an address of its own. in: component context */}}
{{- define "etcd.peers" -}}
{{ include "common.name" (dict "root" . "component" "etcd") }}-peers
{{- end }}

{{/*
etcd.memberHost: where a member is reached. Without the cluster's domain, which differs between clusters.
in:  dict "root" <component context> "pod" string
*/}}
{{- define "etcd.memberHost" -}}
{{ .pod }}.{{ include "etcd.peers" .root }}.{{ .root.Release.Namespace }}.svc
{{- end }}

{{/* etcd.initialCluster: all members with their peer URLs. in: component context */}}
{{- define "etcd.initialCluster" -}}
{{- $name := include "common.name" (dict "root" . "component" "etcd") }}
{{- $members := list }}
{{- range until (int .Values.replicas) }}
{{- $pod := printf "%s-%d" $name . }}
{{- $members = append $members (printf "%s=http://%s:2380" $pod (include "etcd.memberHost" (dict "root" $ "pod" $pod))) }}
{{- end }}
{{- join "," $members }}
{{- end }}

{{/* etcd.identity: who the member is, a YAML map of flags. A wrong one splits or breaks the cluster, so no value may set them. */}}
{{- define "etcd.identity" -}}
{{- $host := include "etcd.memberHost" (dict "root" . "pod" "$(POD_NAME)") }}
name: $(POD_NAME)
data-dir: /var/lib/etcd/data
listen-peer-urls: http://0.0.0.0:2380
listen-client-urls: http://0.0.0.0:2379
listen-metrics-urls: http://0.0.0.0:2381
initial-advertise-peer-urls: http://{{ $host }}:2380
advertise-client-urls: http://{{ $host }}:2379
initial-cluster: {{ include "etcd.initialCluster" . }}
initial-cluster-state: new
initial-cluster-token: {{ .Release.Namespace }}-{{ include "common.fullname" . }}
{{- end }}

{{/*
etcd.tuning: a YAML map of flags that extraArgs may set again. Dynamo keeps a few kilobytes of keys and renews
their leases every few seconds: little data, many revisions.
*/}}
{{- define "etcd.tuning" -}}
auto-compaction-mode: periodic
auto-compaction-retention: 5m
quota-backend-bytes: "1073741824"
{{- end }}

{{/*
etcd.fixed: what a running release cannot change, in words. It is stored in the cluster, so it must not be reworded.
in:  component context
*/}}
{{- define "etcd.fixed" -}}
{{- with .Values.persistence }}
{{- $.Values.replicas }} member(s) on {{ if .enabled }}volumes of {{ .size }}, class {{ .storageClass | default "default" }}, {{ join "+" .accessModes }}{{ else }}emptyDir{{ end }}
{{- end }}
{{- end }}

{{/*
etcd.problems: rules that need two values or the cluster, one line a problem as in common.validate.
in:  component context
*/}}
{{- define "etcd.problems" -}}
{{- $identity := include "etcd.identity" . | fromYaml }}
{{- $tuning := include "etcd.tuning" . | fromYaml }}
{{- if and (gt (int .Values.replicas) 1) (not .Values.persistence.enabled) }}
etcd.persistence.enabled: a member that loses its emptyDir cannot join the other two again, so the first upgrade or drained node would break the cluster: set etcd.persistence.enabled=true, or etcd.replicas=1
{{- end }}
{{- if contains "bitnami" .Values.image.repository }}
etcd.image.repository: Bitnami's image has no /usr/local/bin/etcd, and its tags were removed: use coreos/etcd
{{- end }}
{{- $quota := get $tuning "quota-backend-bytes" }}
{{- range .Values.extraArgs }}{{ if regexMatch "^--?quota-backend-bytes" . }}{{ $quota = regexFind "[0-9-]+$" (splitList "=" . | rest | join "") }}{{ end }}{{ end }}
{{- if and (regexMatch "^[1-9][0-9]*$" $quota) (include "common.exceeds" (list $quota .Values.persistence.size)) }}
etcd.persistence.size: {{ .Values.persistence.size }} is less than the {{ $quota }} bytes that etcd may fill: raise it, or write --quota-backend-bytes with less in etcd.extraArgs
{{- end }}
{{- range .Values.extraArgs }}
{{- $flag := first (splitList "=" .) | trimPrefix "-" | trimPrefix "-" }}
{{- if and (hasPrefix "-" .) (hasKey $identity $flag) }}
etcd.extraArgs: the chart sets --{{ $flag }}: remove it
{{- end }}
{{- end }}
{{- range $flag := concat (keys $identity) (keys $tuning) | sortAlpha }}
{{- $name := printf "ETCD_%s" (upper $flag | replace "-" "_") }}
{{- if hasKey $.Values.env $name }}
etcd.env.{{ $name }}: etcd refuses a variable beside a flag, and the chart sets --{{ $flag }}: {{ if hasKey $tuning $flag }}write --{{ $flag }}=... in etcd.extraArgs{{ else }}remove it{{ end }}
{{- end }}
{{- end }}
{{- if hasKey .Values.env "POD_NAME" }}
etcd.env.POD_NAME: the chart sets this variable: remove it
{{- end }}
{{- $name := include "common.name" (dict "root" . "component" "etcd") }}
{{- with lookup "apps/v1" "StatefulSet" .Release.Namespace $name }}
{{- $before := dig "metadata" "annotations" "dynamo-disagg/fixed" "" . }}
{{- $after := include "etcd.fixed" $ }}
{{- if ne $before $after }}
etcd.replicas, etcd.persistence: fixed when etcd starts for the first time: StatefulSet {{ $name }} runs {{ $before | default "something else" }}, the values say {{ $after }}: keep them, or run "kubectl -n {{ $.Release.Namespace }} delete statefulset,pvc -l app.kubernetes.io/instance={{ include "common.fullname" $ }},app.kubernetes.io/component=etcd" and then upgrade (the frontends and workers lose their registrations and restart)
{{- end }}
{{- end }}
{{- end }}
