{{/*
dynamo-disagg.validate.alike: what both roles must have alike, from a table: a list of
  fact   see dynamo-disagg.validate.facts
  as     define that says what of it counts, from the role's facts
  or     another fact that says the same
  unset  what no value stands for; without it only two values can differ
  open   a value that leaves the choice to the engine, as no value does
  same   other names of values
  why    reason
in: dict "roles" <of dynamo-disagg.validate.engines> "table" list
    ["doubts" true: only what one role leaves to the engine] ["between" two other roles than prefill and decode]
*/}}
{{- define "dynamo-disagg.validate.alike" -}}
{{- $between := .between | default (list "prefill" "decode") }}
{{- range $rule := .table }}
{{- $values := dict }}
{{- $paths := list }}
{{- $isVariable := hasPrefix "env." $rule.fact }}
{{- range $role := $between }}
{{- with (get $.roles $role).facts }}
{{- $text := get .values $rule.fact | default (get .values ($rule.or | default "")) | default $rule.unset | default "" }}
{{- if $rule.as }}{{ $text = include $rule.as .values }}{{ end }}
{{- $_ := set $values $role (get ($rule.same | default dict) $text | default $text) }}
{{- $path := get .where $rule.fact }}
{{- if not (hasPrefix $role $path) }}{{ $path = printf "%s.%s%s" $role (ternary "" "engineArgs." $isVariable) $rule.fact }}{{ end }}
{{- $paths = append $paths $path }}
{{- end }}
{{- end }}
{{- $one := get $values (first $between) }}{{ $other := get $values (last $between) }}
{{- $given := not (or (has $one (list "" $rule.open)) (has $other (list "" $rule.open))) }}
{{- $isOpen := and (not $given) $rule.open (ne $one $other) }}
{{- if $.doubts }}
{{- if $isOpen }}
{{ join ", " $paths }}: {{ $one | default $rule.open }} and {{ $other | default $rule.open }}, and {{ $rule.why }}: set it in both, or in none.
{{- end }}
{{- else if and $given (ne (lower $one) (lower $other)) }}
{{ join ", " $paths }}: {{ $one }} and {{ $other }}, but {{ $rule.why }}: set it once, in global.{{ ternary "env" "engine.args" $isVariable }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.worker.checks: variables that no engine survives. out: table of dynamo-disagg.validate.checks */}}
{{- define "dynamo-disagg.validate.worker.checks" -}}
# The container runtime obeys it, whatever GPUs the device plugin or a claim has allocated.
env.DYN_KVBM_CPU_CACHE_GB, env.LMCACHE_MAX_LOCAL_CPU_SIZE:
- {when: {it: no number}, says: "{it} is no number of gigabytes: write one"}
env.CUDA_VISIBLE_DEVICES:
- {when: {}, says: "a pod has its own GPUs only, as many as {role}.parallelism wants, counted from 0: remove it"}
env.NVIDIA_VISIBLE_DEVICES:
- {when: {it: not void|none}, says: "it gives the container GPUs of the node that are other pods': remove it"}
{{- end }}

{{/* dynamo-disagg.validate.runtime.checks: variables that end every process of Dynamo 1.6.1, whose runtime reads them as YAML's booleans. */}}
{{- define "dynamo-disagg.validate.runtime.checks" -}}
env.DYN_HEALTH_CHECK_ENABLED:
- {when: {it: not exactly true|false}, says: "Dynamo's runtime does not start with {it}: write true or false"}
{{- end }}

