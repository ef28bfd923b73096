{{/*
dynamo-disagg.validate.secrets: what is secret and written as text. Helm keeps the values in the release and `helm get values` shows them,
a pod's variables and arguments are in its specification, and both are read by many who may not read Secrets.
*/}}
{{- define "dynamo-disagg.validate.secrets" -}}
{{- $global := .Values.global }}
{{- $flags := dict "global.engine.args" $global.engine.args }}
{{- $raw := dict }}
{{- $volumes := dict "global.model.source.csi" $global.model.source.csi }}
{{- range $where, $of := include "dynamo-disagg.volumes.places" . | fromJson }}
{{- range $name, $volume := $of }}{{ $_ := set $volumes (printf "%s.%s.source.csi" $where $name) (($volume | default dict).source | default dict).csi }}{{ end }}
{{- end }}
{{- range $component := include "dynamo-disagg.components" . | fromJsonArray }}
{{- $values := (get $.Subcharts $component).Values }}
{{- $_ := set $raw (printf "%s.extraArgs" $component) $values.extraArgs }}
{{- range $key := list "args" "engineArgs" }}{{ $_ := set $flags (printf "%s.%s" $component $key) (get $values $key | default dict) }}{{ end }}
{{- range $index, $container := $values.initContainers }}
{{- $where := printf "%s.initContainers[%d]" $component $index }}
{{- range $key := list "command" "args" }}{{ $_ := set $raw (printf "%s.%s" $where $key) (get $container $key | default list) }}{{ end }}
{{- end }}
{{- end }}
{{- $named := "(?i)(^|[-_])(token|password|passwd|pwd|passphrase|secret|api[-_]?key|access[-_]key|private[-_]key)$" }}
{{- range $where, $env := include "dynamo-disagg.env.places" . | fromJson }}
{{- range $name, $value := $env }}
{{- if and (regexMatch $named $name) (include "dynamo-disagg.validate.secrets.isText" $value) }}
{{ $where }}.{{ $name }}: it reads like a secret, and values are kept in the release: take it from a Secret ({{ if contains "initContainers" $where }}valueFrom{{ else }}{{ $name }}{{ end }}: {secretKeyRef: {name: ..., key: ...}})
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $of := $flags }}
{{- range $name, $value := $of }}
{{- if and (regexMatch $named $name) (include "dynamo-disagg.validate.secrets.isText" $value) }}
{{ $where }}.{{ $name }}: an argument is in the pod's specification: {{ if eq $name "hf-token" }}write global.env.HF_TOKEN: {secretKeyRef: {name: ..., key: ...}}, and hf-token: true{{ else }}write {{ $name }}: $(NAME), and take the variable NAME from a Secret{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $arguments := $raw }}
{{- $before := "" }}
{{- range $arguments }}
{{- $flag := regexFind "^--?[^=]+" . }}
{{- $value := ternary (trimPrefix (printf "%s=" $flag) .) . (contains "=" .) }}
{{- $name := ternary $flag $before (and (ne $flag "") (contains "=" .)) }}
{{- /* Of etcd it is a kind of tokens. */}}
{{- $isKind := and (eq $where "etcd.extraArgs") (hasSuffix "auth-token" $name) }}
{{- if and $name (not $isKind) (ne $value $name) (regexMatch $named $name) (include "dynamo-disagg.validate.secrets.isText" $value) }}
{{ $where }}: an argument is in the pod's specification: write $(NAME) behind {{ $name }}, and take the variable NAME from a Secret
{{- end }}
{{- $before = ternary "" $flag (contains "=" .) }}
{{- end }}
{{- end }}
{{- range $where, $volume := $volumes }}
{{- range $name, $value := ($volume | default dict).volumeAttributes }}
{{- if and (regexMatch "(?i)(token|password|passwd|accesskey|access_key|accountkey|apikey|api_key)$" $name) (include "dynamo-disagg.validate.secrets.isText" $value) }}
{{ $where }}.volumeAttributes.{{ $name }}: it reads like a secret, and values are kept in the release: name a Secret in {{ $where }}.nodePublishSecretRef
{{- end }}
{{- end }}
{{- end }}
{{- if contains "@" $global.telemetry.otlpEndpoint }}
global.telemetry.otlpEndpoint: a user in a URL is kept in the release, and in every pod's specification: remove it, and let the collector's network be closed
{{- end }}
{{- $settings := pick $global.kvTransfer "extraConfig" "offloadConnectors" }}
{{- range $where, $of := merge (dict "global.kvTransfer" $settings) $flags }}
{{- range $name, $value := $of }}
{{- if and (not (kindIs "string" $value)) (regexMatch "(?i)\"[a-z_]*(password|secret|secret_key|access_key|api_key|auth_token)\":\"[^\"$]" (toJson $value)) }}
{{ $where }}.{{ $name }}: a password in it becomes an argument, which the pod's specification shows: let the program read it from a variable or a file
{{- end }}
{{- end }}
{{- end }}
{{- /* Whatever its name, wherever it stands; all values are read at once, as there is seldom one. */}}
{{- if include "dynamo-disagg.validate.secrets.shows" (toJson .Values) }}
{{ include "dynamo-disagg.validate.secrets.anywhere" (dict "where" "" "value" .Values) }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.secrets.isText: "true" of a text that is neither a file's name, another variable, a switch nor a count. in: any value */}}
{{- define "dynamo-disagg.validate.secrets.isText" -}}
{{- if and (kindIs "string" .) (not (regexMatch "(?i)^(|[0-9]{1,5}|true|false|yes|no|on|off|none)$|^/|^\\$\\(" .)) }}true{{ end }}
{{- end }}

{{/* dynamo-disagg.validate.secrets.shows: what secret a text shows by its form, if any: a key, a password of a URL, a token. in: text */}}
{{- define "dynamo-disagg.validate.secrets.shows" -}}
{{- if contains "PRIVATE KEY-----" . }}a private key
{{- else if regexMatch "://[^/@ \":]*:([^$/@ \"][^/@ \"]*|[$][^(/@ \"][^/@ \"]*)@" . }}a password in a URL
{{- else if regexMatch "\\b(hf_[A-Za-z0-9]{30}|gh[a-z]_[A-Za-z0-9]{30}|github_pat_[A-Za-z0-9_]{20}|nvapi-[A-Za-z0-9_-]{20}|glpat-[A-Za-z0-9_-]{20}|(?i:authorization)[\\\\\"':= ]+(?i:bearer|basic)( |%20)[A-Za-z0-9])" . }}a token
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.secrets.anywhere: the places of such texts. in: dict "where" "value" */}}
{{- define "dynamo-disagg.validate.secrets.anywhere" -}}
{{- $where := .where }}
{{- if kindIs "map" .value }}
{{- range $key, $value := .value }}
{{- /* A component has a copy of global; URLs of servers have a rule of their own. */}}
{{- if not (or (and $where (eq $key "global")) (has $key (list "etcdEndpoints" "natsUrl" "otlpEndpoint"))) }}
{{ include "dynamo-disagg.validate.secrets.anywhere" (dict "where" (printf "%s.%s" $where $key | trimPrefix ".") "value" $value) }}
{{- end }}
{{- end }}
{{- else if kindIs "slice" .value }}
{{- range $index, $value := .value }}
{{ include "dynamo-disagg.validate.secrets.anywhere" (dict "where" (printf "%s[%d]" $where $index) "value" $value) }}
{{- end }}
{{- else if kindIs "string" .value }}
{{- with include "dynamo-disagg.validate.secrets.shows" .value | trim }}
{{ $where }}: {{ . }} is kept in the release: {{ if regexMatch "(^|[.])env[.\\[]" $where }}take the whole text from a Secret, by secretKeyRef{{ else }}remove it, and let the program read it from a variable or file of a Secret{{ end }}
{{- end }}
{{- end }}
{{- end }}
