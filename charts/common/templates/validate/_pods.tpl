{{/* common.components: the parts of a release that exist with these values. in: root chart's context; out: YAML list */}}
{{- define "common.components" -}}
{{- $found := list "frontend" "decode" }}
{{- if eq .Values.global.serving "disaggregated" }}{{ $found = append $found "prefill" }}{{ end }}
{{- range list "etcd" "nats" }}{{ if (get $.Values .).enabled }}{{ $found = append $found . }}{{ end }}{{ end }}
{{- toYaml $found }}
{{- end }}

{{/*
common.validate.pods: what the API server or the kubelet would refuse in a pod, after the rest of the release was
created (k8s.io/kubernetes/pkg/apis/core/validation), and what would be ignored in silence.
*/}}
{{- define "common.validate.pods" -}}
{{- $hardware := include "common.hardware" . | fromYaml }}
{{- range $index, $toleration := .Values.global.hardwareSpec.tolerations }}
{{ include "common.validate.toleration" (dict "where" (printf "global.hardwareSpec.tolerations[%d]" $index) "toleration" .) }}
{{- end }}
{{- with .Values.global.model.source }}
{{- if and (eq .type "huggingface") .huggingface.download.enabled }}
{{- range $index, $toleration := .huggingface.download.tolerations }}
{{ include "common.validate.toleration" (dict "where" (printf "global.model.source.huggingface.download.tolerations[%d]" $index) "toleration" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $env := dict "global.env" .Values.global.env "global.hardwareSpec.env" .Values.global.hardwareSpec.env "global.hardwareSpec.rdma.env" (.Values.global.hardwareSpec.rdma | default dict).env }}
{{ include "common.validate.sources" (dict "where" $where "env" $env) }}
{{- end }}
{{- range $component := include "common.components" . | fromYamlArray }}
{{- $seen := dict "root" $ "component" $component }}{{ include "common.asComponent" $seen }}
{{- $values := $seen.context.Values }}
{{- $isWorker := has $component (list "prefill" "decode") }}
{{- range $index, $toleration := $values.tolerations }}
{{ include "common.validate.toleration" (dict "where" (printf "%s.tolerations[%d]" $component $index) "toleration" .) }}
{{- end }}
{{ include "common.validate.spread" (dict "where" (printf "%s.topologySpreadConstraints" $component) "constraints" $values.topologySpreadConstraints) }}
{{ include "common.validate.affinity" (dict "where" (printf "%s.affinity" $component) "affinity" $values.affinity) }}
{{ include "common.validate.sources" (dict "where" (printf "%s.env" $component) "env" $values.env) }}
{{ include "common.validate.security" (dict "component" $component "values" $values "hardware" (ternary $hardware dict $isWorker)) }}
{{ include "common.validate.disruptions" (dict "component" $component "values" $values) }}
{{- if hasKey $values "volumes" }}
{{ include "common.validate.mounts" (dict "component" $component "context" $seen.context "hardware" (ternary $hardware dict $isWorker)) }}
{{- end }}
{{- $arch := get $values.nodeSelector "kubernetes.io/arch" }}
{{- if and $isWorker $arch $hardware.arch (not $.Values.global.simulation.enabled) (ne (toString $arch) (toString $hardware.arch)) }}
{{ $component }}.nodeSelector.kubernetes.io/arch: {{ $.Values.global.hardware }} has {{ $hardware.arch }} nodes: remove it, or set global.hardwareSpec.arch={{ $arch }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.validate.toleration. in: dict "where" "toleration" */}}
{{- define "common.validate.toleration" -}}
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

{{/* common.validate.spread. in: dict "where" "constraints" list */}}
{{- define "common.validate.spread" -}}
{{- $where := .where }}{{ $before := list }}
{{- range $index, $constraint := .constraints }}
{{- $here := printf "%s[%d]" $where $index }}
{{- if lt (int .maxSkew) 1 }}
{{ $here }}.maxSkew: {{ .maxSkew }} pods of difference are impossible: write 1 or more
{{- end }}
{{- if and (hasKey . "minDomains") (ne .whenUnsatisfiable "DoNotSchedule") }}
{{ $here }}.minDomains: only DoNotSchedule has a least number of domains: write whenUnsatisfiable DoNotSchedule, or remove it
{{- end }}
{{ include "common.validate.expressions" (dict "where" (printf "%s.labelSelector" $here) "expressions" (.labelSelector | default dict).matchExpressions) }}
{{- $identity := printf "%s, %s" .topologyKey .whenUnsatisfiable }}
{{- if has $identity $before }}
{{ $here }}: a second constraint for {{ $identity }}: remove one of them
{{- end }}
{{- $before = append $before $identity }}
{{- end }}
{{- end }}

