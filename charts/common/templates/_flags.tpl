{{/*
Flags of programs: how they are written on a command line, and which exist. What is known of a program is in
flags/_<program>.tpl (generated), as JSON:
  label, version, dynamo   for messages            underscores   whether --a_b is --a-b
  flags     name -> kind                           aliases       another name (-x for short ones) -> name
  removed   name -> [last version that had it, what to do]
  borrowed  a value of dyn-chat-processor -> what it adds: flags, and the program all of whose flags it takes
Kinds: value (--x v), json (the same, also --x.key v), bool (--x, --no-x), switch (--x or nothing), list (--x a b),
repeat (--x a --x b), optional (--x, --x v), dotted (--x.key v only), router (of the frontend, works on workers too)
*/}}

{{/*
common.programArgs: a program's arguments, sorted by flag, as a YAML list.
in: dict "program" its name; "layers" maps flag -> value (no leading dashes), the strongest last, null removes
*/}}
{{- define "common.programArgs" -}}
{{- $known := include (printf "common.flags.%s" .program) . | fromJson }}
{{- $layers := list }}
{{- range $layer := .layers }}
{{- /* Under one name, so that a layer replaces what another wrote under an alias. */}}
{{- $named := dict }}
{{- range $flag, $value := $layer }}{{ $_ := set $named (get $known.aliases $flag | default $flag) $value }}{{ end }}
{{- $layers = append $layers $named }}
{{- end }}
{{- range $flag, $value := include "common.overlay" $layers | fromYaml }}
{{- $kind := get $known.flags $flag }}
{{- if and (kindIs "bool" $value) (not (contains "." $flag)) }}
{{- if $value }}
- --{{ $flag }}
{{- else if not (has $kind (list "switch" "optional")) }}
- --no-{{ $flag }}
{{- end }}
{{- else if and (kindIs "slice" $value) (eq $kind "list") }}
{{- if $value }}
- --{{ $flag }}
{{- range $value }}
- {{ include "common.args.value" . | quote }}
{{- end }}
{{- end }}
{{- else if and (kindIs "slice" $value) (eq $kind "repeat") }}
{{- range $value }}
- --{{ $flag }}
- {{ include "common.args.value" . | quote }}
{{- end }}
{{- else }}
- --{{ $flag }}
- {{ include "common.args.value" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/*
common.validate.flags: flags that do not exist, or that the chart derives.
in: dict "where" path of the map; "flags" it; "raw" extra arguments; "role" component, for messages;
    "program" name; "owned" flag -> value to set instead; "checked" whether the program's version is known;
    "other" the program a flag could be meant for, "otherIs" for messages: whose it is and where its flags go
*/}}
{{- define "common.validate.flags" -}}
{{- if or .flags .raw }}
{{- $known := include (printf "common.flags.%s" .program) . | fromJson }}
{{- $owned := dict }}
{{- range $flag, $instead := .owned }}{{ $_ := set $owned (get $known.aliases $flag | default $flag) $instead }}{{ end }}
{{- $asked := merge (dict "known" $known "owned" $owned "isRaw" false) . }}
{{- with get ($known.borrowed | default dict) (toString (get .flags "dyn-chat-processor")) }}
{{- $_ := set $known "flags" (merge $known.flags .flags) }}
{{- with .program }}{{ $_ := set $known "flags" (merge $known.flags (include (printf "common.flags.%s" .) $ | fromJson).flags) }}{{ end }}
{{- end }}
{{- $names := dict }}
{{- range $flag := keys .flags | sortAlpha }}
{{- $line := include "common.validate.flag" (merge (dict "flag" $flag "value" (get $.flags $flag)) $asked) | trim }}
{{- $name := get $known.aliases $flag | default $flag }}
{{- if $line }}
{{ $.where }}.{{ $flag }}: {{ $line }}
{{- else if hasKey $names $name }}
{{ $.where }}.{{ $flag }}: the same flag as {{ get $names $name }}: keep one of them
{{- end }}
{{- $_ := set $names $name $flag }}
{{- end }}
{{- $_ := set $asked "isRaw" true }}
{{- range $argument := .raw }}
{{- $flag := first (splitList "=" $argument) }}
{{- /* What has a space is no option for argparse but a value, or two arguments in one. */}}
{{- if and $.checked (regexMatch "^--[a-z][-a-z0-9_.]* " $flag) }}
{{ $.role }}.extraArgs: "{{ $argument }}" is one argument: write the flag and its value as two entries
{{- else if and (regexMatch "^-[^0-9.=]" $argument) (not (contains " " $flag)) }}
{{- with include "common.validate.flag" (merge (dict "flag" $flag) $asked) | trim }}
{{ $.role }}.extraArgs: {{ $flag }}: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.validate.flag: what is wrong with one flag, or nothing. in: as common.validate.flags, "flag", "value", "known", "isRaw" */}}
{{- define "common.validate.flag" -}}
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
{{- if include "common.flags.holds" (dict "value" $.value "keys" $keys) }}{{ $owned = $path }}{{ end }}
{{- end }}
{{- end }}
{{- $owner := get .owned $owned }}
{{- $dashed := replace "_" "-" $flag | trimPrefix "--" | trimPrefix "-" }}
{{- if $owner -}}
the chart sets --{{ $owned }}: use {{ replace "{role}" .role $owner }}
{{- else if and (not .isRaw) (hasPrefix "-" .flag) -}}
flags have no leading dashes here: write {{ trimPrefix "-" $typed }}
{{- else if not .checked }}
{{- else if eq $kind "router" -}}
a router setting of a worker overrides the frontend's: move it to frontend.args
{{- else if and (contains "." $typed) (not (has $kind (list "json" "dotted"))) (hasKey $known.flags $flag) -}}
{{ $flag }} has no parts: write {{ $flag }}
{{- else if and (eq $kind "dotted") (not (contains "." $typed)) -}}
it needs a key of the engine's configuration: write {{ $flag }}.<key>, such as {{ $flag }}.kv_cache_config.free_gpu_memory_fraction
{{- else if $kind }}
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
{{ $known.label }} has no such flag{{ include "common.flags.instead" (merge (dict "flag" $flag) .) }}
{{- end }}
{{- end }}

