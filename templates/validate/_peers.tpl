{{/*
dynamo-disagg.validate.peers: TLS between the pods that is set for a part of them. Dynamo says nothing when the two sides differ: its health
and metrics are well, and each request gets 503.
*/}}
{{- define "dynamo-disagg.validate.peers" -}}
{{- $global := .Values.global }}
{{- $environments := dict "global.env" $global.env }}
{{- $arguments := dict "global.engine.args" $global.engine.args }}
{{- range $component := prepend (include "dynamo-disagg.pools" . | fromJsonArray) "frontend" }}
{{- $values := (get $.Subcharts $component).Values }}
{{- $_ := set $environments (printf "%s.env" $component) $values.env }}
{{- $_ := set $arguments (printf "%s.%s" $component (ternary "args" "engineArgs" (eq $component "frontend"))) ($values.engineArgs | default $values.args) }}
{{- end }}
{{- range $where, $env := $environments }}
{{- range $name := keys $env | sortAlpha }}
{{- if and (regexMatch "^DYN_TCP_TLS_" $name) (ne $name "DYN_TCP_TLS_HANDSHAKE_TIMEOUT_SECS") (not $global.tls.secretName) }}
{{ $where }}.{{ $name }}: alone it leaves a side or a direction without TLS, and requests unanswered: set global.tls.secretName, which sets all of it, and remove this
{{- end }}
{{- if and (regexMatch "^(DYN_TCP|NATS)_TLS_INSECURE" $name) $global.tls.secretName }}
{{ $where }}.{{ $name }}: it takes any certificate, while global.tls.secretName promises to check them: remove it
{{- end }}
{{- $value := get $env $name }}
{{- if and (regexMatch "^ETCD_AUTH_(CA|CLIENT_CERT|CLIENT_KEY)$" $name) (kindIs "string" $value) (not (hasPrefix "-----BEGIN" $value)) }}
{{ $where }}.{{ $name }}: Dynamo takes the PEM text itself from it, not the name of a file: write {{ $name }}: {secretKeyRef: {name: ..., key: ...}}
{{- else if and (regexMatch "^(ETCD_AUTH_PASSWORD|NATS_AUTH_(PASSWORD|TOKEN|NKEY))$" $name) (kindIs "string" $value) (hasPrefix "/" (toString $value)) }}
{{ $where }}.{{ $name }}: Dynamo takes the text itself from it, not the name of a file: write {{ $name }}: {secretKeyRef: {name: ..., key: ...}}
{{- end }}
{{- end }}
{{- end }}
{{ include "dynamo-disagg.validate.peers.users" . }}
{{- if and (ne $global.tls.serverName "dynamo") (not $global.tls.secretName) }}
global.tls.serverName: no pod asks for a name without TLS: set global.tls.secretName, or remove it
{{- end }}
{{- range $where, $flags := $arguments }}
{{- range $name := keys ($flags | default dict) | sortAlpha }}
{{- if and (hasPrefix "tcp-tls-" $name) (ne $name "tcp-tls-handshake-timeout") }}
{{ $where }}.{{ $name }}: it is for one side only: set global.tls.secretName, and remove this
{{- end }}
{{- if and (hasPrefix "nats-tls-" $name) $global.tls.secretName }}
{{ $where }}.{{ $name }}: global.tls.secretName sets the certificates of all sides: remove it
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.peers.users: who a process is for an etcd or NATS, where half of it is missing, so that Dynamo shows nothing of it, or
where the server is the chart's, which asks for something else. in: root context
*/}}
{{- define "dynamo-disagg.validate.peers.users" -}}
{{- $global := .Values.global }}
{{- $plain := include "dynamo-disagg.validate.etcd.plain" . | fromJsonArray }}
{{- $groups := list
      (list "ETCD_AUTH_USERNAME" "ETCD_AUTH_PASSWORD") (list "ETCD_AUTH_CA" "ETCD_AUTH_CLIENT_CERT" "ETCD_AUTH_CLIENT_KEY")
      (list "NATS_AUTH_USERNAME" "NATS_AUTH_PASSWORD") (list "NATS_TLS_CLIENT_CERT_PATH" "NATS_TLS_CLIENT_KEY_PATH") }}
{{- range $component := prepend (include "dynamo-disagg.pools" . | fromJsonArray) "frontend" }}
{{- $where := dict }}
{{- range $path, $env := dict "global.env" $global.env (printf "%s.env" $component) (get $.Subcharts $component).Values.env }}
{{- range $name, $value := $env }}{{ if not (kindIs "invalid" $value) }}{{ $_ := set $where $name $path }}{{ end }}{{ end }}
{{- end }}
{{- /* What nothing reads is said once, and nothing else of it. */}}
{{- $unread := dict }}
{{- if and (ne $global.discovery.backend "etcd") (not (hasKey $where "ETCD_ENDPOINTS")) }}{{ $_ := set $unread "ETCD_" "an etcd: set global.discovery.backend=etcd" }}{{ end }}
{{- if not (or (include "dynamo-disagg.usesNats" $) (hasKey $where "NATS_SERVER")) }}{{ $_ := set $unread "NATS_" "a NATS: set global.requestPlane=nats or global.eventPlane=nats" }}{{ end }}
{{- range $prefix, $of := $unread }}
{{- range $name, $path := $where }}
{{- if regexMatch (printf "^%s(AUTH|TLS|LEASE_TTL)" $prefix) $name }}
{{ $path }}.{{ $name }}: no pod connects to {{ $of }}, or remove it
{{- $_ := unset $where $name }}
{{- end }}
{{- end }}
{{- end }}
{{- range $group := $groups }}
{{- $missing := list }}{{ $there := list }}
{{- range $group }}{{ if hasKey $where . }}{{ $there = append $there . }}{{ else }}{{ $missing = append $missing . }}{{ end }}{{ end }}
{{- if and $there $missing (not (and $global.natsSecret (has "NATS_AUTH_USERNAME" $group))) }}
{{ get $where (first $there) }}.{{ first $there }}: alone it is not used: set {{ join " and " $missing }} too, from a Secret, or remove it
{{- end }}
{{- end }}
{{- if and (hasKey $where "ETCD_AUTH_USERNAME") (hasKey $where "ETCD_AUTH_CA") }}
{{ get $where "ETCD_AUTH_CA" }}.ETCD_AUTH_CA: beside a user Dynamo uses no certificates for etcd: remove ETCD_AUTH_USERNAME and ETCD_AUTH_PASSWORD, or this
{{- end }}
{{- /* It says "etcd not reachable yet" for two minutes (measured with Dynamo 1.6.1). */}}
{{- if and (hasKey $where "ETCD_AUTH_CA") $plain }}
{{ get $where "ETCD_AUTH_CA" }}.ETCD_AUTH_CA: with certificates Dynamo connects to no {{ first $plain }}: write https:// in global.discovery.etcdEndpoints, or remove it
{{- end }}
{{- range $name, $path := $where }}
{{- if and $.Values.etcd.enabled (regexMatch "^ETCD_AUTH_(USERNAME|PASSWORD)$" $name) }}
{{ $path }}.{{ $name }}: the chart's etcd has no users: remove it; with global.tls.secretName it asks for a certificate
{{- else if and (or $.Values.nats.enabled $global.natsSecret) (regexMatch "^NATS_AUTH_(TOKEN|NKEY|CREDENTIALS_FILE)$" $name) }}
{{ $path }}.{{ $name }}: a user is what NATS is shown: remove it, and name the Secret of the user in global.natsSecret
{{- else if and $.Values.nats.enabled (not $global.natsSecret) (hasPrefix "NATS_AUTH_" $name) }}
{{ $path }}.{{ $name }}: the chart's NATS would not ask for it: remove it, and name the Secret in global.natsSecret
{{- end }}
{{- end }}
{{- end }}
{{- end }}