{{/* common.validate.expressions: operators and their values. in: dict "where" "expressions" list */}}
{{- define "common.validate.expressions" -}}
{{- range $index, $expression := .expressions }}
{{- $here := printf "%s.matchExpressions[%d].values" $.where $index }}
{{- $count := len (.values | default list) }}
{{- if and (has .operator (list "In" "NotIn")) (not $count) }}
{{ $here }}: operator {{ .operator }} compares with nothing: write at least one, or operator {{ ternary "Exists" "DoesNotExist" (eq .operator "In") }}
{{- else if and (has .operator (list "Exists" "DoesNotExist")) $count }}
{{ $here }}: operator {{ .operator }} takes no values: remove them, or write operator {{ ternary "In" "NotIn" (eq .operator "Exists") }}
{{- else if and (has .operator (list "Gt" "Lt")) (ne $count 1) }}
{{ $here }}: operator {{ .operator }} compares with one number, not {{ $count }} values: write one
{{- end }}
{{- end }}
{{- end }}

{{/* common.validate.affinity: terms that Kubernetes refuses, or that are for no pod. in: dict "where" "affinity" */}}
{{- define "common.validate.affinity" -}}
{{- $terms := dict }}{{ $nodes := dict }}
{{- range $kind := list "podAffinity" "podAntiAffinity" "nodeAffinity" }}
{{- $rules := get $.affinity $kind | default dict }}
{{- $required := $rules.requiredDuringSchedulingIgnoredDuringExecution }}
{{- if kindIs "map" $required }}{{ $required = $required.nodeSelectorTerms }}{{ end }}
{{- $of := ternary $nodes $terms (eq $kind "nodeAffinity") }}
{{- $where := printf "%s.%s" $.where $kind }}
{{- range $index, $term := $required }}
{{- $_ := set $of (printf "%s.requiredDuringSchedulingIgnoredDuringExecution%s[%d]" $where (ternary ".nodeSelectorTerms" "" (eq $kind "nodeAffinity")) $index) $term }}
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
{{ include "common.validate.expressions" (dict "where" (printf "%s.labelSelector" $where) "expressions" ($term.labelSelector | default dict).matchExpressions) }}
{{- end }}
{{- range $where, $term := $nodes }}
{{ include "common.validate.expressions" (dict "where" $where "expressions" $term.matchExpressions) }}
{{- end }}
{{- end }}

{{/* common.validate.sources: variables with no source or with several. A null took one of a lower layer back. in: dict "where" "env" */}}
{{- define "common.validate.sources" -}}
{{- range $name, $value := .env }}
{{- if kindIs "map" $value }}
{{- with include "common.kinds" $value }}
{{ $.where }}.{{ $name }}: a variable has one source, not {{ . }}: keep one, or remove the variable with null
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.kinds: the keys that are not null, where these are not one. in: map */}}
{{- define "common.kinds" -}}
{{- $kinds := include "common.given" . | fromYaml | keys | sortAlpha }}
{{- if ne (len $kinds) 1 }}{{ join " and " $kinds | default "none" }}{{ end }}
{{- end }}

{{/* common.validate.security: contexts that contradict themselves. in: dict "component" "values" "hardware" (of workers) */}}
{{- define "common.validate.security" -}}
{{- $component := .component }}
{{- $pod := include "common.podSecurityContext" (dict "overrides" .values.podSecurityContext "runAsRoot" .hardware.runAsRoot) | fromYaml }}
{{- $container := include "common.securityContext" (dict "overrides" .values.securityContext) | fromYaml }}
{{- if not $container.allowPrivilegeEscalation }}
{{- $need := ternary "privileged" "" ($container.privileged | default false) }}
{{- if has "CAP_SYS_ADMIN" (($container.capabilities | default dict).add | default list) }}{{ $need = "capabilities.add CAP_SYS_ADMIN" }}{{ end }}
{{- with $need }}
{{ $component }}.securityContext: Kubernetes refuses {{ . }} with allowPrivilegeEscalation false: leave it out (what a machine needs is in global.hardwareSpec), or set allowPrivilegeEscalation=true too
{{- end }}
{{- end }}
{{- range $name, $context := dict "podSecurityContext" $pod "securityContext" $container }}
{{- range $kind := list "seccompProfile" "appArmorProfile" }}
{{- with get $context $kind }}
{{- if and (eq .type "Localhost") (not .localhostProfile) }}
{{ $component }}.{{ $name }}.{{ $kind }}.localhostProfile: type Localhost is a profile of the node: name it, or write type RuntimeDefault
{{- else if and (ne .type "Localhost") .localhostProfile }}
{{ $component }}.{{ $name }}.{{ $kind }}.localhostProfile: type {{ .type }} takes none: remove it, or write type Localhost
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $both := include "common.overlay" (list $pod $container) | fromYaml }}
{{- $isRoot := and (hasKey $both "runAsUser") (eq (int $both.runAsUser) 0) }}
{{- if and $isRoot $both.runAsNonRoot }}
{{ $component }}.podSecurityContext: the kubelet starts no container as user 0 with runAsNonRoot: set runAsNonRoot=false, or another runAsUser
{{- end }}
{{- if and .hardware.capabilities (not .hardware.runAsRoot) (not $isRoot) }}
global.hardwareSpec.rdma.capabilities: {{ join ", " .hardware.capabilities }} would reach only root, and workers are not: set global.hardwareSpec.rdma.runAsRoot=true, or remove it
{{- end }}
{{- end }}

