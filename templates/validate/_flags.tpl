{{/*
dynamo-disagg.validate.engineVersion: the flags are those of the engine in Dynamo's own image; of another image they
are not known unless the values say so. Frontends and workers are one version.
*/}}
{{- define "dynamo-disagg.validate.engineVersion" -}}
{{- $known := .knownFlags }}
{{- $engine := .Values.global.engine }}
{{- $version := $engine.version }}
{{- $versions := include "dynamo-disagg.flags.versions" . | fromJson }}
{{- $engines := get $versions.engines $engine.name }}
{{- $choices := list }}
{{- range $versions.dynamo }}{{ $dynamo := . }}{{ range $its, $of := $engines }}{{ if eq $of $dynamo }}{{ $choices = append $choices (printf "%s (Dynamo %s)" $its $dynamo) }}{{ end }}{{ end }}{{ end }}
{{- if not (or (has $version (list "" "unchecked")) (hasKey $engines $version)) }}
global.engine.version: the flags of {{ $version }} are not known, only those of {{ join " and " $choices }}: write {{ keys $engines | sortAlpha | reverse | join " or " }} if the image has it, or unchecked
{{- end }}
{{- if not $version }}
{{- range $where, $image := dict "global.engine" .Values.global.engine.image "frontend" .Values.frontend.image }}
{{- $found := include "dynamo-disagg.dynamoVersion.ofTag" (dict "tag" $image.tag "known" $versions.dynamo) }}
{{- if not $image.tag }}
{{- else if not $found }}
{{ $where }}.image.tag: "{{ $image.tag }}" is not known to be Dynamo {{ join " or " $versions.dynamo }}, whose flags are checked: set global.engine.version to {{ join " or " $choices }} if it is, or to unchecked
{{- else if ne $found $known.dynamo }}
{{ $where }}.image.tag: "{{ $image.tag }}" is Dynamo {{ $found }}, the workers' image is {{ $known.dynamo }}: give both the same version
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.flags: flags that do not exist, or that the chart derives.
in: dict "where" path of the map; "flags" it; "raw" extra arguments; "role" component, for messages;
    "program" name; "dynamo" dynamo-disagg.dynamoVersion; "owned" flag -> value to set instead; "checked" whether the program's version is known;
    "known" and "types" of the program, where the caller has read them;
    "other" the program a flag could be meant for, "otherIs" for messages: whose it is and where its flags go
