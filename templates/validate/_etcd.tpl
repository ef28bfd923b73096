{{- define "validate.etcd" -}}
{{- $used := eq .Values.global.discovery.backend "etcd" }}
{{- $external := .Values.global.discovery.etcdEndpoints }}
{{- range $index, $url := $external }}
{{- if contains "@" $url }}
global.discovery.etcdEndpoints[{{ $index }}]: values are kept in the release, and a URL with a user shows the password: remove it, and name a Secret in global.env (ETCD_AUTH_USERNAME, ETCD_AUTH_PASSWORD)
{{- else if not (regexMatch "^https?://[^ /,]+$" $url) }}
global.discovery.etcdEndpoints[{{ $index }}]: {{ $url }} is no URL of a server: write {{ if regexMatch "^[^ /,:]+:[0-9]+$" $url }}http://{{ $url }}{{ else }}http://host:2379, one in each entry{{ end }}
{{- end }}
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
{{ include "validate.etcd.members" . }}
{{- end }}
{{- end }}

{{/* validate.etcd.members: what etcd would refuse, or could not survive. in: component context */}}
{{- define "validate.etcd.members" -}}
{{- $identity := include "etcd.identity" . | fromYaml }}
{{- $tuning := include "etcd.tuning" . | fromYaml }}
{{- if and (gt (int .Values.replicas) 1) (not .Values.persistence.enabled) }}
etcd.persistence.enabled: a member that loses its emptyDir cannot join the other two again, so the first upgrade or drained node would break the cluster: set etcd.persistence.enabled=true, or etcd.replicas=1
{{- end }}
{{- if contains "bitnami" .Values.image.repository }}
etcd.image.repository: Bitnami's image has no /usr/local/bin/etcd, and its tags were removed: use coreos/etcd
{{- end }}
{{- $quota := get $tuning "quota-backend-bytes" }}
{{- range .Values.extraArgs }}
{{- if regexMatch "^--?quota-backend-bytes" . }}{{ $quota = regexFind "[0-9-]+$" (splitList "=" . | rest | join "") }}{{ end }}
{{- end }}
{{- if and (regexMatch "^[1-9][0-9]*$" $quota) (include "validate.exceeds" (list $quota .Values.persistence.size)) }}
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
{{ include "validate.members" (dict
      "root" . "members" (include "etcd.members" . | fromYaml)
      "values" "etcd.replicas, etcd.persistence, global.tls" "when" "fixed when etcd starts for the first time"
      "lost" "the frontends and workers lose their registrations and restart") }}
{{- end }}
