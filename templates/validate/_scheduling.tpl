{{/* dynamo-disagg.validate.toleration. in: dict "where" "toleration" */}}
{{- define "dynamo-disagg.validate.toleration" -}}
{{- $where := .where }}
{{- with .toleration }}
{{- $operator := .operator | default "Equal" }}
{{- if and (eq $operator "Exists") .value }}
{{ $where }}.value: operator Exists takes no value: remove it, or write operator Equal
{{- else if and (ne $operator "Exists") (not .key) }}
{{ $where }}.key: without a key a toleration is for all taints: write operator Exists, or name a key
{{- end }}
{{- if and (hasKey . "tolerationSeconds") (ne (.effect | default "") "NoExecute") }}
{{ $where }}.tolerationSeconds: only the effect NoExecute evicts after a time: write effect NoExecute, or remove it
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.spread. in: dict "where" "constraints" list */}}
{{- define "dynamo-disagg.validate.spread" -}}
{{- $where := .where }}{{ $before := list }}
{{- range $index, $constraint := .constraints }}
{{- $here := printf "%s[%d]" $where $index }}
{{- if lt (int .maxSkew) 1 }}
{{ $here }}.maxSkew: {{ .maxSkew }} pods of difference are impossible: write 1 or more
{{- end }}
{{- if and (hasKey . "minDomains") (ne .whenUnsatisfiable "DoNotSchedule") }}
{{ $here }}.minDomains: only DoNotSchedule has a least number of domains: write whenUnsatisfiable DoNotSchedule, or remove it
{{- end }}
{{ include "dynamo-disagg.validate.expressions" (dict "where" (printf "%s.labelSelector" $here) "expressions" (.labelSelector | default dict).matchExpressions) }}
{{- $selected := dict "app.kubernetes.io/name" "" "app.kubernetes.io/instance" "" "app.kubernetes.io/component" "" }}
{{- with .labelSelector }}{{ $selected = dict }}
{{- range keys (.matchLabels | default dict) }}{{ $_ := set $selected . "" }}{{ end }}
{{- range .matchExpressions }}{{ $_ := set $selected .key "" }}{{ end }}
{{- end }}
{{- range .matchLabelKeys }}
{{- if hasKey $selected . }}
{{ $here }}.matchLabelKeys: the pods are selected by {{ . }} already: remove it
{{- end }}
{{- end }}
{{- $identity := printf "%s, %s" .topologyKey .whenUnsatisfiable }}
{{- if has $identity $before }}
{{ $here }}: a second constraint for {{ $identity }}: remove one of them
{{- end }}
{{- $before = append $before $identity }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.affinity: terms that Kubernetes refuses, or that are for no pod. in: dict "where" "affinity" */}}
{{- define "dynamo-disagg.validate.affinity" -}}
{{- $terms := dict }}{{ $nodes := dict }}
{{- range $kind := list "podAffinity" "podAntiAffinity" "nodeAffinity" }}
{{- $rules := get $.affinity $kind | default dict }}
{{- $required := $rules.requiredDuringSchedulingIgnoredDuringExecution }}
{{- if kindIs "map" $required }}{{ $required = $required.nodeSelectorTerms }}{{ end }}
{{- $of := ternary $nodes $terms (eq $kind "nodeAffinity") }}
{{- $where := printf "%s.%s" $.where $kind }}
{{- range $index, $term := $required }}
{{- $_ := set $of (printf "%s.requiredDuringSchedulingIgnoredDuringExecution%s[%d]" $where
      (ternary ".nodeSelectorTerms" "" (eq $kind "nodeAffinity")) $index) $term }}
{{- end }}
{{- range $index, $term := $rules.preferredDuringSchedulingIgnoredDuringExecution }}
{{- $part := ternary "preference" "podAffinityTerm" (eq $kind "nodeAffinity") }}
{{- $_ := set $of (printf "%s.preferredDuringSchedulingIgnoredDuringExecution[%d].%s" $where $index $part) (get $term $part) }}
{{- end }}
{{- end }}
{{- range $where, $term := $terms }}
{{- if not (hasKey $term "labelSelector") }}
{{ $where }}.labelSelector: a term without it is for no pod: write which pods, e.g. {matchLabels: {app.kubernetes.io/name: dynamo-disagg}}
{{- end }}
{{ include "dynamo-disagg.validate.expressions" (dict "where" (printf "%s.labelSelector" $where) "expressions" ($term.labelSelector | default dict).matchExpressions) }}
{{- end }}
{{- range $where, $term := $nodes }}
{{ include "dynamo-disagg.validate.expressions" (dict "where" $where "expressions" $term.matchExpressions) }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.expressions: operators and their values. in: dict "where" "expressions" list */}}
{{- define "dynamo-disagg.validate.expressions" -}}
{{- range $index, $expression := .expressions }}
{{- $here := printf "%s.matchExpressions[%d].values" $.where $index }}
{{- $count := len (.values | default list) }}
{{- if and (has .operator (list "In" "NotIn")) (not $count) }}
{{ $here }}: operator {{ .operator }} compares with nothing: write at least one, or operator {{ ternary "Exists" "DoesNotExist" (eq .operator "In") }}
{{- else if and (has .operator (list "Exists" "DoesNotExist")) $count }}
{{ $here }}: operator {{ .operator }} takes no values: remove them, or write operator {{ ternary "In" "NotIn" (eq .operator "Exists") }}
{{- else if and (has .operator (list "Gt" "Lt")) (ne $count 1) }}
{{ $here }}: operator {{ .operator }} compares with one number, not {{ $count }} values: write one
{{- else if and (has .operator (list "Gt" "Lt")) (not (regexMatch "^-?[0-9]+$" (first .values))) }}
{{ $here }}: operator {{ .operator }} compares with a number, and {{ first .values }} is none: write one in quotes, such as "4"
{{- end }}
{{- end }}
{{- end }}
