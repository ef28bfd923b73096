{{/* dynamo-disagg.validate.size: does a worker fit on a node. in: component context */}}
{{- define "dynamo-disagg.validate.size" -}}
{{- $role := .Chart.Name }}
{{- $hardware := include "dynamo-disagg.hardware" . | fromJson }}
{{- $gpus := include "dynamo-disagg.worker.gpus" . | int }}
{{- $node := $hardware.gpusPerNode | int }}
{{- if and (gt $gpus $node) (ne (mod $gpus $node) 0) }}
{{ $role }}.parallelism: a worker of {{ $gpus }} GPUs does not divide into nodes of {{ .Values.global.hardware }} with {{ $node }}: choose at most {{ $node }}, or a multiple of {{ $node }}
{{- end }}
{{- if and .Values.exclusiveTopologyKey (or (le $gpus $node) (eq .Values.global.multiNode.controller "statefulset")) }}
{{ $role }}.exclusiveTopologyKey: only a worker of several nodes can have a domain for itself, and none that StatefulSets run (global.multiNode.controller): remove it
{{- end }}
{{- if hasKey $hardware.extendedResources $hardware.gpuResource }}
global.hardwareSpec.rdma.extendedResources: {{ $hardware.gpuResource }} is derived from {{ $role }}.parallelism: remove it
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.pools: prefill and decode must fit each other, or no KV cache gets across. */}}
{{- define "dynamo-disagg.validate.pools" -}}
{{- if and (include "dynamo-disagg.isSet" .) (eq .Values.global.serving "aggregated") }}
global.multiNode.controller: a DisaggregatedSet is of two roles or more, and aggregated serving has one: set lws, or global.serving=disaggregated
{{- end }}
{{- $roles := dict }}
{{- $gpus := 0 }}{{ $most := 0 }}{{ $scaled := list }}
{{- $workers := 0 }}
{{- $surges := list }}{{ $more := 0 }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- with get $.Subcharts $role }}
{{- $_ := set $roles $role . }}
{{- $workers = add $workers .Values.replicas }}
{{- $each := include "dynamo-disagg.worker.gpus" . | int }}
{{- $gpus = add $gpus (mul .Values.replicas $each) }}
{{- $most = add $most (mul (ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled) $each) }}
{{- if .Values.autoscaling.enabled }}{{ $scaled = append $scaled (printf "%s.autoscaling.maxReplicas" $role) }}{{ end }}
{{- if include "dynamo-disagg.worker.surges" . }}
{{- $surges = append $surges (dict "role" $role "gpus" $each) }}
{{- $more = add $more $each }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (hasKey $roles "prefill") (not .Values.global.simulation.enabled) }}
{{ include "dynamo-disagg.validate.fabric" (pick $roles "prefill" "decode") }}
{{- if ne .Values.global.kvTransfer.connector "mooncake" }}
{{ include "dynamo-disagg.validate.ucx" (dict "root" . "roles" (pick $roles "prefill" "decode")) }}
{{- end }}
{{- end }}
{{- $domain := .Values.global.colocation.topologyKey }}
{{- $perNode := (include "dynamo-disagg.hardware" . | fromJson).gpusPerNode | int }}
{{- if and (eq $domain "kubernetes.io/hostname") (gt (int $gpus) $perNode) }}
global.colocation.topologyKey: all workers together need {{ $gpus }} GPUs, and one node of {{ .Values.global.hardware }} has {{ $perNode }}: choose fewer or smaller workers, or a larger domain
{{- else if and (eq $domain "kubernetes.io/hostname") (gt (int $most) $perNode) }}
{{ join ", " $scaled }}: global.colocation.topologyKey keeps all workers on one node, whose {{ $perNode }} GPUs have no room for the {{ $most }} that the scalers may ask for: lower it, or choose a larger domain
{{- end }}
{{ if eq $domain "kubernetes.io/hostname" }}{{ include "dynamo-disagg.validate.nics" (dict "root" . "roles" $roles) }}{{ end }}
{{- /* New workers wait for each other, so that an update needs room for one of each role that has a new one first. */}}
{{- range $surges }}
{{- if and (eq $domain "kubernetes.io/hostname") (le (int $most) $perNode) (gt (add $most $more | int) $perNode) }}
{{ .role }}.rollingUpdate.maxSurge: global.colocation.topologyKey keeps all workers on one node, whose {{ $perNode }} GPUs have no room for one more{{ if le (add $most .gpus | int) $perNode }} of each role, which wait for each other{{ end }}, so an update would wait for ever: set maxSurge=0 and maxUnavailable=1
{{- end }}
{{- end }}
{{- range $role, $context := $roles }}
{{- if and $domain (eq $domain $context.Values.exclusiveTopologyKey) (gt (int $workers) 1) }}
{{ $role }}.exclusiveTopologyKey: global.colocation.topologyKey wants all {{ $workers }} workers in the same {{ $domain }}, and this one alone in it: remove one of the two
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.fabric: a role without the fabric that the other one has. in: prefill and decode -> component context */}}
{{- define "dynamo-disagg.validate.fabric" -}}
{{- range $role, $other := dict "prefill" "decode" "decode" "prefill" }}
{{- if and (include "dynamo-disagg.hardware.hasRdma" (get $ $other)) (not (include "dynamo-disagg.hardware.hasRdma" (get $ $role))) }}
{{ $role }}.rdma.extendedResources: {{ $role }} has no NIC and {{ $other }} has, so the KV cache would go over TCP: give both roles their share, or set global.rdma.enabled=false without any
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.ucx: UCX_TLS that keeps UCX off the machine's fabric, or differs between the roles.
in: dict "root" <root context> "roles" prefill and decode -> component context
*/}}
{{- define "dynamo-disagg.validate.ucx" -}}
{{- $global := .root.Values.global }}
{{- $of := dict }}
{{- range $role, $pool := .roles }}
{{- $hardware := include "dynamo-disagg.hardware" $pool | fromJson }}
{{- $env := include "dynamo-disagg.overlay" (list $hardware.env $global.env $pool.Values.env) | fromJson }}
{{- $_ := set $of $role (get $env "UCX_TLS") }}
{{- $devices := get $env "UCX_NET_DEVICES" }}
{{- if and (kindIs "string" $devices) (include "dynamo-disagg.hardware.hasRdma" $pool) (regexMatch "^((eth|ens|eno|enp|lo|bond)[0-9a-z]*,?)+$" (toString $devices)) }}
{{ ternary (printf "%s.env" $role) "global.env" (hasKey $pool.Values.env "UCX_NET_DEVICES") }}.UCX_NET_DEVICES: {{ $devices }} is a network interface, and the RDMA devices of {{ $global.hardware }} have other names: write those of `ibv_devinfo -l`, such as mlx5_0:1, or remove it
{{- end }}
{{- end }}
{{- if and (kindIs "string" $of.prefill) (kindIs "string" $of.decode) (ne $of.prefill $of.decode) }}
prefill.env.UCX_TLS, decode.env.UCX_TLS: {{ $of.prefill | default "unset" }} and {{ $of.decode | default "unset" }}, but both ends of a KV transfer must use one fabric: set it once, in global.env
{{- end }}
{{- /* NVLink between nodes (a ComputeDomain) needs no RDMA. */}}
{{- $nvlink := (include "dynamo-disagg.hardware" .root | fromJson).computeDomain }}
{{- range $role, $text := $of }}
{{- if and (kindIs "string" $text) $text (include "dynamo-disagg.hardware.hasRdma" $.root) }}
{{- $names := splitList "," (trimPrefix "^" $text) }}
{{- $found := dict }}
{{- range $name := $names }}
{{- if regexMatch "^(all|ib|rc|dc|ud|srd|gga)" (trim $name) }}{{ $_ := set $found "rdma" true }}{{ end }}
{{- if regexMatch "^cuda" (trim $name) }}{{ $_ := set $found "nvlink" true }}{{ end }}
{{- end }}
{{- $excludes := and (hasPrefix "^" $text) (has "ib" $names) }}
{{- $omits := not (or (hasPrefix "^" $text) $found.rdma (and $nvlink $found.nvlink)) }}
{{- if or $excludes $omits }}
{{- $where := ternary "global.env" "global.hardwareSpec.rdma.env" (hasKey $global.env "UCX_TLS") }}
{{- if hasKey (get $.roles $role).Values.env "UCX_TLS" }}{{ $where = printf "%s.env" $role }}{{ end }}
{{ $where }}.UCX_TLS: {{ $text }} leaves out the RDMA fabric of {{ $global.hardware }}, so the KV cache would go over TCP in silence: remove it, or set global.rdma.enabled=false
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.nics: workers on one node, which has each of its NICs once. in: dict "root" <root context> "roles" */}}
{{- define "dynamo-disagg.validate.nics" -}}
{{- $asked := dict }}
{{- $has := include "dynamo-disagg.hardware" .root | fromJson }}
{{- range $role, $of := .roles }}
{{- range $device, $count := (include "dynamo-disagg.hardware" $of | fromJson).extendedResources }}
{{- $_ := set $asked $device (add (get $asked $device | default 0) (mul $count (ternary $of.Values.autoscaling.maxReplicas $of.Values.replicas $of.Values.autoscaling.enabled))) }}
{{- end }}
{{- end }}
{{- $short := list }}
{{- range $device, $count := $asked }}
{{- if gt (int $count) (get $has.extendedResources $device | default 1 | int) }}{{ $short = append $short $device }}{{ end }}
{{- end }}
{{- if and $has.exclusive $short }}
global.colocation.topologyKey: all workers are on one node of {{ .root.Values.global.hardware }}, which has {{ first $short }}{{ with rest $short }} and {{ len . }} more{{ end }} {{ if gt (get $has.extendedResources (first $short) | int) 1 }}{{ get $has.extendedResources (first $short) }} times{{ else }}once{{ end }}, and they ask for it more often: divide the NICs (prefill.rdma.extendedResources, decode.rdma.extendedResources, as values/a3u-single.yaml does), or set global.rdma.enabled=false and lose the fabric
{{- end }}
{{- end }}
