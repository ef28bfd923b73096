{{/*
Flags of programs: how they are written on a command line, and which exist. What is known of a program in a version of
Dynamo is in flags/_<program>-<dynamo>.tpl (generated), as JSON:
  label, version, dynamo   for messages            underscores   whether --a_b is --a-b
  flags     name -> kind                           aliases       another name (-x for short ones) -> name
  removed   name -> [last version that had it, what to do]
  borrowed  a value of dyn-chat-processor -> what it adds: flags, and the program all of whose flags it takes
Kinds: value (--x v), json (the same, also --x.key v), bool (--x, --no-x), switch (--x or nothing), list (--x a b),
repeat (--x a --x b), optional (--x, --x v), dotted (--x.key v only), router (of the frontend, works on workers too)
dynamo-disagg.flags.versions: {"dynamo": the versions known, the newest first, "engines": engine -> its version -> Dynamo's}
*/}}

{{/*
dynamo-disagg.dynamoVersion: the version of Dynamo whose flags this release has: that of global.engine.version, or of the image's
tag, or the newest. A later patch has the flags of the one that is known. in: any context
*/}}
{{- define "dynamo-disagg.dynamoVersion" -}}
{{- if not (hasKey . "dynamoVersion") }}
{{- $known := include "dynamo-disagg.flags.versions" . | fromJson }}
{{- $engine := .Values.global.engine }}
{{- $found := get (get $known.engines $engine.name) $engine.version }}
{{- if not $found }}{{ $found = include "dynamo-disagg.dynamoVersion.ofTag" (dict "tag" $engine.image.tag "known" $known.dynamo) }}{{ end }}
{{- $_ := set . "dynamoVersion" ($found | default (first $known.dynamo)) }}
{{- end }}
{{- .dynamoVersion }}
{{- end }}

{{/* dynamo-disagg.dynamoVersion.ofTag: the known version that an image's tag names, or nothing. in: dict "tag" "known" list */}}
{{- define "dynamo-disagg.dynamoVersion.ofTag" -}}
{{- $tagged := regexFind "^v?[0-9]+[.][0-9]+[.][0-9]+([^0-9.].*)?$" (toString .tag) | trimPrefix "v" | regexFind "^[0-9.]+" }}
{{- range .known }}
{{- $isMinor := eq (regexReplaceAll "[0-9]+$" $tagged "") (regexReplaceAll "[0-9]+$" . "") }}
{{- if and $isMinor (ge (last (splitList "." $tagged) | int) (last (splitList "." .) | int)) }}{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.programArgs: a program's arguments, sorted by flag, as a YAML list.
in: dict "program" its name; "dynamo" dynamo-disagg.dynamoVersion; "layers" maps flag -> value (no leading dashes), the strongest last, null removes
*/}}
{{- define "dynamo-disagg.programArgs" -}}
{{- $known := include (printf "dynamo-disagg.flags.%s.%s" .program .dynamo) . | fromJson }}
{{- $layers := list }}
{{- range $layer := .layers }}
{{- /* Under one name, so that a layer replaces what another wrote under an alias. */}}
{{- $named := dict }}
{{- range $flag, $value := $layer }}{{ $_ := set $named (get $known.aliases $flag | default $flag) $value }}{{ end }}
{{- $layers = append $layers $named }}
{{- end }}
{{- range $flag, $value := include "dynamo-disagg.overlay" $layers | fromJson }}
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
- {{ include "dynamo-disagg.args.value" . | quote }}
{{- end }}
{{- end }}
{{- else if and (kindIs "slice" $value) (eq $kind "repeat") }}
{{- range $value }}
- --{{ $flag }}
- {{ include "dynamo-disagg.args.value" . | quote }}
{{- end }}
{{- else }}
- --{{ $flag }}
- {{ include "dynamo-disagg.args.value" $value | quote }}
{{- end }}
{{- end }}
{{- end }}
