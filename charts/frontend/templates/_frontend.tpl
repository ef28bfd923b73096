{{/*
frontend.args: flags of dynamo.frontend, a YAML list. Derived flags win over frontend.args; typing one is
refused by common.validate (frontend.owned).
*/}}
{{- define "frontend.args" -}}
{{- $global := .Values.global }}
{{- $args := dict
  "http-port" 8000
  "router-mode" $global.router.mode
  "migration-limit" .Values.migrationLimit }}
{{- if eq $global.router.mode "kv" }}
{{- $_ := set $args "kv-cache-block-size" $global.kvCache.blockSize }}
{{- /* Each replica sees only its own requests; the others' must reach it, or it routes to busy workers. */}}
{{- if gt (int .Values.replicas) 1 }}{{ $_ := set $args "router-replica-sync" true }}{{ end }}
{{- end }}
{{- include "common.programArgs" (dict "program" "frontend" "layers" (list .Values.args $args)) }}
{{- end }}

{{- define "frontend.owned" -}}
http-port: nothing; it is 8000 in the pod. Set frontend.service.port
namespace: nothing; it is derived from the release
namespace-prefix: nothing; it is derived from the release
router-mode: global.router.mode
kv-cache-block-size: global.kvCache.blockSize
router-replica-sync: frontend.replicas
migration-limit: frontend.migrationLimit
discovery-backend: global.discovery.backend
request-plane: global.requestPlane
event-plane: global.eventPlane
tls-cert-path: frontend.ingress.tls or a Gateway; probes and the Service speak plain HTTP
tls-key-path: frontend.ingress.tls or a Gateway; probes and the Service speak plain HTTP
tls-client-ca-cert-path: frontend.ingress.tls or a Gateway; probes and the Service speak plain HTTP
interactive: nothing; a pod has no terminal
{{- end }}

{{/* frontend.ownedEnv: environment the chart sets. DYN_NAMESPACE is also the filter: only this release's workers answer. */}}
{{- define "frontend.ownedEnv" -}}
{{ include "common.env.pod" . | trim }}
{{ include "common.env.dynamo" . | trim }}
{{ include "common.drain.frontend.env" . | trim }}
{{- end }}
