{{/* dynamo-disagg.validate.warnings.outages: what turns a fault or an upgrade into an outage, and need not. in: root chart's context */}}
{{- define "dynamo-disagg.validate.warnings.outages" -}}
{{- $frontend := .Subcharts.frontend }}
{{- $global := .Values.global }}
{{- if and .Values.etcd.enabled (eq (int .Values.etcd.replicas) 1) (not $global.simulation.enabled) }}
etcd.replicas is 1: when it is away for more than a minute, every engine and frontend stops and loads its model again. Set 3, or global.discovery.backend=kubernetes.
{{- end }}
{{- /* Of a failed prefill worker too the request moves. A scaler may make more workers than there are first. */}}
{{- $several := list }}
{{- range $role := without (include "dynamo-disagg.pools" . | fromJsonArray) "encode" }}
{{- with (get $.Subcharts $role).Values }}
{{- $most := ternary .autoscaling.maxReplicas .replicas .autoscaling.enabled | int }}
{{- if gt $most 1 }}{{ $several = append $several (printf "%s%d %s workers" (ternary "up to " "" .autoscaling.enabled) $most $role) }}{{ end }}
{{- end }}
{{- end }}
{{- if and $several (eq (int $frontend.Values.migrationLimit) 0) }}
frontend.migrationLimit is 0: an answer whose worker fails, or stops before it is complete, is lost, though {{ join " and " $several }} could go on with it. Set 3.
{{- end }}
{{- range $component := prepend (include "dynamo-disagg.pools" . | fromJsonArray) "frontend" }}
{{ include "dynamo-disagg.validate.warnings.allAway" (get $.Subcharts $component) }}
{{- end }}
{{- range $role, $other := include "dynamo-disagg.validate.ratio" . | fromYaml }}
{{ $role }}.rollingUpdate.maxSurge is 0, and an update of the DisaggregatedSet starts one more {{ $role }} worker all the same, because there are {{ (get $.Values $other).replicas }} of {{ $other }}: without free GPUs for it the update waits, and the old workers serve on. Free some, or set global.multiNode.controller=lws.
{{- end }}
{{- $start := include "dynamo-disagg.startupBudget" $frontend | int }}
{{- $timeout := int $frontend.Values.streamTimeoutSeconds }}
{{- /* Dynamo's HTTP server gives an answer up after twice the time (findings/dynamo-moved-stream-ends-after-twice-its-timeout.sh). */}}
{{- if and (le $timeout 10) (eq $global.serving "disaggregated") $frontend.Values.migrationLimit }}
frontend.streamTimeoutSeconds is {{ $timeout }}: an answer that has stood still for twice as long is given up, and one that moves away from a lost node may try a worker of each role there in vain, 5 s each. Set 11, or accept that such an answer may be lost.
{{- end }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- with get $.Subcharts $role }}
{{- $needs := include "dynamo-disagg.startupBudget" . | int }}
{{- if gt $needs $start }}
{{ $role }}.probes.startup.budgetSeconds gives a worker {{ $needs }} s once it is placed, and a frontend {{ $start }} s: it counts as failed without one. Set frontend.probes.startup.budgetSeconds={{ $needs }}.
{{- end }}
{{- if and (include "dynamo-disagg.worker.runByLws" .) (not (include "dynamo-disagg.isSet" .)) (has (toString (include "dynamo-disagg.worker.rollingUpdate" . | fromJson).maxUnavailable) (list "0" "0%")) }}
{{ $role }}.rollingUpdate.maxUnavailable is 0: LeaderWorkerSet before 0.9 never replaces the last worker then, and an update does not end. With such a version leave rollingUpdate out, or set 1.
{{- end }}
{{- if ne (include "dynamo-disagg.worker.mode" .) "decode" }}
{{ include "dynamo-disagg.validate.warnings.longest" (dict "timeout" $timeout "facts" (include "dynamo-disagg.validate.facts" (dict "context" . "program" $global.engine.name) | fromJson)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.away: how many pods of a component may be more, and how many away, in an update at once, as Deployments and LeaderWorkerSets
reckon; StatefulSets replace one after the other. in: component context; out: dict of numbers {surge, away}, in JSON
*/}}
{{- define "dynamo-disagg.validate.away" -}}
{{- $isFrontend := eq .Chart.Name "frontend" }}
{{- $rolling := .Values.rollingUpdate }}
{{- if not $isFrontend }}{{ $rolling = include "dynamo-disagg.worker.rollingUpdate" . | fromJson }}{{ end }}
{{- $text := toString $rolling.maxSurge }}
{{- $surge := int $rolling.maxSurge }}
{{- if hasSuffix "%" $text }}{{ $surge = div (add 99 (mul (trimSuffix "%" $text | int) .Values.replicas)) 100 | int }}{{ end }}
{{- $text = toString $rolling.maxUnavailable }}
{{- $away := int $rolling.maxUnavailable }}
{{- if hasSuffix "%" $text }}{{ $away = div (mul (trimSuffix "%" $text | int) .Values.replicas) 100 | int }}{{ end }}
{{- if not $surge }}{{ $away = max 1 $away | int }}{{ end }}
{{- if not $isFrontend }}{{ if eq (include "dynamo-disagg.worker.kind" .) "statefulset" }}{{ $away = 1 }}{{ end }}{{ end }}
{{- dict "surge" $surge "away" $away | toJson }}
{{- end }}

{{/*
dynamo-disagg.validate.warnings.allAway: an update that may end all pods of a component before one of the new ones is ready. The only worker of
a role without room for another is in the notes (dynamo-disagg.validate.outage). in: component context
*/}}
{{- define "dynamo-disagg.validate.warnings.allAway" -}}
{{- $component := .Chart.Name }}
{{- $replicas := int .Values.replicas }}
{{- $update := include "dynamo-disagg.validate.away" . | fromJson }}
{{- $one := ternary "frontend" (ternary "encoder" (printf "%s worker" $component) (eq $component "encode")) (eq $component "frontend") }}
{{- $byLws := and (ne $component "frontend") (eq (include "dynamo-disagg.worker.kind" .) "lws") }}
{{- $hasRoom := or (gt $replicas 1) (gt (int $update.surge) 0) (eq $component "frontend") }}
{{- if and $hasRoom (ge (int $update.away) $replicas) (not (and (ne $component "frontend") (include "dynamo-disagg.isSet" .))) }}
{{ $component }}.rollingUpdate.maxUnavailable {{ .Values.rollingUpdate.maxUnavailable }} lets an update end {{ ternary (printf "the only %s" $one) (printf "all %d %ss" $replicas $one) (eq $replicas 1) }} before a new one is ready, which is an outage. {{ if and (eq $replicas 1) (not (int $update.surge)) }}Set maxSurge=1 and maxUnavailable=0{{ else }}Set {{ ternary 0 1 (eq $replicas 1) }}{{ end }}{{ if and (eq $replicas 1) $byLws }} (LeaderWorkerSet 0.9 or newer){{ end }}.
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.ratio: a DisaggregatedSet keeps the ratio of its roles in an update, for which it starts a worker more of the smaller one,
whatever its maxSurge says (findings/lws-disaggregatedset-ignores-max-surge.sh). in: root chart's context; out: YAML map, of
such a role the other one
*/}}
{{- define "dynamo-disagg.validate.ratio" -}}
{{- $surges := dict }}{{ $counts := dict }}
{{- if include "dynamo-disagg.isSet" . }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- with get $.Subcharts $role }}
{{- $_ := set $surges $role (eq "true" (include "dynamo-disagg.worker.surges" .)) }}
{{- $_ := set $counts $role (int .Values.replicas) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $role, $surge := $surges }}
{{- range $other, $_ := omit $surges $role }}
{{- $each := ternary 1 2 (get $surges $other) }}
{{- if and (not $surge) (lt (mul $each (get $counts $role) | int) (get $counts $other)) }}
{{ $role }}: {{ $other }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.warnings.longest: a context so long that the wait for its first token ends the answer. 2,000 tokens/s is a slow
prefill worker. in: dict "timeout" seconds "facts" dynamo-disagg.validate.facts
*/}}
{{- define "dynamo-disagg.validate.warnings.longest" -}}
{{- range $flag := include "dynamo-disagg.validate.facts.lengths" . | fromJsonArray }}
{{- $length := include "dynamo-disagg.validate.checks.number" (get $.facts.values $flag) }}
{{- if and (regexMatch "^[0-9]+$" $length) (gt (div $length 2000 | int) $.timeout) }}
frontend.streamTimeoutSeconds is {{ $.timeout }}: a prompt of {{ $length }} tokens ({{ get $.facts.where $flag }}) takes {{ div $length 2000 }} s at 2,000 tokens/s, and would be moved and computed again for ever. Set more than the longest prompt takes.
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.outage: why no upgrade of the workers is without an outage, and how long it is at most: the only worker of a role ends
before the new one starts. in: root chart's context; out: text, or nothing
*/}}
{{- define "dynamo-disagg.validate.outage" -}}
{{- $roles := list }}{{ $others := list }}{{ $canSurge := true }}
{{- $surging := include "dynamo-disagg.validate.ratio" . | fromYaml }}
{{- $answers := 0 }}{{ $idle := 0 }}{{ $starts := 0 }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- with get $.Subcharts $role }}
{{- $starts = max $starts (include "dynamo-disagg.startupBudget" . | int) }}
{{- if gt (int .Values.replicas) 1 }}{{ $others = append $others (printf "%d %s workers" (int .Values.replicas) $role) }}{{ end }}
{{- if and (eq (int .Values.replicas) 1) (not (hasKey $surging $role)) (not (include "dynamo-disagg.worker.surges" .)) }}
{{- $roles = append $roles $role }}
{{- with include "dynamo-disagg.worker.idle" . | trim }}{{ $idle = max $idle (int .) }}
{{- else }}{{ $answers = max $answers (include "dynamo-disagg.drain.worker.seconds" . | int) }}{{ end }}
{{- if eq (include "dynamo-disagg.worker.kind" .) "statefulset" }}{{ $canSurge = false }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- with $roles }}
the only worker of {{ join " and of " . }} ends before the new one starts (rollingUpdate.maxSurge 0).
It lasts {{ if $idle }}{{ $idle }} s, idle or not{{ else }}as long as the answers in flight ({{ $answers }} s at most), 5 s more{{ end }}, and the start of the slowest worker (within {{ $starts }} s; how long
those took that run now: docs/runbook.md, "Upgrade the only worker of a role").
{{- with $others }}
After it the first new one of {{ join ", of " . }} may have all the load until the others have followed.
{{- end }}
With a second worker of each role, or free GPUs for one more and maxSurge 1{{ if not $canSurge }} (which StatefulSets have not: global.multiNode.controller=lws){{ end }}, there is none.
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.gap: why a new generation of workers costs some answers all the same. Where a worker has other ranks, they hold the old
one back (dynamo-disagg.worker.successes). in: root chart's context; out: text, or nothing
*/}}
{{- define "dynamo-disagg.validate.gap" -}}
{{- $nodes := 1 }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}{{ $nodes = max $nodes (include "dynamo-disagg.worker.nodes" (get $.Subcharts $role)) }}{{ end }}
{{- if and (include "dynamo-disagg.isSet" .) (eq (int $nodes) 1) }}
a DisaggregatedSet ends the old ones as soon as new ones are ready, before all frontends know those.
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.order: why a new generation may cost the answers whose prompts the old one computes: the last old worker that they need
then does not go after the last one that computes prompts (templates/workers.yaml). in: root chart's context; out: text, or nothing
*/}}
{{- define "dynamo-disagg.validate.order" -}}
{{- $pools := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- $first := ternary "prefill" "decode" (has "prefill" $pools) }}
{{- $steps := dict }}
{{- range $role := $pools }}
{{- with get $.Subcharts $role }}
{{- $update := include "dynamo-disagg.validate.away" . | fromJson }}
{{- $at := max 1 (add (int $update.surge) (int $update.away)) | int }}
{{- $_ := set $steps $role (max 0 (div (add (sub (int .Values.replicas) (int $update.away)) (sub $at 1)) $at) | int) }}
{{- end }}
{{- end }}
{{- $others := without $pools $first }}
{{- if and $others (include "dynamo-disagg.isSet" .) }}
a DisaggregatedSet ends the last old workers of all roles at once.
{{- else }}
{{- range $role := $others }}
{{- if gt (get $steps $first) (get $steps $role) }}
the last old {{ $role }} worker goes before the last old {{ $first }} worker: after {{ get $steps $role }} waits for a new one, and not {{ get $steps $first }}.
Choose replicas and rollingUpdate of {{ $first }} and {{ $role }} so that {{ $first }} waits no more often than {{ $role }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
