{{/*
dynamo-disagg.containerProbe: one probe.
in:  dict "path" "/live" "port" "system", or "command" [] "probe" {periodSeconds, timeoutSeconds, failureThreshold}
     ["replaces" bool: of a Dynamo process, whose failure means that there is nothing to drain]
     ["successes" how many, one after the other, make a pod ready]
*/}}
{{- define "dynamo-disagg.containerProbe" -}}
{{- if .command }}
exec: {command: {{ toJson .command }}}
{{- else }}
httpGet: {path: {{ .path }}, port: {{ .port }}}
{{- end }}
periodSeconds: {{ int64 .probe.periodSeconds }}
timeoutSeconds: {{ int64 .probe.timeoutSeconds }}
failureThreshold: {{ int64 .probe.failureThreshold }}
{{- with .successes }}
successThreshold: {{ . }}
{{- end }}
{{- if .replaces }}
# A process that hangs would otherwise keep its GPUs and its clients for the pod's whole grace period.
terminationGracePeriodSeconds: 5
{{- end }}
{{- end }}

{{/*
dynamo-disagg.startupBudget: seconds a worker may take to its first health check, and a frontend to see one, once its pods run:
probes.startup.budgetSeconds, or ten minutes for the engine (compilation, CUDA graphs, warm-up) and ten seconds for each
GiB of weights, the pace of a slow download (100 MiB/s).
in:  component context
*/}}
{{- define "dynamo-disagg.startupBudget" -}}
{{- if .Values.probes.startup.budgetSeconds }}{{ int64 .Values.probes.startup.budgetSeconds }}
{{- else }}{{ add 600 (mul 10 (ceil .Values.global.model.sizeGiB | int64)) }}{{ end }}
{{- end }}

{{/*
dynamo-disagg.progressDeadline: seconds until a Deployment counts as failed, beyond its pods' own start-up: ten minutes to
be scheduled and pull images, and as long for the weights that pods wait for as dynamo-disagg.startupBudget says. With
Kubernetes' ten minutes for everything, `helm --wait` gives up on a large model whatever its --timeout.
in:  dict "root" <component context> "model" dynamo-disagg.model
*/}}
{{- define "dynamo-disagg.progressDeadline" -}}
{{ add 600 (ternary (mul 10 (ceil .root.Values.global.model.sizeGiB | int64)) 0 (hasKey .model "wait")) }}
{{- end }}

{{/* dynamo-disagg.startupProbe: as dynamo-disagg.containerProbe reads it. in: dict "probe" {periodSeconds, timeoutSeconds} "seconds" it may take; out: JSON map */}}
{{- define "dynamo-disagg.startupProbe" -}}
{{- $period := int64 .probe.periodSeconds }}
{{- merge (dict "failureThreshold" (div (add (int64 .seconds) (sub $period 1)) $period)) .probe | toJson }}
{{- end }}

{{/*
dynamo-disagg.worker.probes: /live and /health are one handler in Dynamo: 503 until the endpoint is registered. A worker that needs
one of the other role starts with it: files/pair.py. From then on it is itself that counts.
in: dict "root" <component context, with "pair" {others, seconds, apart, asked, later} where it needs another role> "successes" dynamo-disagg.worker.successes
*/}}
{{- define "dynamo-disagg.worker.probes" -}}
{{- $successes := .successes }}
{{- with .root }}
{{- $root := . }}
{{- $probes := .Values.probes }}
startupProbe:
  {{- $startup := dict "path" "/live" "port" "system" "seconds" (include "dynamo-disagg.startupBudget" .) }}
  {{- with .pair }}{{ $startup = dict "command" (include "dynamo-disagg.worker.pair" (dict "root" $root "host" "127.0.0.1") | fromJsonArray) "seconds" .seconds }}{{ end }}
  {{- $_ := set $startup "probe" (include "dynamo-disagg.startupProbe" (dict "probe" $probes.startup "seconds" $startup.seconds) | fromJson) }}
  {{- include "dynamo-disagg.containerProbe" (set $startup "replaces" true) | trim | nindent 2 }}
livenessProbe:
  {{- include "dynamo-disagg.containerProbe" (dict "path" "/live" "port" "system" "replaces" true "probe" $probes.liveness) | trim | nindent 2 }}
readinessProbe:
  {{- include "dynamo-disagg.containerProbe" (dict "path" "/health" "port" "system" "probe" $probes.readiness "successes" $successes) | trim | nindent 2 }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.worker.apart: seconds by which workers that begin to work together may be seen to be ready one after the other: a startup
probe of either role, then a readiness probe, and another one for the frontends. in: component context
*/}}
{{- define "dynamo-disagg.worker.apart" -}}
{{ (.pair | default (dict "apart" (mul 3 .Values.probes.readiness.periodSeconds))).apart }}
{{- end }}

{{/*
dynamo-disagg.worker.pair: the command of files/pair.py. in: dict "root" <component context> "host" of the worker; out: JSON list
*/}}
{{- define "dynamo-disagg.worker.pair" -}}
{{- $command := list "python3" "/opt/dynamo-disagg/pair.py" (printf "%s:%s" .host (include "dynamo-disagg.port.system" .root)) }}
{{- with .root.pair }}{{ $command = append $command .others }}{{ end }}
{{- toJson $command }}
{{- end }}

{{/*
dynamo-disagg.worker.minReadySeconds: from when a new worker is seen to be ready until an old one may go; an old one that requests need when their prompts are
computed goes later (templates/workers.yaml). in: component context
*/}}
{{- define "dynamo-disagg.worker.minReadySeconds" -}}
{{ add (include "dynamo-disagg.worker.apart" .) (.pair | default dict).later }}
{{- end }}

{{/*
dynamo-disagg.worker.successes: how often a rank's readiness probe must pass; nothing where once is enough. LeaderWorkerSets have no
minReadySeconds, and those of 0.9 and newer count a worker as ready with its last rank (pkg/utils/statefulset). What goes later does so by 15 s here,
whatever the frontend's time-out and the number of workers, since another number would replace all groups.
in: dict "root" <component context> "leads" bool
*/}}
{{- define "dynamo-disagg.worker.successes" -}}
{{- if and (not .leads) (include "dynamo-disagg.worker.runByLws" .root) }}
{{- $period := int .root.Values.probes.readiness.periodSeconds }}
{{- $later := ternary 0 15 (empty (.root.pair | default dict).asked) }}
{{- add 1 (div (add (include "dynamo-disagg.worker.apart" .root) $later (sub $period 1)) $period) }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.worker.readyWithLeader: readiness of a rank >= 1, which serves no HTTP of its own: its leader's. A rolling update
then goes from worker to worker, because none goes on before the whole worker is ready.
in: as dynamo-disagg.worker.probes
*/}}
{{- define "dynamo-disagg.worker.readyWithLeader" -}}
{{- $probe := set (deepCopy .root.Values.probes.readiness) "timeoutSeconds" 10 }}
{{- $command := include "dynamo-disagg.worker.pair" (dict "root" .root "host" "$DYNAMO_LEADER_ADDRESS") | fromJsonArray }}
readinessProbe:
  # Starting Python counts in the time-out.
  {{- include "dynamo-disagg.containerProbe" (dict "command" $command "probe" $probe "successes" .successes) | trim | nindent 2 }}
{{- end }}
