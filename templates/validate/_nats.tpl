{{- define "dynamo-disagg.validate.nats" -}}
{{- $used := include "dynamo-disagg.usesNats" . }}
{{- $external := .Values.global.natsUrl }}
{{- if contains "@" $external }}
global.natsUrl: values are kept in the release, and a URL with a user shows the password: remove it, and name a Secret in global.natsSecret
{{- else if $external }}
{{- /* "Failed to connect to NATS", says Dynamo 1.6.1 of two in either spelling (measured). */}}
{{ include "dynamo-disagg.validate.server" (dict "where" "global.natsUrl" "url" $external "schemes" (list "nats" "tls") "example" "nats://host:4222" "joined" " or " "each" "as Dynamo connects to one") }}
{{- end }}
{{- if and $used (not .Values.nats.enabled) (not $external) }}
global.{{ if eq .Values.global.requestPlane "nats" }}requestPlane{{ else }}eventPlane{{ end }}: the nats plane has no NATS: set nats.enabled=true, or global.natsUrl
{{- end }}
{{- if and .Values.nats.enabled $external }}
nats.enabled: global.natsUrl names another NATS: set one of the two
{{- end }}
{{- if and (not $used) .Values.nats.enabled }}
nats.enabled: nothing would use this NATS: set global.requestPlane=nats or global.eventPlane=nats, or nats.enabled=false
{{- end }}
{{- if and (not $used) $external }}
global.natsUrl: nothing would use it: set global.requestPlane=nats or global.eventPlane=nats, or remove it
{{- end }}
{{- with .Values.global.natsSecret }}
{{- if not $used }}
global.natsSecret: no pod uses a NATS: set global.requestPlane=nats or global.eventPlane=nats, or remove it
{{- else if and (gt (int $.Values.nats.replicas) 1) $.Values.nats.enabled (not $.Values.global.tls.secretName) }}
global.natsSecret: servers ask each other for no password, and whoever joins them at port 6222 reads all of it: set global.tls.secretName, or nats.replicas=1
{{- end }}
{{- end }}
{{- with .Subcharts.nats }}
{{- $own := include "dynamo-disagg.env.natsUser" . | fromJson }}
{{- range $name := keys $.Values.nats.env | sortAlpha }}
{{- if hasKey $own $name }}
nats.env.{{ $name }}: the chart sets this variable: remove it
{{- else if regexMatch "^NATS_(AUTH|TLS)_" $name }}
nats.env.{{ $name }}: clients read it, and the server does not: remove it; a user is global.natsSecret, certificates are global.tls.secretName
{{- end }}
{{- end }}
{{ include "dynamo-disagg.validate.members" (dict
      "root" . "members" (include "dynamo-disagg.nats.members" . | fromYaml)
      "values" "nats.replicas, nats.jetstream, nats.persistence" "when" "fixed while streams are on volumes"
      "lost" "streams and requests in flight are lost") }}
{{- end }}
{{- end }}
