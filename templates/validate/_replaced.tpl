{{/*
dynamo-disagg.validate.replaced: an upgrade that no rollout can do, because Helm removes what serves when it has made what does not yet: another
name, workers of another kind of object, parts that are no more, another discovery (docs/adr/0006-generations-of-workers.md).
By the pods that are ready: who installs may list these, and not always the objects of LeaderWorkerSet.
*/}}
{{- define "dynamo-disagg.validate.replaced" -}}
{{- if include "dynamo-disagg.validate.seesCluster" . }}
{{- $fix := "which is an outage: put a second release beside this one, or, if an outage is meant, set global.clusterChecks=false" }}
{{- $values := dict "prefill" "global.serving" "encode" "encode.replicas" "etcd" "etcd.enabled" "nats" "nats.enabled" }}
{{- $kinds := dict "deployment" "Deployment" "statefulset" "StatefulSet" "lws" "LeaderWorkerSet" }}
{{- range (lookup "v1" "Pod" .Release.Namespace "").items }}
{{- $labels := .metadata.labels | default dict }}
{{- $component := get $labels "app.kubernetes.io/component" }}
{{- $ready := false }}
{{- range dig "status" "conditions" list . }}{{ if and (eq .type "Ready") (eq .status "True") }}{{ $ready = true }}{{ end }}{{ end }}
{{- if and $ready (eq (get $labels "app.kubernetes.io/instance") (include "dynamo-disagg.fullname" $)) (not .metadata.deletionTimestamp) }}
{{- if has $component (include "dynamo-disagg.pools" $ | fromJsonArray) }}
{{- with get $.Subcharts $component }}
{{- $new := ternary "DisaggregatedSet" (get $kinds (include "dynamo-disagg.worker.kind" .)) (eq "true" (include "dynamo-disagg.isSet" $)) }}
{{- $old := ternary "StatefulSet" "Deployment" (hasKey $labels "statefulset.kubernetes.io/pod-name") }}
{{- with get $labels "leaderworkerset.sigs.k8s.io/name" }}
{{- $old = ternary "LeaderWorkerSet" "DisaggregatedSet" (eq . (printf "%s-%s-group" (include "dynamo-disagg.fullname" $) $component)) }}
{{- end }}
{{- $nodes := include "dynamo-disagg.worker.nodes" . | int }}
{{- if ne $old $new }}
{{ $component }}.parallelism, global.multiNode.controller, global.hardware: a {{ $old }} runs the {{ $component }} workers, and with these values a {{ $new }}: Helm removes the old workers before the new ones are ready, {{ $fix }}
{{- else if and (eq $old "StatefulSet") (ge (get $labels "dynamo-disagg/rank-number" | int) $nodes) }}
{{ $component }}.parallelism, global.hardware: {{ $component }} workers run on more nodes than with these values ({{ $nodes }}): Helm removes the other ranks of all of them at once, {{ $fix }}
{{- end }}
{{- end }}
{{- else if and (hasKey $values $component) (not (has $component (include "dynamo-disagg.components" $ | fromJsonArray))) }}
{{ get $values $component }}: {{ $component }} pods serve, and with these values there are none: Helm removes them before the new workers are ready, {{ $fix }}
{{- else if eq $component "frontend" }}
{{- range (first .spec.containers).env }}
{{- if and (eq .name "DYN_DISCOVERY_BACKEND") (ne .value $.Values.global.discovery.backend) }}
global.discovery.backend: the frontends find the running workers by {{ .value }}, and with {{ $.Values.global.discovery.backend }} they lose them before the new ones are ready, {{ $fix }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- /* Where the chart is a part of another one, its release may have several of it. */}}
{{- range ternary (lookup "apps/v1" "Deployment" .Release.Namespace "").items list (default false .Chart.IsRoot) }}
{{- $labels := .metadata.labels | default dict }}
{{- $isOurs := and (eq (get $labels "app.kubernetes.io/name") "dynamo-disagg") (eq (get $labels "app.kubernetes.io/component") "frontend") (eq (dig "annotations" "meta.helm.sh/release-name" "" .metadata) $.Release.Name) }}
{{- $instance := get $labels "app.kubernetes.io/instance" }}
{{- if and $isOurs (ne $instance (include "dynamo-disagg.fullname" $)) (dig "status" "readyReplicas" 0 .) }}
global.nameOverride, global.fullnameOverride: the release serves under the name {{ $instance }}, and with these values it is {{ include "dynamo-disagg.fullname" $ }}: Helm removes everything of the old name before the new workers are ready, {{ $fix }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
