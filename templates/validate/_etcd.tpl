{{- define "dynamo-disagg.validate.etcd" -}}
{{- $used := eq .Values.global.discovery.backend "etcd" }}
{{- $external := .Values.global.discovery.etcdEndpoints }}
{{- range $index, $url := $external }}
{{- if contains "@" $url }}
global.discovery.etcdEndpoints[{{ $index }}]: values are kept in the release, and a URL with a user shows the password: remove it, and name a Secret in global.env (ETCD_AUTH_USERNAME, ETCD_AUTH_PASSWORD)
{{- else }}
{{ include "dynamo-disagg.validate.server" (dict "where" (printf "global.discovery.etcdEndpoints[%d]" $index) "url" $url "schemes" (list "http" "https") "example" "http://host:2379" "joined" " and " "each" "one in each entry") }}
{{- end }}
{{- end }}
{{- $plain := include "dynamo-disagg.validate.etcd.plain" . | fromJsonArray }}
{{- if and $plain (lt (len $plain) (len $external)) }}
global.discovery.etcdEndpoints: what is asked of {{ join " and " $plain }} goes without TLS, and of the others with it: write https:// for all of them
{{- end }}
{{- if and $used (not .Values.etcd.enabled) (not $external) }}
global.discovery.backend: etcd discovery has no etcd: set etcd.enabled=true, or global.discovery.etcdEndpoints
{{- end }}
{{- if and .Values.etcd.enabled $external }}
etcd.enabled: global.discovery.etcdEndpoints names another etcd: set one of the two
{{- end }}
{{- if and (not $used) .Values.etcd.enabled }}
etcd.enabled: nothing would use this etcd: set global.discovery.backend=etcd, or etcd.enabled=false
{{- end }}
{{- if and (not $used) $external }}
global.discovery.etcdEndpoints: nothing would use them: set global.discovery.backend=etcd, or remove them
{{- end }}
{{- with .Subcharts.etcd }}
{{ include "dynamo-disagg.validate.etcd.members" . }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.etcd.plain: the addresses of an etcd outside that are asked without TLS. out: JSON list */}}
{{- define "dynamo-disagg.validate.etcd.plain" -}}
{{- $plain := list }}
{{- range .Values.global.discovery.etcdEndpoints }}{{ if hasPrefix "http://" . }}{{ $plain = append $plain . }}{{ end }}{{ end }}
{{- toJson $plain }}
{{- end }}

{{/* dynamo-disagg.validate.etcd.members: what etcd would refuse, or could not survive. in: component context */}}
{{- define "dynamo-disagg.validate.etcd.members" -}}
{{- $identity := include "dynamo-disagg.etcd.identity" . | fromYaml }}
{{- $tuning := include "dynamo-disagg.etcd.tuning" . | fromYaml }}
{{- if and (gt (int .Values.replicas) 1) (not .Values.persistence.enabled) }}
etcd.persistence.enabled: a member that loses its emptyDir does not join the other two again, so the first upgrade or drained node would break the cluster: set etcd.persistence.enabled=true, or etcd.replicas=1
{{- end }}
{{- if and (eq (int .Values.replicas) 1) (eq .Values.initialClusterState "existing") }}
etcd.initialClusterState: existing is for a member that joins others again, and one has no others: leave it out
{{- end }}
{{- if contains "bitnami" .Values.image.repository }}
etcd.image.repository: Bitnami's image has no /usr/local/bin/etcd, and its tags were removed: use coreos/etcd
{{- end }}
{{- $quota := get $tuning "quota-backend-bytes" }}
{{- range .Values.extraArgs }}
{{- if regexMatch "^--?quota-backend-bytes" . }}{{ $quota = regexFind "[0-9-]+$" (splitList "=" . | rest | join "") }}{{ end }}
{{- end }}
{{- if and (regexMatch "^[1-9][0-9]*$" $quota) (include "dynamo-disagg.validate.exceeds" (list $quota .Values.persistence.size)) }}
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
{{- $instead := ternary (printf "write --%s=... in etcd.extraArgs" $flag) "remove it" (hasKey $tuning $flag) }}
etcd.env.{{ $name }}: etcd refuses a variable beside a flag, and the chart sets --{{ $flag }}: {{ $instead }}
{{- end }}
{{- end }}
{{- /* Of addresses without TLS etcd ignores them, with a line in its log. */}}
{{- if not .Values.global.tls.secretName }}
{{- $files := "(peer[-_])?((cert|key|trusted[-_]ca)[-_]file|client[-_]cert[-_]auth|auto[-_]tls)" }}
{{- range .Values.extraArgs }}
{{- with regexFind (printf "^--?%s" $files) . }}
etcd.extraArgs: {{ . }} alone leaves etcd without TLS: set global.tls.secretName, which sets all of it, and remove this
{{- end }}
{{- end }}
{{- range $name := keys .Values.env | sortAlpha }}
{{- if regexMatch (printf "(?i)^ETCD_%s$" $files) $name }}
etcd.env.{{ $name }}: alone it leaves etcd without TLS: set global.tls.secretName, which sets all of it, and remove this
{{- end }}
{{- end }}
{{- end }}
{{ include "dynamo-disagg.validate.members" (dict
      "root" . "members" (include "dynamo-disagg.etcd.members" . | fromYaml)
      "values" "etcd.replicas, etcd.persistence, global.tls" "when" "fixed when etcd starts for the first time"
      "lost" "the frontends and workers lose their registrations and restart") }}
{{- end }}
