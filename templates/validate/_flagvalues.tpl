{{/*
dynamo-disagg.validate.flags.value: what is wrong with the value of a flag, or nothing. A command line is text, so a number may be text
too, and null removes a flag of a lower layer.
in: dict "value" "kind" of the flag (flags/_<program>.tpl) "type" of dynamo-disagg.validate.types.<program>: a type's name, a list of
    choices, {each: choices of a list's entries}, {type, minimum, ...}, or nothing for what the kind says
*/}}
{{- define "dynamo-disagg.validate.flags.value" -}}
{{- $value := .value }}
{{- $isList := kindIs "slice" $value }}
{{- if or (kindIs "invalid" $value) (eq .kind "optional") }}
{{- else if has .kind (list "bool" "switch") }}
{{- if not (kindIs "bool" $value) -}}
{{ include "dynamo-disagg.validate.flags.shown" $value }} is neither true nor false: write one of them, without quotes
{{- end }}
{{- else if kindIs "bool" $value -}}
{{ $value }} is no value, and the flag takes one: write it, or null where a lower file set the flag
{{- else if kindIs "slice" .type }}
{{- include "dynamo-disagg.validate.flags.choice" (dict "values" (list $value) "choices" .type) }}
{{- else if hasKey (ternary .type dict (kindIs "map" .type)) "each" }}
{{- if not (kindIs "string" $value) }}
{{- include "dynamo-disagg.validate.flags.choice" (dict "values" (ternary $value (list $value) $isList) "choices" .type.each) }}
{{- end }}
{{- else if kindIs "map" .type }}
{{- include "dynamo-disagg.validate.flags.typed" (dict "value" $value "type" .type.type) | default (include "dynamo-disagg.validate.flags.bounds" .) }}
{{- else if eq (.type | default "") "value" }}
{{- if and (kindIs "string" $value) (hasPrefix "{" (toString $value)) (not (include "dynamo-disagg.validate.flags.fits" (dict "value" $value "type" "json"))) -}}
{{ include "dynamo-disagg.validate.flags.shown" $value }} is no JSON that parses: write a map
{{- end }}
{{- else if .type }}
{{- include "dynamo-disagg.validate.flags.typed" . }}
{{- else if and (eq .kind "value") (or $isList (kindIs "map" $value)) -}}
{{ include "dynamo-disagg.args.value" $value }} is no single value: write a text or a number
{{- else if and (eq .kind "list") $isList }}
{{- range $value }}
{{- if kindIs "bool" . }}{{ . }} is no value, and the flag takes a list of them: write others{{ break }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.flags.shown: a value in a message. */}}
{{- define "dynamo-disagg.validate.flags.shown" -}}
{{ if kindIs "string" . }}{{ quote . }}{{ else }}{{ include "dynamo-disagg.args.value" . }}{{ end }}
{{- end }}

