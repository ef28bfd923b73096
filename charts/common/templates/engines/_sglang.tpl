{{/*
SGLang 0.5.21 under dynamo.sglang 1.6.1. Contract: engines/_vllm.tpl. All flags stand on the command line: a file (--config) is read behind
Dynamo's own flags, which would be unknown in it, and takes no flag that argparse does not simply store
(dynamo/sglang/args.py:604, findings/sglang-config-file-refuses-flags.sh).
*/}}
{{- define "dynamo-disagg.engine.sglang.image" -}}
registry: nvcr.io
repository: nvidia/ai-dynamo/sglang-runtime
tag: {{ .Chart.AppVersion | quote }}
digest: ""
pullPolicy: IfNotPresent
{{- end }}

{{- define "dynamo-disagg.engine.sglang.command" -}}
- python3
- -m
- dynamo.sglang
{{- end }}

{{/* Data and expert parallelism divide the tensor-parallel GPUs; they do not multiply them. */}}
{{- define "dynamo-disagg.engine.sglang.gpus" -}}
{{- with .root.Values.parallelism }}{{ mul .tensor .pipeline }}{{ end }}
{{- end }}

{{- define "dynamo-disagg.engine.sglang.args" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- $flags := dict
  "model-path" (include "dynamo-disagg.model" .root | fromJson).path
  "served-model-name" $global.model.name
  "page-size" $global.kvCache.blockSize
  "port" (include "dynamo-disagg.port.sglang" . | int)
  "enable-metrics" true
  "tp-size" $values.parallelism.tensor }}
{{- with $values.parallelism }}
{{- if gt (int .pipeline) 1 }}{{ $_ := set $flags "pp-size" .pipeline }}{{ end }}
{{- if gt (int .data) 1 }}{{ $_ := set $flags "dp-size" .data }}{{ end }}
{{- if gt (int .expert) 1 }}{{ $_ := set $flags "ep-size" .expert }}{{ end }}
{{- end }}
{{- if ne .mode "agg" }}
{{- $flags = merge $flags (dict
  "disaggregation-mode" .mode
  "disaggregation-transfer-backend" $global.kvTransfer.connector
  "disaggregation-bootstrap-port" (include "dynamo-disagg.port.sglangBootstrap" . | int)) }}
{{- end }}
{{- if and (eq $global.router.mode "kv") (ne .mode "decode") }}
{{- $_ := set $flags "kv-events-config" (dict "publisher" "zmq" "topic" "kv-events" "endpoint" "tcp://*:5557") }}
{{- end }}
{{- if gt (int .nodes) 1 }}
{{- $flags = merge $flags (dict
  "dist-init-addr" (printf "$(DYNAMO_LEADER_ADDRESS):%s" (include "dynamo-disagg.port.rendezvous" .))
  "nnodes" .nodes
  "node-rank" "$(DYNAMO_RANK)") }}
{{- end }}
{{- $layers := list (dict "host" "0.0.0.0") $global.engine.args $values.engineArgs $flags }}
{{- include "dynamo-disagg.programArgs" (dict "program" "sglang" "dynamo" (include "dynamo-disagg.dynamoVersion" .root) "layers" $layers) }}
{{- end }}

{{- define "dynamo-disagg.engine.sglang.config" -}}
{{- end }}

{{- define "dynamo-disagg.engine.sglang.env" -}}
# On pods with several NICs the automatic choice is wrong.
SGLANG_HOST_IP: {fieldRef: {fieldPath: status.podIP}}
{{- with .root.Values.global.kvTransfer }}
{{- if and (eq .connector "nixl") (ne $.mode "agg") }}
SGLANG_DISAGGREGATION_NIXL_BACKEND: {{ first .backends }}
{{- with .extraConfig }}
SGLANG_DISAGGREGATION_NIXL_BACKEND_PARAMS: {{ toJson . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dynamo-disagg.engine.sglang.pod" -}}
{}
{{- end }}

{{- define "dynamo-disagg.engine.sglang.serves" -}}{{- end }}

{{- define "dynamo-disagg.engine.sglang.needs" -}}
[]
{{- end }}

{{/* NIXL 1.5: UCX 1.23 keeps off the GPU memory of other PID namespaces. */}}
{{- define "dynamo-disagg.engine.sglang.cudaIpc" -}}namespace{{- end }}

{{- define "dynamo-disagg.engine.sglang.traces" -}}otlp-traces-endpoint{{- end }}

{{- define "dynamo-disagg.engine.sglang.images" -}}
worker: {enable-multimodal: "true"}
frontend: {frontend-decoding: "true"}
{{- end }}

{{- define "dynamo-disagg.engine.sglang.variables" -}}
DYN_SGL
{{- end }}

{{- define "dynamo-disagg.engine.sglang.tuning" -}}
flags: [max-running-requests, chunked-prefill-size, max-prefill-tokens, mem-fraction-static]
variables: ^(DYN_)?SGL(ANG)?_
{{- end }}

{{- define "dynamo-disagg.engine.sglang.owned" -}}
model: global.model.source
model-path: global.model.source
served-model-name: global.model.name
disaggregation-mode: global.serving (the role is set by the chart)
disaggregation-transfer-backend: global.kvTransfer.connector
disaggregation-bootstrap-port: remove it; it is {{ include "dynamo-disagg.port.sglangBootstrap" . }}
page-size: global.kvCache.blockSize
port: remove it; it is {{ include "dynamo-disagg.port.sglang" . }}, beside Dynamo's system port {{ include "dynamo-disagg.port.system" . }}
enable-metrics: remove it; metrics are always on
tp-size: "{role}.parallelism.tensor"
tensor-parallel-size: "{role}.parallelism.tensor"
pp-size: "{role}.parallelism.pipeline"
pipeline-parallel-size: "{role}.parallelism.pipeline"
dp-size: "{role}.parallelism.data"
data-parallel-size: "{role}.parallelism.data"
ep: "{role}.parallelism.expert"
ep-size: "{role}.parallelism.expert"
expert-parallel-size: "{role}.parallelism.expert"
kv-events-config: global.router.mode
config: remove it; write its flags in engineArgs
dist-init-addr: remove it; it is the worker's first pod
nnodes: "{role}.parallelism; the nodes of a worker are derived"
node-rank: remove it; it is the pod's rank
namespace: remove it; it is derived from the release
endpoint: remove it; it is derived from the role
discovery-backend: global.discovery.backend
request-plane: global.requestPlane
event-plane: global.eventPlane
router-mode: global.router.mode
{{- end }}

{{/* The protocol is MOONCAKE_PROTOCOL, which the probe's pods have too. Of a map of devices the first GPU's. */}}
{{- define "dynamo-disagg.engine.sglang.moves" -}}
{{- $devices := get (include "dynamo-disagg.overlay" (list .root.Values.global.engine.args .decode.Values.engineArgs) | fromJson) "disaggregation-ib-device" | default "" }}
{{- if and (kindIs "string" $devices) (hasPrefix "{" $devices) }}{{ $devices = fromJson $devices }}{{ end }}
{{- if kindIs "map" $devices }}{{ $devices = get $devices "0" }}{{ end }}
[--operation, WRITE{{ if and $devices (eq .root.Values.global.kvTransfer.connector "mooncake") }}, --devices, {{ $devices | toString | nospace | quote }}{{ end }}]
{{- end }}

{{- define "dynamo-disagg.engine.sglang.encoders" -}}
{{- end }}