{{/*
dynamo-disagg.validate.hostMemory: caches in host memory that are larger than the pod's limit. in: <of dynamo-disagg.validate.engines> and "table" list of
  fact   see dynamo-disagg.validate.facts
  bytes  of one unit of it
  each   whether every GPU of the pod has as much
*/}}
{{- define "dynamo-disagg.validate.hostMemory" -}}
{{- $role := .context.Chart.Name }}
{{- $limit := get (.context.Values.resources.limits | default dict) "memory" }}
{{- $gpus := div (include "dynamo-disagg.worker.gpus" .context | int) (include "dynamo-disagg.worker.nodes" .context | int) }}
{{- $shared := list (dict "fact" "env.DYN_KVBM_CPU_CACHE_GB" "bytes" 1e9) (dict "fact" "env.LMCACHE_MAX_LOCAL_CPU_SIZE" "bytes" 1073741824 "each" true) }}
{{- $caches := list }}
{{- range concat .table $shared }}{{ $caches = append $caches (merge (dict "size" (get $.facts.values .fact) "where" (get $.facts.where .fact)) .) }}{{ end }}
{{- /* Of a worker over several pods each has its part. */}}
{{- $part := divf 1 (include "dynamo-disagg.worker.nodes" .context) }}
{{- range $index, $connector := .context.Values.global.kvTransfer.offloadConnectors }}
{{- range $key, $value := $connector.kv_connector_extra_config | default dict }}
{{- $where := printf "global.kvTransfer.offloadConnectors[%d].kv_connector_extra_config.%s" $index $key }}
{{- $size := include "dynamo-disagg.args.value" $value }}
{{- if eq $key "cpu_bytes_to_use" }}{{ $caches = append $caches (dict "where" $where "size" $size "bytes" $part) }}{{ end }}
{{- if eq $key "lmcache.max_local_cpu_size" }}{{ $caches = append $caches (dict "where" $where "size" $size "bytes" 1073741824 "each" true) }}{{ end }}
{{- end }}
{{- end }}
{{- range $caches }}
{{- $size := .size }}
{{- if and (regexMatch "^[0-9.]+$" $size) (not $.context.Values.global.simulation.enabled) }}
{{- $bytes := mulf (float64 $size) .bytes (ternary $gpus 1 (.each | default false)) }}
{{- if include "dynamo-disagg.validate.exceeds" (list $bytes $limit) }}
{{ .where }}: {{ $size }}{{ if and .each (gt (int $gpus) 1) }} for each of {{ $gpus }} GPUs{{ end }} is {{ ceil (divf $bytes 1073741824) }} GiB of host memory, above the pod's limit of {{ $limit }}: lower it, or raise {{ $role }}.resources.limits.memory
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.lengths: decode must take what prefill has computed. in: <roles of dynamo-disagg.validate.engines> */}}
{{- define "dynamo-disagg.validate.lengths" -}}
{{- $decode := .decode.facts.values }}
{{- range $flag := include "dynamo-disagg.validate.facts.lengths" . | fromJsonArray }}
{{- $longest := get $.prefill.facts.values $flag }}
{{- $numbers := dict "facts" $decode "text" (get $decode $flag) "test" (printf "below %s" $longest) }}
{{- if and $longest (eq "true" (include "dynamo-disagg.validate.checks.holds" $numbers | trim)) }}
{{ get $.decode.facts.where $flag }}: decode refuses what is longer than {{ get $decode $flag }} tokens, after prefill has computed up to {{ $longest }}: raise it, or lower prefill's
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.responsePlane: the frontend and the workers must agree. in: dict "root" "roles" <of dynamo-disagg.validate.engines> */}}
{{- define "dynamo-disagg.validate.responsePlane" -}}
{{- $frontend := include "dynamo-disagg.validate.facts" (dict "context" .root.Subcharts.frontend "program" "frontend") | fromJson }}
{{- $plane := get $frontend.values "response-plane" }}
{{- range $role, $of := .roles }}
{{- $own := get $of.facts.values "response-plane" }}
{{- if ne $own $plane }}
frontend.args.response-plane, {{ $role }}.engineArgs.response-plane: {{ $plane | default "unset" }} and {{ $own | default "unset" }}, but the frontend and the workers must agree: set it in frontend.args and in global.engine.args
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.ranks: one of two sizes must divide the other, because each rank of the larger pool reads from or
writes to a whole number of ranks of the smaller one. in: dict "what" "prefill" "decode"
*/}}
{{- define "dynamo-disagg.validate.ranks" -}}
{{- $small := min (int .prefill) (int .decode) }}{{ $large := max (int .prefill) (int .decode) }}
{{- if ne (mod $large $small) 0 }}
prefill.parallelism, decode.parallelism: {{ .what }} of {{ .prefill }} and {{ .decode }}, and the KV cache goes across only where one is a multiple of the other: choose such sizes
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.blindRouter: a worker without a prefix cache publishes no KV events.
in: dict "context" <component context> "where" the path that switches the cache off
*/}}
{{- define "dynamo-disagg.validate.blindRouter" -}}
{{- if and (eq .context.Values.global.router.mode "kv") (ne (include "dynamo-disagg.worker.mode" .context) "decode") }}
{{ .where }}: without a prefix cache a worker publishes no KV events, and a kv router routes blindly: remove it, or set global.router.mode=round-robin
{{- end }}
{{- end }}
