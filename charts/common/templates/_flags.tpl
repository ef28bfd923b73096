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
{{- range $flag, $value := include "common.overlay" $layers | fromJson }}
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
