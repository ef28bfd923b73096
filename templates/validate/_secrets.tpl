{{/*
validate.secrets: what is secret and written as text. Helm keeps the values in the release and `helm get values` shows them,
a pod's variables are in its specification, and both are read by many who may not read Secrets.
*/}}
{{- define "validate.secrets" -}}
{{- $named := "(^|_)(TOKEN|PASSWORD|PASSWD|SECRET|API_?KEY|ACCESS_KEY|PRIVATE_KEY)$" }}
{{- $global := .Values.global }}
{{- $places := dict "global.env" $global.env "global.hardwareSpec.env" $global.hardwareSpec.env }}
{{- with $global.hardwareSpec.rdma }}{{ $_ := set $places "global.hardwareSpec.rdma.env" .env }}{{ end }}
{{- range $component := include "common.components" . | fromJsonArray }}
{{- $_ := set $places (printf "%s.env" $component) (get $.Subcharts $component).Values.env }}
{{- end }}
{{- range $where, $env := $places }}
{{- range $name, $value := $env }}
{{- if kindIs "string" $value }}
{{- if or (contains "PRIVATE KEY-----" $value) (and (regexMatch $named $name) (not (regexMatch "^(/|\\$\\(|$)" $value))) }}
{{ $where }}.{{ $name }}: it reads like a secret, and values are kept in the release: take it from a Secret ({{ $name }}: {secretKeyRef: {name: ..., key: ...}})
{{- else if regexMatch "://[^/@ ]*:[^/@ ]+@" $value }}
{{ $where }}.{{ $name }}: a password in a URL is kept in the release: take the whole URL from a Secret ({{ $name }}: {secretKeyRef: {name: ..., key: ...}})
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if contains "@" $global.telemetry.otlpEndpoint }}
global.telemetry.otlpEndpoint: a user in a URL is kept in the release, and in every pod's specification: remove it, and let the collector's network be closed
{{- end }}
{{- range $where, $value := dict "global.kvTransfer.extraConfig" $global.kvTransfer.extraConfig "global.kvTransfer.offloadConnectors" $global.kvTransfer.offloadConnectors }}
{{- $text := toJson $value }}
{{- if or (regexMatch "://[^/@ \"]*:[^/@ \"]+@" $text) (regexMatch "(?i)\"[a-z_]*(password|secret|secret_key|api_key|auth_token)\":\"[^\"]" $text) }}
{{ $where }}: a password in it becomes an argument of the workers, which their specification shows: let the connector read it from a variable or a file
{{- end }}
{{- end }}
{{- $arguments := dict "global.engine.args" $global.engine.args "prefill.engineArgs" .Values.prefill.engineArgs "decode.engineArgs" .Values.decode.engineArgs "encode.engineArgs" .Values.encode.engineArgs }}
{{- range $where, $flags := $arguments }}
{{- if and (hasKey ($flags | default dict) "hf-token") (kindIs "string" (get $flags "hf-token")) }}
{{ $where }}.hf-token: an argument is in the pod's specification: write global.env.HF_TOKEN: {secretKeyRef: {name: ..., key: ...}}, and hf-token: true
{{- end }}
{{- end }}
{{- end }}