{{/* common.validate.disruptions: budgets that protect nothing. One replica has none, because it could never be drained. */}}
{{- define "common.validate.disruptions" -}}
{{- $replicas := int .values.replicas }}
{{- with .values.podDisruptionBudget }}
{{- if and .enabled (gt $replicas 1) }}
{{- if ge (int .maxUnavailable) $replicas }}
{{ $.component }}.podDisruptionBudget.maxUnavailable: {{ .maxUnavailable }} of {{ $replicas }} may be away, so nothing is protected: choose less than {{ $replicas }}, or set {{ $.component }}.podDisruptionBudget.enabled=false
{{- else if and (eq $.component "etcd") (gt (int .maxUnavailable) 1) }}
etcd.podDisruptionBudget.maxUnavailable: {{ .maxUnavailable }} of {{ $replicas }} members away leave no quorum: set it to 1
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.validate.mounts: volumes over others. in: dict "component" "context" <component context> "hardware" */}}
{{- define "common.validate.mounts" -}}
{{- $model := include "common.model" .context | fromYaml }}
{{- $taken := $model.mounts }}
{{- if ne .component "frontend" }}
{{- $of := include "common.worker.context" .context | fromYaml | merge (dict "root" .context "rank" (dict "class" "worker")) }}
{{- $needs := include (printf "common.engine.%s.pod" (include "common.worker.engine" .context)) $of | fromYaml }}
{{- $taken = merge $taken (include "common.worker.mounts" .context | fromYaml) ($needs.volumes | default dict) }}
{{- end }}
{{- $owners := dict }}
{{- range $name, $mount := $taken }}{{ with $mount }}{{ $_ := set $owners (clean .mountPath) "the chart" }}{{ end }}{{ end }}
{{- $ownPaths := .context.Values.global.hardwareSpec.hostPaths | default dict }}
{{- range $name, $mount := .hardware.hostPaths }}
{{- $where := printf "global.hardwareSpec.hostPaths.%s" $name }}
{{- if or (hasKey $taken $name) (hasKey $model.volumes $name) }}
{{ $where }}: the chart has a volume of this name: choose another name
{{- end }}
{{- with get $owners (clean .mountPath) }}
{{ $where }}.mountPath: {{ . }} mounts another volume at {{ clean $mount.mountPath }}: choose another path
{{- end }}
{{- $_ := set $owners (clean .mountPath) (ternary $where "the machine type" (hasKey $ownPaths $name)) }}
{{- end }}
{{- $taken = merge $taken (.hardware.hostPaths | default dict) }}
{{- range $name := keys .context.Values.volumes | sortAlpha }}
{{- with get $.context.Values.volumes $name }}
{{- $where := printf "%s.volumes.%s" $.component $name }}
{{- $path := clean .mountPath }}
{{- if or (hasKey $taken $name) (hasKey $model.volumes $name) }}
{{ $where }}: the chart has a volume of this name: choose another name
{{- end }}
{{- with get $owners $path }}
{{ $where }}.mountPath: {{ . }} mounts another volume at {{ $path }}: choose another path
{{- end }}
{{- if regexMatch "(^|/)[.][.](/|$)" (printf "%s %s" .mountPath (.subPath | default "") | replace " " "/") }}
{{ $where }}: Kubernetes allows no ".." in paths: write mountPath and subPath without
{{- end }}
{{- with include "common.kinds" .source }}
{{ $where }}.source: a volume has one source, not {{ . }}: keep one, or remove the volume with null
{{- end }}
{{- range $kind, $source := .source }}
{{- $mode := get ($source | default dict) "defaultMode" | int }}
{{- if or (gt $mode 511) (lt $mode 0) }}
{{ $where }}.source.{{ $kind }}.defaultMode: {{ $mode }} is decimal, and no mode of files: write it in octal, e.g. 0644, or as its decimal 420
{{- end }}
{{- end }}
{{- $_ := set $owners $path (printf "%s.volumes.%s" $.component $name) }}
{{- end }}
{{- end }}
{{- end }}