{{/* dynamo-disagg.validate.flags.choice. in: dict "values" list "choices" list of texts */}}
{{- define "dynamo-disagg.validate.flags.choice" -}}
{{- $choices := .choices }}
{{- range .values }}
{{- if not (has (include "dynamo-disagg.args.value" .) $choices) -}}
{{ include "dynamo-disagg.validate.flags.shown" . }} is not one of its choices: write {{ with initial $choices }}{{ join ", " . }} or {{ end }}{{ last $choices }}
{{- break }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.flags.typed: a value that is not of its type, or a list with such an entry. in: dict "value" "type" name */}}
{{- define "dynamo-disagg.validate.flags.typed" -}}
{{- $ofOne := trimSuffix "s" .type }}
{{- $takesMany := ne $ofOne .type }}
{{- $isList := and $takesMany (kindIs "slice" .value) }}
{{- $type := ternary $ofOne .type $isList }}
{{- range ternary .value (list .value) $isList }}
{{- if not (include "dynamo-disagg.validate.flags.fits" (dict "value" . "type" $type)) -}}
{{- $suffixes := "also with k, m, g (thousands) or K, M, G (powers of 1024)" }}
{{- $is := dict
      "integer" "a whole number" "number" "a number" "json" "a map, a list or JSON as text"
      "count" (printf "a whole number, %s" $suffixes) "countOrAuto" (printf "a whole number, %s, or auto" $suffixes) -}}
{{ include "dynamo-disagg.validate.flags.shown" . }} is not {{ get $is $ofOne }}: write one{{ if $takesMany }}, or a list of them{{ end }}
{{- break }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.flags.fits: "true" where a value is of a type, else empty. in: dict "value" "type" name */}}
{{- define "dynamo-disagg.validate.flags.fits" -}}
{{- if kindIs "string" .value }}
{{- $texts := dict
      "integer" "^([-+]?[0-9_]+|None)?$" "integers" "^[-+]?[0-9_]+$"
      "number" "^([-+]?[0-9_]*[.]?[0-9_]+([.]|[eE][-+]?[0-9]+)?|None|inf)?$" "numbers" ""
      "count" "^([0-9]+([.][0-9]+)?[kKmMgGtT]?|None)?$"
      "countOrAuto" "^([0-9]+([.][0-9]+)?[kKmMgGtT]?|-1|[aA][uU][tT][oO])$"
      "json" "^\\s*[{\\[]|^(None|null)?$" }}
{{- $isBroken := false }}
{{- /* Of what is no JSON these make a map or a list that holds the parser's words. */}}
{{- if and (eq .type "json") (hasPrefix "{" (trim .value)) }}{{ $isBroken = and (hasKey (fromJson .value) "Error") (not (contains "\"Error\"" .value)) }}{{ end }}
{{- if and (eq .type "json") (hasPrefix "[" (trim .value)) }}{{ $isBroken = hasPrefix "error unmarshaling" (fromJsonArray .value | first | toString) }}{{ end }}
{{- if and (regexMatch (get $texts .type) .value) (not $isBroken) }}true{{ end }}
{{- else if eq .type "json" }}
{{- if or (kindIs "map" .value) (kindIs "slice" .value) }}true{{ end }}
{{- else if has (kindOf .value) (list "float64" "int64" "int") }}
{{- if or (hasPrefix "number" .type) (eq (float64 .value) (floor .value)) }}true{{ end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.flags.bounds: a number that is too small or too large. in: dict "value" "type" {some of minimum, exclusiveMinimum, maximum, exclusiveMaximum} */}}
{{- define "dynamo-disagg.validate.flags.bounds" -}}
{{- $text := include "dynamo-disagg.args.value" .value }}
{{- if regexMatch "^-?[0-9.]+$" $text }}
{{- $number := float64 $text }}
{{- $bounds := list }}{{ $isWrong := false }}
{{- with .type }}
{{- if hasKey . "minimum" }}{{ $bounds = append $bounds (printf "from %v" .minimum) }}{{ $isWrong = or $isWrong (lt $number (float64 .minimum)) }}{{ end }}
{{- if hasKey . "exclusiveMinimum" }}{{ $bounds = append $bounds (printf "above %v" .exclusiveMinimum) }}{{ $isWrong = or $isWrong (le $number (float64 .exclusiveMinimum)) }}{{ end }}
{{- if hasKey . "maximum" }}{{ $bounds = append $bounds (printf "up to %v" .maximum) }}{{ $isWrong = or $isWrong (gt $number (float64 .maximum)) }}{{ end }}
{{- if hasKey . "exclusiveMaximum" }}{{ $bounds = append $bounds (printf "below %v" .exclusiveMaximum) }}{{ $isWrong = or $isWrong (ge $number (float64 .exclusiveMaximum)) }}{{ end }}
{{- end }}
{{- if $isWrong -}}
{{ $text }} is out of range: write a number {{ join " and " $bounds }}
{{- end }}
{{- end }}
{{- end }}
