{{/*
dynamo-disagg.validate.checks: what a program checks of its own flags, from a table: a map from the flags that a problem is about, to
a list of
  when  fact -> test; all of them hold, and the flag itself is given and not false
  says  "<what is wrong>: <what to write>", where {fact} stands for a value
  at    another fact than the flag, whose path the message begins with
Tests: a|b (one of these), not a|b (another or none), other than a|b (another), given, absent, above n, below n,
contains text, a list, no number, no divisor of n, no multiple of n; "exactly" before a|b tells capitals apart. There a, b and n may be facts (dynamo-disagg.validate.facts) or "absent"; "it" is the
flag's value.
in: dict "facts" dynamo-disagg.validate.facts "table" map
*/}}
{{- define "dynamo-disagg.validate.checks" -}}
{{- $where := .facts.where }}
{{- range $flags, $checks := .table }}
{{- range $flag := splitList ", " $flags }}
{{- if not (has (get $.facts.values $flag) (list "" "false")) }}
{{- $facts := set (set $.facts.values "flag" $flag) "it" (get $.facts.values $flag) }}
{{- range $checks }}
{{- $holds := true }}
{{- range $fact, $test := .when }}
{{- if $holds }}
{{- $holds = eq "true" (include "dynamo-disagg.validate.checks.holds" (dict "facts" $facts "text" (get $facts $fact) "test" (toString $test)) | trim) }}
{{- end }}
{{- end }}
{{- if $holds }}
{{- $says := .says }}
{{- range regexFindAll "[{][a-zA-Z0-9._-]+[}]" .says -1 }}{{ $says = replace . (get $facts (trimAll "{}" .)) $says }}{{ end }}
{{ get $where (.at | default $flag) }}: {{ $says }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.checks.of: what a table has for the flags that are given, because parsing all of it takes long. Each begins a line.
in: dict "facts" dynamo-disagg.validate.facts "table" text; out: text
*/}}
{{- define "dynamo-disagg.validate.checks.of" -}}
{{- $given := .facts.values }}
{{- range $flags := regexFindAll "(?m)^[^-#:\\n][^:\\n]*:" .table -1 }}
{{- $isOf := false }}
{{- range $flag := trimSuffix ":" $flags | splitList ", " }}{{ if hasKey $given $flag }}{{ $isOf = true }}{{ end }}{{ end }}
{{- if $isOf }}
{{ regexFind (printf "(?m)^%s.*(\\n[-#].*)*" (regexQuoteMeta $flags)) $.table }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.checks.holds: "true" where a value passes a test. in: dict "facts" "text" the value, "" where there is none, "test" */}}
{{- define "dynamo-disagg.validate.checks.holds" -}}
{{- $words := splitList " " .test }}
{{- $kind := first $words }}
{{- $than := last $words }}{{ $than = get .facts $than | default $than }}
{{- $one := .text }}
{{- $number := "^-?[0-9.]+$" }}
{{- $numbers := false }}
{{- if has $kind (list "contains" "above" "below" "no") }}
{{- $than = include "dynamo-disagg.validate.checks.number" $than }}
{{- $one = include "dynamo-disagg.validate.checks.number" .text }}
{{- $numbers = and (regexMatch $number $one) (regexMatch $number $than) }}
{{- end }}
{{- if eq $kind "given" }}{{ ne .text "" }}
{{- else if eq $kind "absent" }}{{ eq .text "" }}
{{- else if eq $kind "contains" }}{{ contains $than .text }}
{{- else if eq $kind "above" }}{{ and $numbers (gt (float64 $one) (float64 $than)) }}
{{- else if eq $kind "below" }}{{ and $numbers (lt (float64 $one) (float64 $than)) }}
{{- else if eq "a list" .test }}{{ hasPrefix "[" .text }}
{{- else if eq "no number" .test }}{{ not (regexMatch $number .text) }}
{{- else if hasPrefix "no divisor of" .test }}{{ if $numbers }}{{ ne (mod (int64 $than) (max 1 (int64 .text))) 0 }}{{ end }}
{{- else if hasPrefix "no multiple of" .test }}{{ if $numbers }}{{ ne (mod (int64 .text) (max 1 (int64 $than))) 0 }}{{ end }}
{{- else }}
{{- $among := false }}
{{- range splitList "|" (last $words) }}
{{- $one := ternary "" (get $.facts . | default .) (eq . "absent") }}
{{- if or (eq $one $.text) (and (not (has "exactly" $words)) (eq (lower $one) (lower $.text))) }}
{{- $among = true }}
{{- end }}
{{- end }}
{{- if eq $kind "not" }}{{ not $among }}{{ else if eq $kind "other" }}{{ and (ne .text "") (not $among) }}{{ else }}{{ $among }}{{ end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.checks.number: 32k as 32000 and 2K as 2048, as the engines read them; anything else as it is. in: text */}}
{{- define "dynamo-disagg.validate.checks.number" -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" . }}
{{- $units := dict "k" 1e3 "m" 1e6 "g" 1e9 "t" 1e12 "K" 1024 "M" 1048576 "G" 1073741824 "T" 1099511627776 }}
{{- $unit := trimPrefix $number . }}
{{- if and $number (hasKey $units $unit) }}{{ mulf (float64 $number) (get $units $unit) | int64 }}{{ else }}{{ . }}{{ end }}
{{- end }}
