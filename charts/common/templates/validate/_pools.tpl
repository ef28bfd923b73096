{{/* common.worker.flags: the engine flags of a role, under one name each. in: component context; out: YAML map */}}
{{- define "common.worker.flags" -}}
{{- $args := include "common.overlay" (list .Values.global.engine.args .Values.engineArgs) | fromYaml }}
{{- if $args }}
{{- $known := include (printf "common.flags.%s" .Values.global.engine.name) . | fromJson }}
{{- $named := dict }}
{{- range $flag, $value := $args }}{{ $_ := set $named (get $known.aliases $flag | default $flag) $value }}{{ end }}
{{- toYaml $named }}
{{- end }}
{{- end }}

{{/* common.validate.pools: prefill and decode must fit each other, or no KV cache gets across. */}}
{{- define "common.validate.pools" -}}
{{- $roles := dict }}
{{- $gpus := 0 }}{{ $workers := 0 }}{{ $surges := list }}
{{- range $role := list "prefill" "decode" }}
{{- $seen := dict "root" $ "component" $role }}{{ include "common.asComponent" $seen }}
{{- if include "common.worker.mode" $seen.context }}
{{- $_ := set $roles $role (dict "context" $seen.context "parallelism" $seen.context.Values.parallelism "flags" (include "common.worker.flags" $seen.context | fromYaml)) }}
{{- $workers = add $workers $seen.context.Values.replicas }}
{{- $each := include "common.worker.gpus" $seen.context | int }}
{{- $gpus = add $gpus (mul $seen.context.Values.replicas $each) }}
{{- if not (has (toString $seen.context.Values.rollingUpdate.maxSurge) (list "0" "0%")) }}{{ $surges = append $surges (dict "role" $role "gpus" $each) }}{{ end }}
{{- end }}
{{- end }}
{{- if hasKey $roles "prefill" }}
{{ include (printf "common.engine.%s.pair" .Values.global.engine.name) $roles }}
{{- if and (eq .Values.global.kvTransfer.connector "nixl") (not .Values.global.simulation.enabled) }}{{ include "common.validate.fabric" (dict "root" . "roles" $roles) }}{{ end }}
{{- end }}
{{- $domain := .Values.global.colocation.topologyKey }}
{{- $perNode := (include "common.hardware" . | fromYaml).gpusPerNode | int }}
{{- if and (eq $domain "kubernetes.io/hostname") (gt (int $gpus) $perNode) }}
global.colocation.topologyKey: all workers together need {{ $gpus }} GPUs, and one node of {{ .Values.global.hardware }} has {{ $perNode }}: choose fewer or smaller workers, or a larger domain
{{- end }}
{{- range $surges }}
{{- if and (eq $domain "kubernetes.io/hostname") (le (int $gpus) $perNode) (gt (add $gpus .gpus | int) $perNode) }}
{{ .role }}.rollingUpdate.maxSurge: global.colocation.topologyKey keeps all workers on one node, whose {{ $perNode }} GPUs have no room for one more, so an update would wait for ever: set maxSurge=0 and maxUnavailable=1
{{- end }}
{{- end }}
{{- $plane := get .Values.frontend.args "response-plane" | default "" | toString }}
{{- range $role, $of := $roles }}
{{- $own := get $of.flags "response-plane" | default "" | toString }}
{{- if ne $own $plane }}
frontend.args.response-plane, {{ $role }}.engineArgs.response-plane: {{ $plane | default "unset" }} and {{ $own | default "unset" }}, but the frontend and the workers must agree: set it in frontend.args and in global.engine.args
{{- end }}
{{- if and $domain (eq $domain $of.context.Values.exclusiveTopologyKey) (gt (int $workers) 1) }}
{{ $role }}.exclusiveTopologyKey: global.colocation.topologyKey wants all {{ $workers }} workers in the same {{ $domain }}, and this one alone in it: remove one of the two
{{- end }}
{{- end }}
{{- end }}

{{/*
common.validate.alike: flags whose values both roles must share.
in: dict "roles" <of common.validate.pools> "flags" list
*/}}
{{- define "common.validate.alike" -}}
{{- range $flag := .flags }}
{{- $prefill := get $.roles.prefill.flags $flag | default "auto" | toString }}
{{- $decode := get $.roles.decode.flags $flag | default "auto" | toString }}
{{- $names := dict "half" "float16" "float" "float32" }}
{{- if ne (get $names $prefill | default $prefill) (get $names $decode | default $decode) }}
prefill.engineArgs.{{ $flag }}, decode.engineArgs.{{ $flag }}: {{ $prefill }} and {{ $decode }}, but the KV cache of both roles must have one format: set it once, in global.engine.args
{{- end }}
{{- end }}
{{- end }}

