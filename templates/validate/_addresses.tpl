{{/*
dynamo-disagg.validate.server: the URL of a server outside of the release, from which a NetworkPolicy takes its port; prints the problem.
in: dict "where" "url" "schemes" list "example" "joined" and "each": what to write in place of several in one text
*/}}
{{- define "dynamo-disagg.validate.server" -}}
{{- $host := "(\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?)" }}
{{- $port := "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6([0-4][0-9]{3}|5([0-4][0-9]{2}|5([0-2][0-9]|3[0-5]))))" }}
{{- $right := printf "^(%s)://%s(:%s)?$" (join "|" .schemes) $host $port }}
{{- if not (regexMatch $right .url) }}
{{- $parts := splitList "," .url }}{{ $instead := list }}
{{- range $parts }}
{{- $scheme := regexFind "^[A-Za-z]+://" (trim .) | lower | trimSuffix "://" }}
{{- $text := printf "%s://%s" (ternary $scheme (first $.schemes) (has $scheme $.schemes)) (regexFind "^[^/ ]+" (regexReplaceAll "^[A-Za-z]*:?//" (trim .) "")) }}
{{- if regexMatch $right $text }}{{ $instead = append $instead $text }}{{ end }}
{{- end }}
{{ .where }}: {{ ternary (toJson .url) .url (regexMatch "\\s" .url) }} is no URL of a server: write {{ join .joined $instead | default .example }}{{ if gt (len $parts) 1 }}, {{ .each }}{{ end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.cidr: a text that is no block of addresses. in: dict "where" "block" */}}
{{- define "dynamo-disagg.validate.cidr" -}}
{{- if not (include "dynamo-disagg.validate.block" .block) }}
{{ .where }}: {{ .block }} is no block of addresses: write {{ if include "dynamo-disagg.validate.bits" .block }}{{ .block }}/{{ ternary "128" "32" (contains ":" .block) }}{{ else }}address/length, e.g. 10.0.0.0/8{{ end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.network.peers: peers of a NetworkPolicy that the API server refuses. in: dict "where" "peers" */}}
{{- define "dynamo-disagg.validate.network.peers" -}}
{{- range $index, $peer := .peers }}
{{- $where := printf "%s[%d]" $.where $index }}
{{- with .ipBlock }}
{{- if omit $peer "ipBlock" }}
{{ $where }}: Kubernetes takes an ipBlock or selectors, not both: make two entries of it
{{- end }}
{{- $whole := include "dynamo-disagg.validate.block" .cidr }}
{{- range prepend (.except | default list) .cidr }}
{{ include "dynamo-disagg.validate.cidr" (dict "where" (printf "%s.ipBlock" $where) "block" .) }}
{{- end }}
{{- $cidr := .cidr }}
{{- range .except }}
{{- $part := include "dynamo-disagg.validate.block" . }}
{{- if and $whole $part (or (eq $part $whole) (not (hasPrefix $whole $part))) }}
{{ $where }}.ipBlock.except: {{ . }} is no part of {{ $cidr }}: remove it, or write a smaller block of {{ $cidr }}
{{- end }}
{{- end }}
{{- end }}
{{- range $key := list "namespaceSelector" "podSelector" }}
{{ include "dynamo-disagg.validate.expressions" (dict "where" (printf "%s.%s" $where $key) "expressions" (get $peer $key | default dict).matchExpressions) }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.block: what all addresses of a block begin with, as a text of bits behind "4/" or "6/"; nothing of what is no block. in: e.g. 10.0.0.0/8 */}}
{{- define "dynamo-disagg.validate.block" -}}
{{- $bits := include "dynamo-disagg.validate.bits" (regexReplaceAll "/[^/]*$" . "") }}
{{- $length := regexFind "/(0|[1-9][0-9]{0,2})$" . | trimPrefix "/" }}
{{- if and $bits $length (le (int $length) (len $bits)) }}{{ ternary "4" "6" (eq (len $bits) 32) }}/{{ substr 0 (int $length) $bits }}{{ end }}
{{- end }}

{{/* dynamo-disagg.validate.bits: an address as a text of 32 or 128 bits, or nothing where it is none. in: the address */}}
{{- define "dynamo-disagg.validate.bits" -}}
{{- $byte := "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])" }}
{{- $last := regexFind (printf "%s([.]%s){3}$" $byte $byte) . }}
{{- if and $last (eq $last .) }}
{{- range splitList "." . }}{{ printf "%08b" (atoi .) }}{{ end }}
{{- else if contains ":" . }}
{{- $text := . }}
{{- /* Its end may be an IPv4 address. */}}
{{- with $last }}
{{- $bytes := splitList "." . }}
{{- $text = printf "%s%02x%02x:%02x%02x" (trimSuffix . $text) (atoi (index $bytes 0)) (atoi (index $bytes 1)) (atoi (index $bytes 2)) (atoi (index $bytes 3)) }}
{{- end }}
{{- $halves := splitList "::" $text }}
{{- $groups := list }}{{ $known := splitList ":" $text | compact | len }}
{{- range $index, $half := $halves }}
{{- if $index }}{{ range until (max 0 (sub 8 $known) | int) }}{{ $groups = append $groups "0" }}{{ end }}{{ end }}
{{- if $half }}{{ $groups = concat $groups (splitList ":" $half) }}{{ end }}
{{- end }}
{{- if and (eq (len $groups) 8) (le (len $halves) 2) (regexMatch "^([0-9a-fA-F]{1,4} ?){8}$" (join " " $groups)) (or (eq (len $halves) 1) (lt $known 8)) }}
{{- range $groups }}{{ printf "%016b" (int64 (printf "0x%s" .)) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
