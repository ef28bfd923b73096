{{/*
dynamo-disagg.validate.facts: what is known of a component whose program has flags, all as text.
  values  fact -> value: its flags by canonical name, raw arguments too; the parts of a JSON flag as flag.key; its
          variables as env.NAME; and of a worker role, mode, tensor, pipeline, data, expert, nodes, block-size,
          kv-connector, router, and encoders where there are any
  where   fact -> the path that set it
in: dict "context" <component context>, which keeps them, "program" name ["known" dynamo-disagg.flags.<program>]; out: JSON
*/}}
{{- define "dynamo-disagg.validate.facts" -}}
{{- if not (hasKey .context "facts") }}{{ $_ := set .context "facts" (include "dynamo-disagg.validate.facts.found" .) }}{{ end }}
{{- .context.facts }}
{{- end }}

{{/* dynamo-disagg.validate.facts.lengths: the facts that say how long a prompt and its answer may be, by the engines' names. out: JSON list */}}
{{- define "dynamo-disagg.validate.facts.lengths" -}}
["max-model-len", "context-length", "max-seq-len", "trtllm.max_seq_len"]
{{- end }}

{{- define "dynamo-disagg.validate.facts.found" -}}
{{- $component := .context.Chart.Name }}{{ $values := .context.Values }}{{ $global := $values.global }}
{{- $known := .known }}
{{- if not $known }}{{ $known = include (printf "dynamo-disagg.flags.%s.%s" .program (include "dynamo-disagg.dynamoVersion" .context)) . | fromJson }}{{ end }}
{{- $isWorker := ne $component "frontend" }}
{{- $layers := list (dict "where" (printf "%s.%s" $component (ternary "engineArgs" "args" $isWorker)) "of" ($values.engineArgs | default $values.args)) }}
{{- if $isWorker }}{{ $layers = prepend $layers (dict "where" "global.engine.args" "of" $global.engine.args) }}{{ end }}
{{- $flags := dict }}{{ $where := dict }}
{{- range $layer := $layers }}
{{- range $flag, $value := $layer.of }}
{{- $name := get $known.aliases $flag | default $flag }}
{{- $old := get $flags $name }}
{{- if and (kindIs "map" $value) (kindIs "map" $old) }}{{ $value = include "dynamo-disagg.overlay" (list $old $value) | fromJson }}{{ end }}
{{- $_ := set $flags $name $value }}{{ $_ := set $where $name (printf "%s.%s" $layer.where $flag) }}
{{- end }}
{{- end }}
{{- range $name, $value := include "dynamo-disagg.validate.facts.raw" (dict "arguments" $values.extraArgs "known" $known) | fromJson }}
{{- $_ := set $flags $name $value }}{{ $_ := set $where $name (printf "%s.extraArgs" $component) }}
{{- end }}
{{- $facts := dict }}
{{- /* As they win over each other: a.b of one may be a: {b: ...} of the next. */}}
{{- $paths := merge (dict) $where }}
{{- range $layer := append $layers (dict "where" (printf "%s.extraArgs" $component)) }}
{{- range $name, $value := $flags }}
{{- $path := get $paths $name }}
{{- if hasPrefix $layer.where $path }}{{ include "dynamo-disagg.validate.facts.add" (dict "facts" $facts "where" $where "name" $name "value" $value "path" $path) }}{{ end }}
{{- end }}
{{- end }}
{{- $own := dict }}
{{- with $global.hardwareSpec }}{{ $own = dict "global.hardwareSpec.env" .env "global.hardwareSpec.rdma.env" (.rdma | default dict).env }}{{ end }}
{{- range $path, $env := $own }}{{ include "dynamo-disagg.validate.facts.env" (dict "facts" $facts "where" $where "path" $path "env" $env) }}{{ end }}
{{- include "dynamo-disagg.validate.facts.env" (dict "facts" $facts "where" $where "path" "global.env" "env" $global.env) }}
{{- include "dynamo-disagg.validate.facts.env" (dict "facts" $facts "where" $where "path" (printf "%s.env" $component) "env" $values.env) }}
{{- include "dynamo-disagg.validate.facts.variables" (dict "facts" $facts "where" $where "known" $known.flags "engine" (ternary (include (printf "dynamo-disagg.engine.%s.variables" $global.engine.name) .context | trim) "" $isWorker)) }}
{{- if $isWorker }}
{{- range $name, $size := $values.parallelism }}
{{- $_ := set $facts $name (toString $size) }}{{ $_ := set $where $name (printf "%s.parallelism.%s" $component $name) }}
{{- end }}
{{- $_ := set $facts "role" $component }}
{{- $_ := set $facts "mode" (include "dynamo-disagg.worker.mode" .context | trim) }}
{{- if .context.encodes }}{{ $_ := set $facts "encoders" "true" }}{{ end }}
{{- $_ := set $facts "nodes" (include "dynamo-disagg.worker.nodes" .context | trim) }}
{{- $_ := set $facts "block-size" (toString $global.kvCache.blockSize) }}
{{- $_ := set $facts "kv-connector" $global.kvTransfer.connector }}
{{- $_ := set $where "block-size" "global.kvCache.blockSize" }}{{ $_ := set $where "kv-connector" "global.kvTransfer.connector" }}
{{- end }}
{{- $_ := set $facts "router" $global.router.mode }}
{{- toJson (dict "values" $facts "where" $where) }}
{{- end }}

