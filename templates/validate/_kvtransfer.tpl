{{/*
dynamo-disagg.validate.kvTransfer: settings of the KV transfer that the engine cannot take, or that only another setting uses.
An engine says in "dynamo-disagg.validate.engine.<name>.kvTransfer" what it takes; in: root context; out: YAML map
  connectors  list
  backends    how many of global.kvTransfer.backends it loads at a time: "one" or "several"
  refuses     map: value of global.kvTransfer -> where the engine has its like, or "remove it"
  asksMooncake  the variable (in capitals), or the setting of the connector, with which it asks Mooncake for a protocol; optional
  owned       map: key of extraConfig, with dots, -> value to set instead; optional
  texts       whether all values of extraConfig must be texts; optional
  known       list of the keys that extraConfig may have; optional
*/}}
{{- define "dynamo-disagg.validate.kvTransfer" -}}
{{- $transfer := .Values.global.kvTransfer }}
{{- $engine := .Values.global.engine.name }}
{{- $takes := include (printf "dynamo-disagg.validate.engine.%s.kvTransfer" $engine) . | fromYaml }}
{{- $defaults := dict "backends" (list "UCX") "onLoadFailure" "fail" "leaseSeconds" 30.0 "extraConfig" dict "offloadConnectors" list }}
{{- range $index, $offload := $transfer.offloadConnectors }}
{{- if has .kv_connector (list "NixlConnector" "MooncakeConnector" "MultiConnector" "PdConnector") }}
global.kvTransfer.offloadConnectors[{{ $index }}]: {{ .kv_connector }} moves the KV cache between the roles, which global.kvTransfer.connector says, and the chart joins the connectors: remove it
{{- end }}
{{- end }}
{{- if eq .Values.global.serving "aggregated" }}
{{- $set := list }}
{{- if not (hasKey $takes.refuses "offloadConnectors") }}{{ $_ := unset $defaults "offloadConnectors" }}{{ end }}
{{- range $key := keys $defaults | sortAlpha }}
{{- $value := get $transfer $key }}
{{- /* A null took one of a lower layer back. */}}
{{- if kindIs "map" $value }}{{ $value = include "dynamo-disagg.withoutNulls" $value | fromJson }}{{ end }}
{{- if ne (toJson $value) (get $defaults $key | toJson) }}{{ $set = append $set $key }}{{ end }}
{{- end }}
{{- with $set }}
global.kvTransfer: with global.serving=aggregated no KV cache is moved: remove {{ join " and " . }}
{{- end }}
{{- else }}
{{- if not (has $transfer.connector $takes.connectors) }}
global.kvTransfer.connector: {{ $engine }} does not move the KV cache with {{ $transfer.connector }} here: choose {{ join " or " $takes.connectors }}
{{- end }}
{{- if and (eq $takes.backends "one") (gt (len $transfer.backends) 1) }}
global.kvTransfer.backends: {{ $engine }} loads one backend of NIXL, not {{ join ", " $transfer.backends }}: choose one
{{- end }}
{{- /* Plugins that NIXL 1.x brings; of another name only what looks like a slip is one. */}}
{{- $plugins := list "UCX" "UCX_MO" "LIBFABRIC" "GDS" "GDS_MT" "POSIX" "OBJ" "AZURE_BLOB" "MOONCAKE" "GPUNETIO" "HF3FS" "GUSLI" "INFINIA" "UCCL" }}
{{- range $plugin := $transfer.backends }}
{{- $near := include "dynamo-disagg.validate.nearest" (dict "word" $plugin "known" $plugins "atLeast" 700) }}
{{- if and $near (not (has $plugin $plugins)) }}
global.kvTransfer.backends: NIXL has no plugin {{ $plugin }}: write {{ $near }}
{{- end }}
{{- end }}
{{- $fabric := (include "dynamo-disagg.hardware" . | fromJson).nixlBackend }}
{{- if and $fabric (include "dynamo-disagg.hardware.hasRdma" .) }}
{{- if and (eq $transfer.connector "nixl") (not (has $fabric $transfer.backends)) }}
global.kvTransfer.backends: the fabric of {{ .Values.global.hardware }} is used through NIXL's {{ $fabric }}, and {{ join ", " $transfer.backends }} would take TCP: write [{{ $fabric }}]
{{- else if not (has $transfer.connector (list "nixl" "mooncake")) }}
global.kvTransfer.connector: the fabric of {{ .Values.global.hardware }} is used through NIXL's {{ $fabric }}, and {{ $transfer.connector }} would take TCP: set connector to nixl and backends to [{{ $fabric }}]
{{- end }}
{{- end }}
{{- range $key, $instead := $takes.refuses }}
{{- if ne (get $transfer $key | toJson) (get $defaults $key | toJson) }}
global.kvTransfer.{{ $key }}: {{ $engine }} has no such setting: {{ $instead }}
{{- end }}
{{- end }}
{{- if ne $transfer.connector "nixl" }}
{{- if ne (toJson $transfer.backends) (toJson $defaults.backends) }}
global.kvTransfer.backends: they are plugins of NIXL, and global.kvTransfer.connector is {{ $transfer.connector }}: remove it, or set the connector to nixl
{{- end }}
{{- if and (ne (int $transfer.leaseSeconds) 30) (not (hasKey $takes.refuses "leaseSeconds")) }}
global.kvTransfer.leaseSeconds: only NIXL has leases, and global.kvTransfer.connector is {{ $transfer.connector }}: remove it, or set the connector to nixl
{{- end }}
{{- end }}
{{- range $path, $instead := $takes.owned }}
{{- if include "dynamo-disagg.validate.flags.holds" (dict "value" $transfer.extraConfig "keys" (splitList "." $path)) }}
global.kvTransfer.extraConfig.{{ $path }}: the chart sets it: {{ $instead }}
{{- end }}
{{- end }}
{{- if hasKey $takes "known" }}
{{- range $key := keys $transfer.extraConfig | sortAlpha }}
{{- if not (or (has $key $takes.known) (hasKey $takes.owned $key)) }}
global.kvTransfer.extraConfig.{{ $key }}: {{ $engine }} has no such setting: did you mean {{ include "dynamo-disagg.validate.nearest" (dict "word" $key "known" $takes.known) }}? Settings of the connector itself stand under kv_connector_extra_config
{{- end }}
{{- end }}
{{- end }}
{{- range $key, $value := $transfer.extraConfig }}
{{- if and $takes.texts (not (kindIs "string" $value)) }}
global.kvTransfer.extraConfig.{{ $key }}: {{ $engine }} takes only texts here: put {{ toJson $value }} in quotes
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.hostPid: the node's PID namespace where it changes nothing. in: root context */}}
{{- define "dynamo-disagg.validate.hostPid" -}}
{{- $engine := .Values.global.engine.name }}
{{- $wants := include "dynamo-disagg.sameNode.wants" .Subcharts.decode | trim }}
{{- if .Values.global.colocation.hostPID }}
{{- if ne $wants "namespace" }}
global.colocation.hostPID: {{ $engine }} {{ ternary "needs other process numbers for cuda_ipc, and has them without it" "was not seen to gain by it" (eq $wants "numbers") }}: remove it
{{- else if ne .Values.global.colocation.topologyKey "kubernetes.io/hostname" }}
global.colocation.hostPID: it serves workers of one node: set global.colocation.topologyKey=kubernetes.io/hostname, or remove it
{{- else if not (include "dynamo-disagg.sameNode" .Subcharts.decode) }}
global.colocation.hostPID: no KV cache moves over cuda_ipc here (aggregated or simulated, another connector or backend, or a worker that fills its node): remove it
{{- end }}
{{- end }}
{{- end }}