*/}}
{{- define "dynamo-disagg.validate.flags" -}}
{{- if or .flags .raw }}
{{- $known := .known }}
{{- $types := .types }}
{{- if not $known }}{{ $known = include (printf "dynamo-disagg.flags.%s.%s" .program .dynamo) . | fromJson }}{{ end }}
{{- if not $types }}{{ $types = include (printf "dynamo-disagg.validate.types.%s.%s" .program .dynamo) . | fromJson }}{{ end }}
{{- $owned := dict }}
{{- range $flag, $instead := .owned }}{{ $_ := set $owned (get $known.aliases $flag | default $flag) $instead }}{{ end }}
{{- $asked := omit . "owned" }}
{{- range $key, $value := dict "known" $known "types" $types "owned" $owned "isRaw" false }}{{ $_ := set $asked $key $value }}{{ end }}
{{- with get ($known.borrowed | default dict) (toString (get .flags "dyn-chat-processor")) }}
{{- $_ := set $known "flags" (merge $known.flags .flags) }}
{{- with .program }}{{ $_ := set $known "flags" (merge $known.flags (include (printf "dynamo-disagg.flags.%s.%s" . $.dynamo) $ | fromJson).flags) }}{{ end }}
{{- end }}
{{- $names := dict }}
{{- range $flag := keys .flags | sortAlpha }}
{{- $_ := set $asked "flag" $flag }}
{{- $_ := set $asked "value" (get $.flags $flag) }}
{{- $kind := get $known.flags $flag }}
{{- $line := "" }}
{{- /* Most flags are known, and nobody else's. */}}
{{- if and $.checked $kind (not (has $kind (list "router" "dotted"))) (not (hasKey $owned $flag)) (not (contains "." $flag)) }}
{{- $line = include "dynamo-disagg.validate.flags.value" (dict "value" $asked.value "kind" $kind "type" (get $types $flag)) | trim }}
{{- else }}
{{- $line = include "dynamo-disagg.validate.flag" $asked | trim }}
{{- end }}
{{- $name := get $known.aliases $flag | default $flag }}
{{- if $line }}
{{ $.where }}.{{ $flag }}: {{ $line }}
{{- else if hasKey $names $name }}
{{ $.where }}.{{ $flag }}: the same flag as {{ get $names $name }}: keep one of them
{{- end }}
{{- $_ := set $names $name $flag }}
{{- end }}
{{- $_ := set $asked "isRaw" true }}
{{- $_ := unset $asked "value" }}
{{- if and .raw .checked }}
{{- range $name, $value := include "dynamo-disagg.validate.facts.raw" (dict "arguments" .raw "known" $known) | fromJson }}
{{- $kind := get $known.flags $name }}
{{- if and (has $kind (list "value" "json")) (not (hasKey $owned $name)) }}
{{- with include "dynamo-disagg.validate.flags.value" (dict "value" $value "kind" $kind "type" (get $types $name)) | trim }}
{{ $.role }}.extraArgs: --{{ $name }}: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $argument := .raw }}
{{- $flag := first (splitList "=" $argument) }}
{{- /* What has a space is no option for argparse but a value, or two arguments in one. */}}
{{- if and $.checked (regexMatch "^--[a-z][-a-z0-9_.]* " $flag) }}
{{ $.role }}.extraArgs: "{{ $argument }}" is one argument: write the flag and its value as two entries
{{- else if and (regexMatch "^-[^0-9.=]" $argument) (not (contains " " $flag)) }}
{{- $_ := set $asked "flag" $flag }}
{{- $line := include "dynamo-disagg.validate.flag" $asked | trim }}
{{- $name := trimPrefix "--" $flag }}
{{- if $known.underscores }}{{ $name = replace "_" "-" $name }}{{ end }}
{{- $name = get $known.aliases $name | default $name }}
{{- if $line }}
{{ $.role }}.extraArgs: {{ $flag }}: {{ $line }}
{{- else if and (hasKey $names $name) (ne (get $known.flags $name) "repeat") }}
{{ $.role }}.extraArgs: {{ $flag }} stands in {{ $.where }} too, and the last one counts: keep one of them
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.flag: what is wrong with one flag, or nothing. in: as dynamo-disagg.validate.flags, "flag", "value", "known", "isRaw" */}}
{{- define "dynamo-disagg.validate.flag" -}}
{{- $known := .known }}
{{- $typed := trimPrefix "--" .flag }}
{{- if and .isRaw $known.underscores }}{{ $typed = replace "_" "-" $typed }}{{ end }}
{{- $isShort := and .isRaw (not (hasPrefix "--" .flag)) }}
{{- $base := first (splitList "." $typed) }}
{{- if $isShort }}{{ $base = regexReplaceAll "^(-O)[0-9]$" $base "${1}" }}{{ end }}
{{- $flag := get $known.aliases $base | default $base }}
{{- $kind := get $known.flags $flag }}
{{- $positive := trimPrefix "no-" $flag }}{{ $positive = get $known.aliases $positive | default $positive }}
{{- $isNegation := and (hasPrefix "no-" $flag) (not $kind) (hasKey $known.flags $positive) }}
{{- $owned := ternary $positive $flag $isNegation }}
{{- /* trtllm.a.b may be owned, and be written as trtllm.a: {b: ...}. */}}
{{- range $path := ternary (keys .owned | sortAlpha) list (eq $kind "dotted") }}
{{- if or (eq $path $typed) (hasPrefix (printf "%s." $typed) $path) }}
{{- $keys := trimPrefix $typed $path | splitList "." | compact }}
{{- if include "dynamo-disagg.validate.flags.holds" (dict "value" $.value "keys" $keys) }}{{ $owned = $path }}{{ end }}
{{- end }}
{{- end }}
{{- $owner := get .owned $owned }}
{{- $dashed := replace "_" "-" $flag | trimPrefix "--" | trimPrefix "-" }}
{{- if $owner -}}
the chart sets --{{ $owned }}: {{ include "dynamo-disagg.validate.flags.owner" (dict "owner" $owner "role" .role) }}
{{- else if and (not .isRaw) (hasPrefix "-" .flag) -}}
flags have no leading dashes here: write {{ trimPrefix "-" $typed }}
{{- else if not .checked }}
{{- else if eq $kind "router" -}}
a router setting of a worker overrides the frontend's: move it to frontend.args
{{- else if and (contains "." $typed) (not (has $kind (list "json" "dotted"))) (hasKey $known.flags $flag) -}}
{{ $flag }} has no parts: write {{ $flag }}
{{- else if and (eq $kind "dotted") (kindIs "string" .value) (has (lower (toString .value)) (list "null" "none" "true" "false")) -}}
{{ quote .value }} is a text in the engine's file: write {{ ternary "null" (lower .value) (eq (lower .value) "none") }} without quotes
{{- else if and (eq $kind "dotted") (kindIs "map" .value) .value }}
{{- else if and (eq $kind "dotted") (not (contains "." $typed)) -}}
it needs a key of the engine's configuration: write {{ $flag }}.<key>, such as {{ $flag }}.kv_cache_config.free_gpu_memory_fraction
{{- else if $kind }}
{{- if not (or .isRaw (contains "." $typed)) }}
{{- include "dynamo-disagg.validate.flags.value" (dict "value" .value "kind" $kind "type" (get .types $typed)) }}
{{- end }}
{{- else if and $isNegation .isRaw (has (get $known.flags $positive) (list "bool" "router")) }}
{{- else if and $isNegation .isRaw -}}
{{ $known.label }} has no such flag: leave it out
{{- else if $isNegation -}}
write {{ $positive }}: false
{{- else if $isShort -}}
{{ $known.label }} has no such flag: use a long one, with two dashes
{{- else if hasKey $known.flags $dashed -}}
{{ $known.label }} has no such flag: did you mean {{ $dashed }}?
{{- else if hasKey $known.removed $flag -}}
{{- $was := get $known.removed $flag -}}
{{ $known.label }} has no such flag{{ with first $was }} any more ({{ . }} had){{ end }}: {{ last $was | default "remove it" }}
{{- else -}}
{{ include "dynamo-disagg.validate.flags.instead" (merge (dict "flag" $flag "typed" $typed) .) }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.flags.holds: "true" when a value has something under these keys, one inside the other. in: dict "value" "keys" list */}}
{{- define "dynamo-disagg.validate.flags.holds" -}}
{{- if not .keys }}true{{ else if kindIs "map" .value }}
{{- if hasKey .value (first .keys) }}{{ include "dynamo-disagg.validate.flags.holds" (dict "value" (get .value (first .keys)) "keys" (rest .keys)) }}{{ end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.flags.owner: what to do about a flag that the chart sets. in: dict "owner" of dynamo-disagg.engine.<name>.owned "role" */}}
{{- define "dynamo-disagg.validate.flags.owner" -}}
{{- if and (eq .role "encode") (contains "{role}.parallelism" .owner) }}remove it; an encoder has one GPU
{{- else }}{{ if not (hasPrefix "remove it" .owner) }}use {{ end }}{{ replace "{role}" .role .owner }}{{ end }}
{{- end }}