{{/* dynamo-disagg.validate.facts.add: a flag and the parts of its value. in: dict "facts" "where" (both added to) "name" "value" "path" */}}
{{- define "dynamo-disagg.validate.facts.add" -}}
{{- $value := .value }}
{{- $_ := set .where .name .path }}
{{- if and (kindIs "string" $value) (hasPrefix "{" $value) }}{{ $value = fromJson $value }}{{ end }}
{{- if kindIs "map" $value }}
{{- range $key, $part := $value }}
{{- include "dynamo-disagg.validate.facts.add" (dict "facts" $.facts "where" $.where "name" (printf "%s.%s" $.name $key) "value" $part "path" $.path) }}
{{- end }}
{{- end }}
{{- if kindIs "string" $value }}{{ $_ := set .facts .name $value }}
{{- else if kindIs "invalid" $value }}{{ $_ := unset .facts .name }}
{{- else }}{{ $_ := set .facts .name (include "dynamo-disagg.args.value" $value) }}{{ end }}
{{- end }}

{{- define "dynamo-disagg.validate.facts.env" -}}
{{- range $name, $value := .env }}
{{- if kindIs "string" $value }}
{{- $_ := set $.facts (printf "env.%s" $name) $value }}
{{- $_ := set $.where (printf "env.%s" $name) (printf "%s.%s" $.path $name) }}
{{- else }}
{{- $_ := unset $.facts (printf "env.%s" $name) }}{{ $_ := unset $.where (printf "env.%s" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.facts.variables: variables that stand for a flag (DYN_<FLAG>, and of an engine's own <its variables>_<FLAG>), where the flag
itself is not given. in: dict "facts" "where" (both added to) "known" name -> kind "engine" how the engine's begin, or ""
*/}}
{{- define "dynamo-disagg.validate.facts.variables" -}}
{{- range $fact := keys .facts }}
{{- $flag := "" }}
{{- range $begin := list $.engine "DYN" }}
{{- $rest := trimPrefix (printf "env.%s_" $begin) $fact }}
{{- if and $begin (not $flag) (ne $rest $fact) }}{{ $flag = $rest | lower | replace "_" "-" }}{{ end }}
{{- end }}
{{- if and $flag (hasKey $.known $flag) (not (hasKey $.facts $flag)) }}
{{- $value := get $.facts $fact }}
{{- if has (get $.known $flag) (list "bool" "switch") }}{{ $value = toString (regexMatch "(?i)^(1|true|yes|on)$" $value) }}{{ end }}
{{- $_ := set $.facts $flag $value }}{{ $_ := set $.where $flag (get $.where $fact) }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.facts.raw: raw arguments as flags. in: dict "arguments" list "known" dynamo-disagg.flags.<program>; out: JSON map */}}
{{- define "dynamo-disagg.validate.facts.raw" -}}
{{- $found := dict }}{{ $open := "" }}
{{- range $argument := .arguments }}
{{- if regexMatch "^--[a-z]" $argument }}
{{- $name := trimPrefix "--" $argument | splitList "=" | first }}
{{- if $.known.underscores }}{{ $base := first (splitList "." $name) }}{{ $name = printf "%s%s" (replace "_" "-" $base) (trimPrefix $base $name) }}{{ end }}
{{- $value := true }}
{{- if and (hasPrefix "no-" $name) (not (hasKey $.known.flags $name)) }}{{ $name = trimPrefix "no-" $name }}{{ $value = false }}{{ end }}
{{- $name = get $.known.aliases $name | default $name }}
{{- $open = $name }}
{{- if contains "=" $argument }}{{ $value = regexReplaceAll "^[^=]*=" $argument "" }}{{ $open = "" }}{{ end }}
{{- $_ := set $found $name $value }}
{{- else if $open }}
{{- $_ := set $found $open $argument }}{{ $open = "" }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}
