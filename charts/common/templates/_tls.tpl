{{/*
TLS between the pods of a release, with one Secret (global.tls): who shows its certificate may connect, and nobody else.
Dynamo's two directions, requests and answers, are separate connections with a server each, so that every pod is both
server and client. A Secret of one place leaves no half of it out.
*/}}

{{- define "dynamo-disagg.tls.folder" -}}/etc/dynamo-tls{{- end }}

{{/* dynamo-disagg.tls.mounts: of each container that listens or connects. in: any context; out: JSON map name -> volumeMount */}}
{{- define "dynamo-disagg.tls.mounts" -}}
{{- $mounts := dict }}
{{- if .Values.global.tls.secretName }}{{ $_ := set $mounts "tls" (dict "mountPath" (include "dynamo-disagg.tls.folder" .) "readOnly" true) }}{{ end }}
{{- toJson $mounts }}
{{- end }}

{{/* dynamo-disagg.tls.volumes: of its pod. The fsGroup may read it. out: JSON map name -> volume source */}}
{{- define "dynamo-disagg.tls.volumes" -}}
{{- $volumes := dict }}
{{- with .Values.global.tls.secretName }}{{ $_ := set $volumes "tls" (dict "secret" (dict "secretName" . "defaultMode" 288)) }}{{ end }}
{{- toJson $volumes }}
{{- end }}

{{/* dynamo-disagg.tls.env: of every Dynamo process. out: JSON map */}}
{{- define "dynamo-disagg.tls.env" -}}
{{- $env := dict }}
{{- if .Values.global.tls.secretName }}
{{- $folder := include "dynamo-disagg.tls.folder" . }}
{{- $files := dict "CERT" "tls.crt" "KEY" "tls.key" "CA_CERT" "ca.crt" }}
{{- range $name, $file := $files }}{{ $_ := set $env (printf "DYN_TCP_TLS_%s_PATH" $name) (printf "%s/%s" $folder $file) }}{{ end }}
{{- range $name, $file := $files }}{{ $_ := set $env (printf "DYN_TCP_TLS_CLIENT_%s_PATH" $name) (printf "%s/%s" $folder $file) }}{{ end }}
{{- /* Pods are dialled by their addresses, which no certificate has. */}}
{{- $_ := set $env "DYN_TCP_TLS_SERVER_NAME" .Values.global.tls.serverName }}
{{- if and (include "dynamo-disagg.usesNats" .) (not .Values.global.natsUrl) }}
{{- $_ := set $env "NATS_TLS_CA_CERT_PATH" (printf "%s/ca.crt" $folder) }}
{{- $_ := set $env "NATS_TLS_CLIENT_CERT_PATH" (printf "%s/tls.crt" $folder) }}
{{- $_ := set $env "NATS_TLS_CLIENT_KEY_PATH" (printf "%s/tls.key" $folder) }}
{{- end }}
{{- if and (eq .Values.global.discovery.backend "etcd") (not .Values.global.discovery.etcdEndpoints) }}
{{- /* These take the text itself, not a file. */}}
{{- range $name, $key := dict "CA" "ca.crt" "CLIENT_CERT" "tls.crt" "CLIENT_KEY" "tls.key" }}
{{- $_ := set $env (printf "ETCD_AUTH_%s" $name) (dict "secretKeyRef" (dict "name" $.Values.global.tls.secretName "key" $key)) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $env }}
{{- end }}
