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
{{- range $component := include "common.components" . | fromYamlArray }}
{{- $seen := dict "root" $ "component" $component }}{{ include "common.asComponent" $seen }}
{{- $values := $seen.context.Values }}
{{- $isWorker := has $component (list "prefill" "decode") }}
{{- range $index, $toleration := $values.tolerations }}
{{ include "common.validate.toleration" (dict "where" (printf "%s.tolerations[%d]" $component $index) "toleration" .) }}
{{- end }}
{{ include "common.validate.spread" (dict "where" (printf "%s.topologySpreadConstraints" $component) "constraints" $values.topologySpreadConstraints) }}
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
{{- $identity := printf "%s, %s" .topologyKey .whenUnsatisfiable }}
{{- if has $identity $before }}
{{ $here }}: a second constraint for {{ $identity }}: remove one of them
{{- end }}
{{- $before = append $before $identity }}
{{- end }}
{{- end }}

{{/* common.validate.security: contexts that contradict themselves. in: dict "component" "values" "hardware" (of workers) */}}
{{- define "common.validate.security" -}}
{{- $component := .component }}
{{- $pod := include "common.podSecurityContext" (dict "overrides" .values.podSecurityContext "runAsRoot" .hardware.runAsRoot) | fromYaml }}
{{- $container := include "common.securityContext" (dict "overrides" .values.securityContext) | fromYaml }}
{{- if not $container.allowPrivilegeEscalation }}
{{- $need := ternary "privileged" "" ($container.privileged | default false) }}
{{- if has "CAP_SYS_ADMIN" ($container.capabilities.add | default list) }}{{ $need = "capabilities.add CAP_SYS_ADMIN" }}{{ end }}
{{- with $need }}
{{ $component }}.securityContext: Kubernetes refuses {{ . }} with allowPrivilegeEscalation false: leave it out (what a machine needs is in global.hardwareSpec), or set allowPrivilegeEscalation=true too
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
{{- $_ := set $owners $path (printf "%s.volumes.%s" $.component $name) }}
{{- end }}
{{- end }}
{{- end }}