{{/* dynamo-disagg.validate.flags.instead: what to write instead of a flag that does not exist. in: as dynamo-disagg.validate.flag, "typed" */}}
{{- define "dynamo-disagg.validate.flags.instead" -}}
{{- $known := .known }}
{{- $others := include (printf "dynamo-disagg.flags.%s.%s" .other .dynamo) . | fromJson }}
{{- $names := list }}
{{- range $name, $kind := $known.flags }}{{ if ne $kind "router" }}{{ $names = append $names $name }}{{ end }}{{ end }}
{{- $near := include "dynamo-disagg.validate.nearest" (dict "word" .flag "known" $names "atLeast" 600) }}
{{- /* argparse completes an abbreviation, until a version has two flags that begin like it. */}}
{{- $longer := list }}
{{- range concat $names (keys $known.aliases) }}{{ if hasPrefix $.flag . }}{{ $longer = append $longer (get $known.aliases . | default .) }}{{ end }}{{ end }}
{{- if eq (len ($longer | uniq)) 1 }}{{ $near = first $longer }}{{ end }}
{{- $processors := list }}
{{- range $processor, $lent := $known.borrowed }}{{ if hasKey $lent.flags $.flag }}{{ $processors = append $processors $processor }}{{ end }}{{ end }}
{{- $stranger := include "dynamo-disagg.validate.flags.stranger" . | trim }}
{{- $elsewhere := "" }}
{{- range without (include "dynamo-disagg.flags.versions" . | fromJson).dynamo .dynamo | reverse }}
{{- with include (printf "dynamo-disagg.flags.%s.%s" $.program .) $ | fromJson }}
{{- if hasKey .flags (get .aliases $.flag | default $.flag) }}{{ $elsewhere = ternary .label (printf "%s (Dynamo %s)" .label .dynamo) (contains .dynamo .label) }}{{ end }}
{{- end }}
{{- end }}
{{- if $processors -}}
{{ $known.label }} has no such flag, it is one of dyn-chat-processor {{ join " and " $processors }}: set that too
{{- else if and $elsewhere (not .isRaw) (kindIs "invalid" .value) }}
{{- /* null takes out what a file below set for the other version. */}}
{{- else if $elsewhere -}}
{{ $known.label }} has no such flag, {{ $elsewhere }} has: set global.engine.image.tag to that version, or remove it
{{- else if and (hasKey $others.flags .flag) (ne (get $others.flags .flag) "router") -}}
{{ $known.label }} has no such flag, it is one of {{ .otherIs }}
{{- else if $stranger -}}
{{ $stranger }}
{{- else if and (hasKey $known.flags "trtllm") (contains "_" .typed) -}}
{{ $known.label }} has no such flag, it may be a setting of the engine: write trtllm.{{ .typed }}
{{- else if $near -}}
{{ $known.label }} has no such flag: did you mean {{ $near }}?
{{- with get .owned $near }} The chart sets it: {{ include "dynamo-disagg.validate.flags.owner" (dict "owner" . "role" $.role) }}{{ end }}
{{- else -}}
{{ $known.label }} has no such flag: remove it, or set global.engine.version=unchecked if the image has another version
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.flags.stranger: a flag of another engine, with what this engine has for it. in: as dynamo-disagg.validate.flags.instead */}}
{{- define "dynamo-disagg.validate.flags.stranger" -}}
{{- $labels := dict "vllm" "vLLM" "sglang" "SGLang" "trtllm" "TensorRT-LLM" }}
{{- if hasKey $labels .program }}
{{- range $engine, $label := omit $labels .program }}
{{- $theirs := include (printf "dynamo-disagg.flags.%s.%s" $engine $.dynamo) $ | fromJson }}
{{- $flag := get $theirs.aliases $.flag | default $.flag }}
{{- if ne (get $theirs.flags $flag | default "router") "router" }}
{{- $ours := "" }}
{{- range include "dynamo-disagg.validate.flags.counterparts" $ | fromYamlArray }}{{ if eq (get . $engine) $flag }}{{ $ours = get . $.program }}{{ end }}{{ end }}
{{- $owner := get $.owned $ours }}
it is a flag of {{ $label }}, and global.engine.name is {{ $.program }}:
{{- if $owner }} {{ include "dynamo-disagg.validate.flags.owner" (dict "owner" $owner "role" $.role) }}
{{- else if $ours }} {{ get $labels $.program }}'s is {{ $ours }}
{{- else }} remove it{{ if not (hasKey (include (printf "dynamo-disagg.engine.%s.owned" $engine) $ | fromYaml) $flag) }}, or set global.engine.name={{ $engine }}{{ end }}
{{- end }}
{{- break }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.flags.counterparts: what the engines call the same thing. out: YAML list of maps engine -> flag */}}
{{- define "dynamo-disagg.validate.flags.counterparts" -}}
- {vllm: max-model-len, sglang: context-length, trtllm: max-seq-len}
- {vllm: max-num-seqs, sglang: max-running-requests, trtllm: max-batch-size}
- {vllm: max-num-batched-tokens, sglang: chunked-prefill-size, trtllm: max-num-tokens}
- {vllm: enable-chunked-prefill, sglang: chunked-prefill-size, trtllm: trtllm.enable_chunked_prefill}
- {vllm: gpu-memory-utilization, sglang: mem-fraction-static, trtllm: free-gpu-memory-fraction}
- {vllm: num-gpu-blocks-override, sglang: max-total-tokens, trtllm: trtllm.kv_cache_config.max_tokens}
- {vllm: enforce-eager, sglang: disable-cuda-graph, trtllm: trtllm.cuda_graph_config}
- {vllm: cudagraph-capture-sizes, sglang: cuda-graph-bs-decode, trtllm: trtllm.cuda_graph_config.batch_sizes}
- {vllm: max-cudagraph-capture-size, sglang: cuda-graph-max-bs-decode, trtllm: trtllm.cuda_graph_config.max_batch_size}
- {vllm: enable-prefix-caching, sglang: disable-radix-cache, trtllm: trtllm.kv_cache_config.enable_block_reuse}
- {vllm: kv-cache-dtype, sglang: kv-cache-dtype, trtllm: trtllm.kv_cache_config.dtype}
- {vllm: kv-offloading-size, sglang: hicache-size, trtllm: trtllm.kv_cache_config.host_cache_size}
- {vllm: speculative-config, sglang: speculative-algorithm, trtllm: trtllm.speculative_config}
- {vllm: attention-backend, sglang: attention-backend, trtllm: trtllm.attn_backend}
- {vllm: all2all-backend, sglang: moe-a2a-backend, trtllm: trtllm.moe_config.backend}
- {vllm: trust-remote-code, sglang: trust-remote-code, trtllm: trtllm.trust_remote_code}
- {vllm: tokenizer, sglang: tokenizer-path, trtllm: trtllm.tokenizer}
- {vllm: hf-overrides, sglang: json-model-override-args}
- {vllm: seed, sglang: random-seed}
- {vllm: block-size, sglang: page-size, trtllm: kv-block-size}
- {vllm: data-parallel-size, sglang: dp-size, trtllm: enable-attention-dp}
- {vllm: enable-expert-parallel, sglang: ep-size, trtllm: expert-parallel-size}
- {vllm: kv-transfer-config, sglang: disaggregation-transfer-backend, trtllm: trtllm.cache_transceiver_config.backend}
{{- end }}