{{/*
common.flags.isOn: "true" where a worker's switch is given, as a flag or as a raw argument.
in: dict "root" <component context> "flags" its flags "flag" name
*/}}
{{- define "common.flags.isOn" -}}
{{- if or (eq (toString (get .flags .flag)) "true") (has (printf "--%s" .flag) .root.Values.extraArgs) }}true{{ end }}
{{- end }}

{{/* common.flags.holds: "true" when a value has something under these keys, one inside the other. in: dict "value" "keys" list */}}
{{- define "common.flags.holds" -}}
{{- if not .keys }}true{{ else if kindIs "map" .value }}
{{- if hasKey .value (first .keys) }}{{ include "common.flags.holds" (dict "value" (get .value (first .keys)) "keys" (rest .keys)) }}{{ end }}
{{- end }}
{{- end }}

{{/* common.flags.instead: the rest of a message about a flag that does not exist. in: as common.validate.flag */}}
{{- define "common.flags.instead" -}}
{{- $others := include (printf "common.flags.%s" .other) . | fromJson }}
{{- $names := list }}
{{- range $name, $kind := .known.flags }}{{ if ne $kind "router" }}{{ $names = append $names $name }}{{ end }}{{ end }}
{{- $near := include "common.nearest" (dict "word" .flag "known" $names "atLeast" 450) }}
{{- /* argparse completes an abbreviation, until a version has two flags that begin like it. */}}
{{- $longer := list }}
{{- range concat $names (keys .known.aliases) }}{{ if hasPrefix $.flag . }}{{ $longer = append $longer (get $.known.aliases . | default .) }}{{ end }}{{ end }}
{{- if eq (len ($longer | uniq)) 1 }}{{ $near = first $longer }}{{ end }}
{{- $processors := list }}
{{- range $processor, $lent := .known.borrowed }}{{ if hasKey $lent.flags $.flag }}{{ $processors = append $processors $processor }}{{ end }}{{ end }}
{{- if $processors -}}
, it is one of dyn-chat-processor {{ join " and " $processors }}: set that too
{{- else if and (hasKey $others.flags .flag) (ne (get $others.flags .flag) "router") -}}
, it is one of {{ .otherIs }}
{{- else if $near -}}
: did you mean {{ $near }}?{{ with get .owned $near }} The chart sets it: use {{ replace "{role}" $.role . }}{{ end }}
{{- else -}}
: remove it, or set global.engine.version=unchecked if the image has another version
{{- end }}
{{- end }}

{{/*
common.nearest: the known word that is most like another: it has most of its pairs of letters, at a like length.
in: dict "word" "known" list; optional "atLeast" likeness below which nothing is returned (equal words: 1000)
*/}}
{{- define "common.nearest" -}}
{{- $word := printf "-%s-" (lower .word | replace "_" "-" | trunc 60) }}
{{- $pairs := list }}
{{- range $i := until (sub (len $word) 1 | int) }}{{ $pairs = append $pairs (substr $i (add $i 2 | int) $word) }}{{ end }}
{{- $best := "" }}{{ $bestScore := -1000 }}
{{- range $candidate := .known }}
{{- $text := printf "-%s-" (lower $candidate) }}
{{- $hits := 0 }}
{{- range $pairs }}{{ if contains . $text }}{{ $hits = add1 $hits }}{{ end }}{{ end }}
{{- $longest := max (len $word) (len $text) }}
{{- $score := sub (div (mul 1000 $hits) (len $pairs)) (div (mul 300 (sub $longest (min (len $word) (len $text)))) $longest) }}
{{- if gt (int $score) (int $bestScore) }}{{ $best = $candidate }}{{ $bestScore = $score }}{{ end }}
{{- end }}
{{- if ge (int $bestScore) (int (.atLeast | default -1000)) }}{{ $best }}{{ end }}
{{- end }}

{{/*
common.validate.engineVersion: the flags are those of the engine in Dynamo's own image; of another image they
are not known unless the values say so.
*/}}
{{- define "common.validate.engineVersion" -}}
{{- if not .Values.global.engine.version }}
{{- $known := include (printf "common.flags.%s" .Values.global.engine.name) . | fromJson }}
{{- range $where, $image := dict "global.engine" .Values.global.engine.image "frontend" .Values.frontend.image }}
{{- if and $image.tag (not (regexMatch (printf "^v?%s([^0-9.].*)?$" (replace "." "[.]" $known.dynamo)) $image.tag)) }}
{{ $where }}.image.tag: "{{ $image.tag }}" is not known to be Dynamo {{ $known.dynamo }} with {{ $known.label }}, whose flags are checked: set global.engine.version to {{ $known.version }} if it is, or to unchecked
{{- end }}
{{- end }}
{{- end }}
{{- end }}
