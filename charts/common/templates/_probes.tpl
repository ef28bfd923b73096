{{/*
common.probe: one HTTP probe.
in:  dict "path" "/live" "port" "system" "probe" {periodSeconds, timeoutSeconds, failureThreshold}
*/}}
{{- define "common.probe" -}}
httpGet: {path: {{ .path }}, port: {{ .port }}}
periodSeconds: {{ int64 .probe.periodSeconds }}
timeoutSeconds: {{ int64 .probe.timeoutSeconds }}
failureThreshold: {{ int64 .probe.failureThreshold }}
{{- end }}

{{/*
common.startupBudget: seconds a worker may take to its first health check: probes.startup.budgetSeconds, or
ten minutes for the engine (compilation, CUDA graphs, warm-up) and ten seconds for each GiB of weights, the
pace of a slow download (100 MiB/s).
in:  component context
*/}}
{{- define "common.startupBudget" -}}
{{- if .Values.probes.startup.budgetSeconds }}{{ int64 .Values.probes.startup.budgetSeconds }}
{{- else }}{{ add 600 (mul 10 (ceil .Values.global.model.sizeGiB | int64)) }}{{ end }}
{{- end }}

{{/*
common.progressDeadline: seconds until a Deployment counts as failed, beyond its pods' own start-up: ten minutes to
be scheduled and pull images, and as long for the weights that pods wait for as common.startupBudget says. With
Kubernetes' ten minutes for everything, `helm --wait` gives up on a large model whatever its --timeout.
in:  dict "root" <component context> "model" common.model
*/}}
{{- define "common.progressDeadline" -}}
{{ add 600 (ternary (mul 10 (ceil .root.Values.global.model.sizeGiB | int64)) 0 (hasKey .model "wait")) }}
{{- end }}

{{/* common.worker.probes: /live and /health are one handler in Dynamo: 503 until the endpoint is registered. */}}
{{- define "common.worker.probes" -}}
{{- $probes := .Values.probes }}
{{- $period := int64 $probes.startup.periodSeconds }}
{{- $failures := div (add (include "common.startupBudget" . | int64) (sub $period 1)) $period }}
startupProbe:
  {{- include "common.probe" (dict "path" "/live" "port" "system" "probe" (merge (dict "failureThreshold" $failures) $probes.startup)) | nindent 2 }}
livenessProbe:
  {{- include "common.probe" (dict "path" "/live" "port" "system" "probe" $probes.liveness) | nindent 2 }}
readinessProbe:
  {{- include "common.probe" (dict "path" "/health" "port" "system" "probe" $probes.readiness) | nindent 2 }}
{{- end }}

{{/*
common.worker.readyWithLeader: readiness of a rank >= 1, which serves no HTTP of its own: its leader's. A rolling update
of each rank's StatefulSet then goes from worker to worker, because none goes on before the whole worker is ready.
*/}}
{{- define "common.worker.readyWithLeader" -}}
readinessProbe:
  exec:
    command:
      - python3
      - -c
      - |
        import http.client, os, sys
        leader = http.client.HTTPConnection(os.environ["DYNAMO_LEADER_ADDRESS"], 9090, timeout=4)
        leader.request("GET", "/health")
        status = leader.getresponse().status
        sys.exit(f"the leader's health is {status}" if status != 200 else 0)
  periodSeconds: {{ int64 .Values.probes.readiness.periodSeconds }}
  # Starting Python counts too.
  timeoutSeconds: 10
  failureThreshold: {{ int64 .Values.probes.readiness.failureThreshold }}
{{- end }}