{{/*
dynamo-disagg.validate.nearest: the known word that is most like another: it has most of its pairs of letters, at a like length.
in: dict "word" "known" list; optional "atLeast" likeness below which nothing is returned (equal words: 1000)
*/}}
{{- define "dynamo-disagg.validate.nearest" -}}
{{- $word := printf "-%s-" (lower .word | replace "_" "-" | trunc 60) }}
{{- $pairs := list }}
{{- range $i := until (sub (len $word) 1 | int) }}{{ $pairs = append $pairs (substr $i (add $i 2 | int) $word) }}{{ end }}
{{- $best := "" }}{{ $bestScore := -1000 }}
{{- range $candidate := .known }}
{{- $text := printf "-%s-" (lower $candidate | replace "_" "-") }}
{{- $hits := 0 }}
{{- range $pairs }}{{ if contains . $text }}{{ $hits = add1 $hits }}{{ end }}{{ end }}
{{- $longest := max (len $word) (len $text) }}
{{- $score := sub (div (mul 1000 $hits) (len $pairs)) (div (mul 300 (sub $longest (min (len $word) (len $text)))) $longest) }}
{{- if gt (int $score) (int $bestScore) }}{{ $best = $candidate }}{{ $bestScore = $score }}{{ end }}
{{- end }}
{{- if ge (int $bestScore) (int (.atLeast | default -1000)) }}{{ $best }}{{ end }}
{{- end }}
