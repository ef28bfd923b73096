{{/*
Shutdown. terminationGracePeriodSeconds is the one knob; the rest is fixed by Dynamo 1.6.1 or follows, so that it always fits.

A frontend that was told to stop refuses what comes on kept connections for as long as a stream is open and this limit
lasts, and never cuts a stream. So it serves normally until nothing is in flight (files/drain.py): at least 10 s, in
which load balancers see the pod go, at most half of its time, so that the last streams have the other half. Then it
hangs up on clients that keep their connections, before it stops (files/frontend.py).

An engine that was told to stop leaves discovery, sleeps its grace period whatever it does, and then aborts what is in
flight; a callback may take 30 s more (dynamo/common/utils/graceful_shutdown.py), 10 s are left to exit. With Kubernetes
discovery nothing comes to a pod that is being deleted, so the wait is for what is in flight. With etcd discovery a
worker leaves the routers only when it is told to stop, so the grace period is the wait, and an idle worker waits too.
What takes longer is moved to another worker: by the engine's abort, or by SIGKILL when all time is over. Dynamo's own
bound on requests in flight would lose them, so it lies beyond that.
*/}}

{{/* dynamo-disagg.drain.worker.seconds: how long answers may go on after a worker's pod is deleted. in: component context */}}
{{- define "dynamo-disagg.drain.worker.seconds" -}}
{{ sub .Values.terminationGracePeriodSeconds 45 }}
{{- end }}

{{/* dynamo-disagg.drain.worker.byDiscovery: "true" where deleting a pod takes it from those who ask it; of encoders their Service publishes all */}}
{{- define "dynamo-disagg.drain.worker.byDiscovery" -}}
{{- if and (eq .Values.global.discovery.backend "kubernetes") (ne .Chart.Name "encode") }}true{{ end }}
{{- end }}

{{/*
dynamo-disagg.drain.worker.sleep: seconds that the preStop hook of a worker's pod sleeps; nothing where it waits for what is in flight.
Other ranks than the leader must outlive its work. Ranks that all serve have work together as long as one of them has any, so
none ends before the time is over. in: as dynamo-disagg.drain.worker.preStop
*/}}
{{- define "dynamo-disagg.drain.worker.sleep" -}}
{{- $seconds := include "dynamo-disagg.drain.worker.seconds" .root | int }}
{{- if not (include "dynamo-disagg.drain.worker.byDiscovery" .root) }}{{ ternary 5 (add $seconds 10) (or .leads (eq "true" .together)) }}
{{- else if .together }}{{ $seconds }}{{ end }}
{{- end }}

{{/*
dynamo-disagg.drain.worker.preStop: of each pod of a worker. Five seconds show that nothing new comes, and leave decode the time to
fetch what prefill computed last.
in: dict "root" <component context> "leads" bool "together" dynamo-disagg.worker.allServe
*/}}
{{- define "dynamo-disagg.drain.worker.preStop" -}}
{{- with include "dynamo-disagg.drain.worker.sleep" . | trim }}
sleep: {seconds: {{ . }}}
{{- else }}
{{- $host := ternary "127.0.0.1" "$DYNAMO_LEADER_ADDRESS" .leads }}
exec:
  command:
    - python3
    - /opt/dynamo-disagg/drain.py
    - http://{{ $host }}:{{ include "dynamo-disagg.port.system" .root }}/metrics
    - "5"
    - "5"
    - {{ include "dynamo-disagg.drain.worker.seconds" .root | trim | quote }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.drain.worker.grace: seconds that an engine sleeps when it is told to stop. in: component context */}}
{{- define "dynamo-disagg.drain.worker.grace" -}}
{{ ternary "1" (include "dynamo-disagg.drain.worker.seconds" .) (eq "true" (include "dynamo-disagg.drain.worker.byDiscovery" .)) | trim }}
{{- end }}

{{/* dynamo-disagg.drain.worker.env: JSON map. in: component context */}}
{{- define "dynamo-disagg.drain.worker.env" -}}
{{- dict "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS" (include "dynamo-disagg.drain.worker.grace" .)
         "DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS" (toString .Values.terminationGracePeriodSeconds) | toJson }}
{{- end }}

{{- define "dynamo-disagg.drain.frontend.preStop" -}}
exec:
  command:
    - python3
    - /opt/dynamo-disagg/drain.py
    - http://127.0.0.1:{{ include "dynamo-disagg.port.http" . }}/metrics
    - "10"
    - "0"
    - {{ div .Values.terminationGracePeriodSeconds 2 | quote }}
    - hang-up
{{- end }}
