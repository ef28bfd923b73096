{{/*
dynamo-disagg.frontend.args: flags of dynamo.frontend, a YAML list. Derived flags win over frontend.args; typing one is
refused (templates/validate).
*/}}
{{- define "dynamo-disagg.frontend.args" -}}
{{- $global := .Values.global }}
{{- $args := dict
  "http-port" (include "dynamo-disagg.port.http" . | int)
  "router-mode" $global.router.mode
  "migration-limit" .Values.migrationLimit }}
{{- if eq $global.router.mode "kv" }}
{{- $_ := set $args "kv-cache-block-size" $global.kvCache.blockSize }}
{{- /* Each replica sees only its own requests; the others' must reach it, or it routes to busy workers. One has it too: */}}
{{- /* a command line that knows the number of replicas would restart them all when it changes. */}}
{{- $_ := set $args "router-replica-sync" true }}
{{- with .Values.rejection }}
{{- if .kvUsagePercent }}{{ $_ := set $args "active-decode-blocks-threshold" (divf .kvUsagePercent 100) }}{{ end }}
{{- if .promptTokens }}{{ $_ := set $args "active-prefill-tokens-threshold" (int64 .promptTokens) }}{{ end }}
{{- end }}
{{- end }}
{{- with $global.router.sessionAffinity }}
{{- if .ttlSeconds }}{{ $_ := set (set $args "router-session-affinity-ttl-secs" (int64 .ttlSeconds)) "router-session-affinity-mode" .mode }}{{ end }}
{{- end }}
{{- include "dynamo-disagg.programArgs" (dict "program" "frontend" "dynamo" (include "dynamo-disagg.dynamoVersion" .) "layers" (list .Values.args $args)) }}
{{- end }}

{{- define "dynamo-disagg.frontend.owned" -}}
http-port: remove it; it is {{ include "dynamo-disagg.port.http" . }} in the pod. Set frontend.service.port
namespace: remove it; it is derived from the release
namespace-prefix: remove it; it is derived from the release
router-mode: global.router.mode
router-session-affinity-ttl-secs: global.router.sessionAffinity.ttlSeconds
router-session-affinity-mode: global.router.sessionAffinity.mode
kv-cache-block-size: global.kvCache.blockSize
router-replica-sync: remove it; the replicas of a kv router always synchronise
migration-limit: frontend.migrationLimit
active-decode-blocks-threshold: frontend.rejection.kvUsagePercent
active-prefill-tokens-threshold: frontend.rejection.promptTokens
discovery-backend: global.discovery.backend
request-plane: global.requestPlane
event-plane: global.eventPlane
tls-cert-path: frontend.ingress.tls or a Gateway; probes and the Service speak plain HTTP
tls-key-path: frontend.ingress.tls or a Gateway; probes and the Service speak plain HTTP
tls-client-ca-cert-path: frontend.ingress.tls or a Gateway; probes and the Service speak plain HTTP
interactive: remove it; a pod has no terminal
kserve-grpc-server: remove it; gRPC would be served in place of HTTP, which probes, the Service and clients speak
{{- end }}

{{/*
dynamo-disagg.frontend.ownedEnv: environment the chart sets. Workers of all generations of this release answer, and no others. Without a
home that it may write to, Dynamo's frontend lists no model and is healthy all the same.
out: JSON map
*/}}
{{- define "dynamo-disagg.frontend.ownedEnv" -}}
{{- merge
      (dict "HOME" (include "dynamo-disagg.frontend.mounts" . | fromJson).tmp.mountPath)
      (include "dynamo-disagg.env.pod" . | fromJson)
      (include "dynamo-disagg.env.telemetry" . | fromJson)
      (include "dynamo-disagg.env.dynamo" . | fromJson)
      (dict "DYN_NAMESPACE_PREFIX" (include "dynamo-disagg.dynamoNamespace" .)
            "DYN_NAMESPACE_PREFIX_STRICT" "true"
            "DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS" "1"
            "DYN_HTTP_BACKEND_STREAM_TIMEOUT_SECS" (toString .Values.streamTimeoutSeconds)) | toJson }}
{{- end }}

{{/*
dynamo-disagg.frontend.env: defaults that frontend.env may change. A worker that failed is left alone for Dynamo's 5 s, and then the next
request pays for trying it. Twice that, and no more: the only worker of its role is left alone as long. Over NATS a request
waits for a worker that is away as long as over TCP, not for 10 s. out: JSON map
*/}}
{{- define "dynamo-disagg.frontend.env" -}}
{{- $env := dict "DYN_RUNTIME_INHIBITED_DURATION_SECS" "10" }}
{{- if eq .Values.global.requestPlane "nats" }}{{ $_ := set $env "DYN_NATS_REQUEST_TIMEOUT_SECS" "5" }}{{ end }}
{{- toJson $env }}
{{- end }}

{{/* dynamo-disagg.frontend.mounts: where the pod's own volumes are; its root file system is read-only. out: JSON map name -> volumeMount */}}
{{- define "dynamo-disagg.frontend.mounts" -}}
{{- merge (dict "tmp" (dict "mountPath" "/tmp")) (include "dynamo-disagg.tls.mounts" . | fromJson) | toJson }}
{{- end }}
