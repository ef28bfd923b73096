{{/*
dynamo-disagg.validate.mooncake: settings that Mooncake takes for something else, in silence
(findings/mooncake-switches-are-on-when-set.sh, mooncake-takes-tcp-for-any-protocol.sh). in: root chart's context
*/}}
{{- define "dynamo-disagg.validate.mooncake" -}}
{{- $global := .Values.global }}
{{- $moves := and (eq $global.serving "disaggregated") (eq $global.kvTransfer.connector "mooncake") }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- $pool := get $.Subcharts $role }}
{{- $facts := include "dynamo-disagg.validate.facts" (dict "context" $pool "program" $global.engine.name "known" $.knownFlags) | fromJson }}
{{- range $name := list "MC_FORCE_HCA" "MC_FORCE_MNNVL" "MC_FORCE_TCP" "MC_INTRANODE_NVLINK" }}
{{- $fact := printf "env.%s" $name }}
{{- $value := get $facts.values $fact }}
{{- if hasKey $facts.values $fact }}
{{- if regexMatch "(?i)^(0|n|no|off|false|)$" $value }}
{{ get $facts.where $fact }}: Mooncake asks only whether it is set, so {{ toJson $value }} turns it on: remove it
{{- else if and $moves (eq $name "MC_FORCE_TCP") (include "dynamo-disagg.hardware.hasRdma" $pool) }}
{{ get $facts.where $fact }}: it keeps the KV cache off the RDMA fabric of {{ $global.hardware }}: remove it, or set global.rdma.enabled=false
{{- end }}
{{- end }}
{{- end }}
{{- $asks := (include (printf "dynamo-disagg.validate.engine.%s.kvTransfer" $global.engine.name) $ | fromYaml).asksMooncake }}
{{- if and $moves $asks (eq ((include "dynamo-disagg.hardware" $pool | fromJson).nixlBackend | default "") "LIBFABRIC") }}
{{- $at := printf "global.kvTransfer.extraConfig.kv_connector_extra_config.%s" $asks }}
{{- $value := get ($global.kvTransfer.extraConfig.kv_connector_extra_config | default dict) $asks }}
{{- if eq $asks (upper $asks) }}
{{- $at = get $facts.where (printf "env.%s" $asks) | default (printf "global.env.%s" $asks) }}
{{- $value = get $facts.values (printf "env.%s" $asks) }}
{{- end }}
{{- if ne ($value | toString) "efa" }}
{{ $at }}: the fabric of {{ $global.hardware }} is EFA, which Mooncake uses only where it is asked for: set it to efa
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.warnings.mooncake: a lane for which Mooncake's wheel has no code on the machine's processor
(findings/mooncake-wheels-differ-by-processor.sh). in: root chart's context
*/}}
{{- define "dynamo-disagg.validate.warnings.mooncake" -}}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- $pool := get $.Subcharts $role }}
{{- $arm := eq ((include "dynamo-disagg.hardware" $pool | fromJson).arch | default "amd64") "arm64" }}
{{- $facts := include "dynamo-disagg.validate.facts" (dict "context" $pool "program" $.Values.global.engine.name "known" $.knownFlags) | fromJson }}
{{- range $name, $lacks := dict "MC_FORCE_MNNVL" (ternary "" "x86_64" $arm) "MC_INTRANODE_NVLINK" (ternary "aarch64" "" $arm) }}
{{- if and $lacks (hasKey $facts.values (printf "env.%s" $name)) }}
{{ get $facts.where (printf "env.%s" $name) }}: Mooncake's wheels for {{ $lacks }} (0.3.13, 0.3.14) have no code for it, {{ ternary "and take RDMA or TCP" "and do not start" (eq $lacks "x86_64") }}: remove it, unless the image has a build of its own.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
