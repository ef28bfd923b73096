{{/*
validate.replaced: an upgrade that no rollout can do, because Helm removes what serves when it has made what does not yet:
workers of another kind of object, prefill workers that are no more, another discovery. docs/adr/0006-generations-of-workers.md
*/}}
{{- define "validate.replaced" -}}
{{- if include "validate.seesCluster" . }}
{{- $fix := "which is an outage: put a second release beside this one, or, if an outage is meant, set global.clusterChecks=false" }}
{{- $apis := dict "Deployment" "apps/v1" "StatefulSet" "apps/v1" "LeaderWorkerSet" "leaderworkerset.x-k8s.io/v1" "DisaggregatedSet" "disaggregatedset.x-k8s.io/v1" }}
{{- $kinds := dict "deployment" "Deployment" "statefulset" "StatefulSet" "lws" "LeaderWorkerSet" }}
{{- $pools := include "common.pools" . | fromJsonArray }}
{{- range $role := append $pools "prefill" | uniq }}
{{- $name := include "common.name" (dict "root" $ "component" $role) }}
{{- $names := dict "Deployment" $name "StatefulSet" (printf "%s-rank-0" $name) "LeaderWorkerSet" (printf "%s-group" $name) "DisaggregatedSet" (include "common.fullname" $) }}
{{- $new := "" }}
{{- if has $role $pools }}
{{- $new = get $kinds (include "common.worker.kind" (get $.Subcharts $role)) }}
{{- if include "common.isSet" $ }}{{ $new = "DisaggregatedSet" }}{{ end }}
{{- end }}
{{- range $kind, $old := omit $names $new }}
{{- $api := get $apis $kind }}
{{- if or (eq $api "apps/v1") ($.Capabilities.APIVersions.Has (printf "%s/%s" $api $kind)) }}
{{- with lookup $api $kind $.Release.Namespace $old }}
{{- /* What serves nobody may go. */}}
{{- if or (eq $kind "DisaggregatedSet") (dig "status" "readyReplicas" 0 . | int) }}
{{ ternary (printf "%s.parallelism, global.multiNode.controller" $role) "global.serving" (ne $new "") }}: {{ $kind }} {{ $old }} serves, and with these values {{ with $new }}a {{ . }} takes its place{{ else }}it goes{{ end }} before the new workers are ready, {{ $fix }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $frontend := lookup "apps/v1" "Deployment" .Release.Namespace (include "common.name" (dict "root" . "component" "frontend")) }}
{{- if dig "status" "readyReplicas" 0 $frontend | int }}
{{- range (first $frontend.spec.template.spec.containers).env }}
{{- if and (eq .name "DYN_DISCOVERY_BACKEND") (ne .value $.Values.global.discovery.backend) }}
global.discovery.backend: the frontends find the running workers by {{ .value }}, and with {{ $.Values.global.discovery.backend }} they lose them before the new ones are ready, {{ $fix }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
