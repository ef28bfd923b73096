{{/*
vLLM under dynamo.vllm 1.6.1. Engine contract (every file in engines/):
  .image  default image                            .gpus   GPUs of one worker, from its parallelism
  .module the Python module a worker runs           .args   its flags, a YAML list
  .env    environment of a role
  .owned  flags the chart sets -> the value to set instead
in (args, env, gpus): dict "root" <component context> "role" prefill|decode "mode" prefill|decode|agg
*/}}
{{- define "common.engine.vllm.image" -}}
registry: nvcr.io
repository: nvidia/ai-dynamo/vllm-runtime
tag: "1.6.1"
digest: ""
pullPolicy: IfNotPresent
{{- end }}

{{- define "common.engine.vllm.gpus" -}}
{{- with .root.Values.parallelism }}{{ mul .tensor .pipeline .data }}{{ end }}
{{- end }}

{{- define "common.engine.vllm.module" -}}
dynamo.vllm
{{- end }}

{{- define "common.engine.vllm.args" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- $args := dict
  "model" (include (printf "common.model.%s.path" $global.model.source.type) .root)
  "served-model-name" $global.model.name
  "disaggregation-mode" .mode
  "block-size" $global.kvCache.blockSize }}
{{- with $values.parallelism }}
{{- $_ := set $args "tensor-parallel-size" .tensor }}
{{- if gt (int .pipeline) 1 }}{{ $_ := set $args "pipeline-parallel-size" .pipeline }}{{ end }}
{{- if gt (int .data) 1 }}{{ $_ := set $args "data-parallel-size" .data }}{{ end }}
{{- end }}
{{- if ne .mode "agg" }}
{{- $connector := dict "nixl" "NixlConnector" }}
{{- $_ := set $args "kv-transfer-config" (dict "kv_connector" (get $connector $global.kvTransfer.connector) "kv_role" "kv_both") }}
{{- end }}
{{- /* Only workers whose cache the router indexes publish events; without them a kv router is blind. */}}
{{- if and (eq $global.router.mode "kv") (ne .mode "decode") }}
{{- $_ := set $args "kv-events-config" (dict "publisher" "zmq" "topic" "kv-events" "endpoint" "tcp://*:20080" "enable_kv_cache_events" true) }}
{{- end }}
{{- include "common.programArgs" (dict "program" "vllm" "layers" (list $global.engine.args $values.engineArgs $args)) }}
{{- end }}

{{- define "common.engine.vllm.env" -}}
# The pod IP always: on pods with several NICs, and with some connectors, the automatic choice is wrong.
VLLM_NIXL_SIDE_CHANNEL_HOST: {fieldRef: {fieldPath: status.podIP}}
{{- end }}

{{- define "common.engine.vllm.owned" -}}
model: global.model.name and global.model.source
served-model-name: global.model.name
disaggregation-mode: global.serving (the role is set by the chart)
block-size: global.kvCache.blockSize
tensor-parallel-size: "{role}.parallelism.tensor"
pipeline-parallel-size: "{role}.parallelism.pipeline"
data-parallel-size: "{role}.parallelism.data"
kv-transfer-config: global.kvTransfer.connector
kv-events-config: global.router.mode
connector: global.kvTransfer.connector
namespace: nothing; it is derived from the release
endpoint: nothing; it is derived from the role
discovery-backend: global.discovery.backend
request-plane: global.requestPlane
event-plane: global.eventPlane
headless: nothing; the chart sets it on ranks >= 1
router-mode: global.router.mode
{{- end }}