{{/*
common.validate.ranks: sizes of which one must divide the other, because each rank of the larger pool reads from or
writes to a whole number of ranks of the smaller one. in: dict "what" "prefill" "decode"
*/}}
{{- define "common.validate.ranks" -}}
{{- $small := min (int .prefill) (int .decode) }}{{ $large := max (int .prefill) (int .decode) }}
{{- if ne (mod $large $small) 0 }}
prefill.parallelism, decode.parallelism: {{ .what }} of {{ .prefill }} and {{ .decode }}, and the KV cache goes across only where one is a multiple of the other: choose such sizes
{{- end }}
{{- end }}

{{/*
common.validate.fabric: UCX_TLS that keeps NIXL off the machine's fabric, or differs between the roles.
in: dict "root" <root context> "roles"
*/}}
{{- define "common.validate.fabric" -}}
{{- $global := .root.Values.global }}
{{- $hardware := include "common.hardware" .root | fromYaml }}
{{- $of := dict }}
{{- range $role, $pool := .roles }}
{{- $env := include "common.overlay" (list $hardware.env $global.env $pool.context.Values.env) | fromYaml }}
{{- $_ := set $of $role (get $env "UCX_TLS") }}
{{- end }}
{{- if and (kindIs "string" $of.prefill) (kindIs "string" $of.decode) (ne $of.prefill $of.decode) }}
prefill.env.UCX_TLS, decode.env.UCX_TLS: {{ $of.prefill | default "unset" }} and {{ $of.decode | default "unset" }}, but both ends of a KV transfer must use one fabric: set it once, in global.env
{{- end }}
{{- /* NVLink between nodes (a ComputeDomain) or within one needs no RDMA. */}}
{{- $nvlink := or $hardware.computeDomain (eq $global.colocation.topologyKey "kubernetes.io/hostname") }}
{{- range $role, $text := $of }}
{{- if and (kindIs "string" $text) $text (include "common.hardware.hasRdma" $.root) }}
{{- $names := splitList "," (trimPrefix "^" $text) }}
{{- $found := dict }}
{{- range $name := $names }}
{{- if regexMatch "^(all|ib|rc|dc|ud|srd|gga)" (trim $name) }}{{ $_ := set $found "rdma" true }}{{ end }}
{{- if regexMatch "^cuda" (trim $name) }}{{ $_ := set $found "nvlink" true }}{{ end }}
{{- end }}
{{- $excludes := and (hasPrefix "^" $text) (has "ib" $names) }}
{{- $omits := not (or (hasPrefix "^" $text) $found.rdma (and $nvlink $found.nvlink)) }}
{{- if or $excludes $omits }}
{{- $where := ternary (printf "%s.env" $role) "global.env" (hasKey (get $.roles $role).context.Values.env "UCX_TLS") }}
{{ $where }}.UCX_TLS: {{ $text }} leaves out the RDMA fabric of {{ $global.hardware }}, so the KV cache would go over TCP in silence: remove it, or set global.rdma.enabled=false
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.hardware.hasRdma: "true" where worker pods get an RDMA fabric, else empty. in: root context */}}
{{- define "common.hardware.hasRdma" -}}
{{- $hardware := include "common.hardware" . | fromYaml }}
{{- if or $hardware.extendedResources (omit $hardware.claims "compute-domain") }}true{{ end }}
{{- end }}

{{/*
common.validate.blindRouter: a worker without a prefix cache publishes no KV events.
in: dict "root" <component context> "flag" the one that switches the cache off
*/}}
{{- define "common.validate.blindRouter" -}}
{{- with .root.Values }}
{{- if and (eq .global.router.mode "kv") (ne (include "common.worker.mode" $.root) "decode") }}
{{- $where := printf "%s.extraArgs" $.root.Chart.Name }}
{{- if hasKey .engineArgs $.flag }}{{ $where = printf "%s.engineArgs.%s" $.root.Chart.Name $.flag }}
{{- else if hasKey .global.engine.args $.flag }}{{ $where = printf "global.engine.args.%s" $.flag }}{{ end }}
{{ $where }}: without a prefix cache a worker publishes no KV events, and a kv router routes blindly: remove it, or set global.router.mode=round-robin
{{- end }}
{{- end }}
{{- end }}
