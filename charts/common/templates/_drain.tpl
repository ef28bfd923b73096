{{/*
Shutdown arithmetic. terminationGracePeriodSeconds is the one knob; the rest is fixed by Dynamo 1.6.1
(dynamo/common/utils/graceful_shutdown.py) or follows, so that the sum always fits:

  worker    preStop 5 (the routers see the pod go) + unregister 5 + callbacks 30 + 30 + in-flight requests + 5 to exit
  frontend  preStop 10 (load balancers see the pod go) + open responses + 5 to exit
*/}}
{{- define "common.drain.worker.preStop" -}}5{{- end }}
{{- define "common.drain.worker.overhead" -}}75{{- end }}
{{- define "common.drain.frontend.preStop" -}}10{{- end }}
{{- define "common.drain.frontend.overhead" -}}15{{- end }}

{{/* common.drain.env: YAML map. in: component context */}}
{{- define "common.drain.worker.env" -}}
DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS: "5"
DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS: {{ sub .Values.terminationGracePeriodSeconds (include "common.drain.worker.overhead" . | int64) | quote }}
{{- end }}

{{- define "common.drain.frontend.env" -}}
DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS: {{ sub .Values.terminationGracePeriodSeconds (include "common.drain.frontend.overhead" . | int64) | quote }}
{{- end }}
