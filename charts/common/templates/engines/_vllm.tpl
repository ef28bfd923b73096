{{/*
vLLM under dynamo.vllm 1.6.1. Engine contract (every file in engines/; what is refused: templates/validate/engines/):
  .image  default image                            .gpus   GPUs of one worker, from its parallelism
  .command what a container runs, a YAML list       .args   its flags, a YAML list; nothing where it takes none
  .config a configuration file for the flags that are not in .args, or nothing
  .env    environment of a role                     .pod    what its pods need besides, a YAML map:
          volumes, as in a role's values, and capabilities
  .serves "true" where every pod of a worker of several nodes serves, nothing where its leader does
  .needs  objects that must exist, a YAML list as of dynamo-disagg.needs
  .owned  flags the chart sets -> the value to set instead, or "remove it" and why, for templates/validate
  .encoders  flags that it sets too where there is a pool of encoders, as .owned; nothing where the engine has none here
  .cudaIpc  what its KV cache was measured to need to move over cuda_ipc between pods of one node: "numbers" (different
            process numbers), "namespace" (one PID namespace), or nothing where it was not run; in: component context
  .moves  how the KV cache gets to decode, as flags of files/kv_probe, a YAML list: READ, decode fetches it, or WRITE, prefill
          sends it; with Mooncake what it is asked for, and the devices. in: dict "root" root context "decode" its context
  .traces  the flag that names the collector of its own traces
  .images  flag -> value with which a component ("worker", "frontend") fetches the images of requests. out: YAML map by component
  .tuning  a YAML map: flags, and a.b for the key b of the file's map a, that change neither the KV cache nor the model's card
          (dynamo-disagg.worker.identity; the mocker's card was taken with others of the kind, 2026-11-29), and the variables, a
          pattern, that may
  .variables how Dynamo's variables for the engine's own flags begin: <it>_<FLAG>
in:  dict "root" <component context> "role" prefill|decode|encode "mode" prefill|decode|agg|encode "nodes" of one worker
     "rank" {class: leader|worker, ...} of the pod, see dynamo-disagg.worker.podTemplate (not in gpus, config and needs)
*/}}
{{- define "dynamo-disagg.engine.vllm.image" -}}
registry: nvcr.io
repository: nvidia/ai-dynamo/vllm-runtime
tag: {{ .Chart.AppVersion | quote }}
digest: ""
pullPolicy: IfNotPresent
{{- end }}

{{- define "dynamo-disagg.engine.vllm.gpus" -}}
{{- with .root.Values.parallelism }}{{ mul .tensor .pipeline .data }}{{ end }}
{{- end }}

{{- define "dynamo-disagg.engine.vllm.command" -}}
- python3
- -m
- dynamo.vllm
{{- end }}

{{- define "dynamo-disagg.engine.vllm.args" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- $args := dict
  "model" (include "dynamo-disagg.model" .root | fromJson).path
  "served-model-name" $global.model.name
  "disaggregation-mode" .mode }}
{{- if .root.encodes }}
{{- $_ := set $args "enable-multimodal" true }}
{{- /* Decode gets the images' places in the prompt as embeddings, too (dynamo/vllm/multimodal_utils/model.py). */}}
{{- if ne .mode "encode" }}{{ $_ := set $args "enable-mm-embeds" true }}{{ end }}
{{- if has .mode (list "prefill" "agg") }}{{ $_ := set $args "route-to-encoder" true }}{{ end }}
{{- end }}
{{- if ne .mode "encode" }}
{{- $_ := set $args "block-size" $global.kvCache.blockSize }}
{{- with $values.parallelism }}
{{- $_ := set $args "tensor-parallel-size" .tensor }}
{{- if gt (int .pipeline) 1 }}{{ $_ := set $args "pipeline-parallel-size" .pipeline }}{{ end }}
{{- if gt (int .data) 1 }}{{ $_ := set $args "data-parallel-size" .data }}{{ end }}
{{- if gt (int .expert) 1 }}{{ $_ := set $args "enable-expert-parallel" true }}{{ end }}
{{- end }}
{{- end }}
{{- if or (has .mode (list "prefill" "decode")) (and (eq .mode "agg") $global.kvTransfer.offloadConnectors) }}
{{- $_ := set $args "kv-transfer-config" (include "dynamo-disagg.engine.vllm.kvTransfer" . | fromJson) }}
{{- end }}
{{- /* Prefill tells decode this address (mooncake_connector.py:2349); vLLM's own is 127.0.0.1. */}}
{{- if and (eq .mode "prefill") (eq $global.kvTransfer.connector "mooncake") (gt (int $values.parallelism.data) 1) (eq (int .nodes) 1) }}
{{- $_ := set $args "data-parallel-address" "$(POD_IP)" }}
{{- end }}
{{- /* Only workers whose cache the router indexes publish events; without them a kv router is blind. */}}
{{- if and (eq $global.router.mode "kv") (has .mode (list "prefill" "agg")) }}
{{- $_ := set $args "kv-events-config" (dict "publisher" "zmq" "topic" "kv-events" "endpoint" "tcp://*:20080" "enable_kv_cache_events" true) }}
{{- end }}
{{- if gt (int .nodes) 1 }}
{{- $args = merge $args (dict
      "distributed-executor-backend" "mp"
      "nnodes" .nodes
      "node-rank" "$(DYNAMO_RANK)"
      "master-addr" "$(DYNAMO_LEADER_ADDRESS)"
      "master-port" (include "dynamo-disagg.port.rendezvous" . | int)) }}
{{- if include "dynamo-disagg.engine.vllm.serves" . }}{{ $_ := set $args "data-parallel-hybrid-lb" true }}
{{- else if eq .rank.class "worker" }}{{ $_ := set $args "headless" true }}{{ end }}
{{- end }}
{{- include "dynamo-disagg.programArgs" (dict "program" "vllm" "dynamo" (include "dynamo-disagg.dynamoVersion" .root) "layers" (list $global.engine.args $values.engineArgs $args)) }}
{{- end }}

{{/*
dynamo-disagg.engine.vllm.kvTransfer: KVTransferConfig of a role (vllm/config/kv_transfer.py). Each role has its own kv_role:
vLLM deprecates kv_both for NIXL, and its guards against a wrong pair work only with producer and consumer. Aggregated workers have
what offloads their cache alone.
out: JSON map
*/}}
{{- define "dynamo-disagg.engine.vllm.kvTransfer" -}}
{{- with .root.Values.global.kvTransfer }}
{{- $offload := list }}
{{- range .offloadConnectors }}{{ $offload = append $offload (merge (dict) . (dict "kv_role" "kv_both")) }}{{ end }}
{{- if ne $.mode "agg" }}
{{- $config := dict
      "kv_connector" (get (dict "nixl" "NixlConnector" "mooncake" "MooncakeConnector") .connector)
      "kv_role" (ternary "kv_producer" "kv_consumer" (eq $.mode "prefill"))
      "kv_load_failure_policy" .onLoadFailure }}
{{- if eq .connector "nixl" }}
{{- $_ := set $config "kv_connector_extra_config" (dict "backends" .backends "kv_lease_duration" (int64 .leaseSeconds)) }}
{{- end }}
{{- $config = include "dynamo-disagg.overlay" (list $config .extraConfig) | fromJson }}
{{- if $offload }}
{{- $connectors := concat (list (omit $config "kv_load_failure_policy")) $offload }}
{{- $wrapper := dict "kv_connector" "MultiConnector" }}
{{- range $offload }}
{{- if eq .kv_connector "DynamoConnector" }}
{{- $wrapper = dict "kv_connector" "PdConnector" "kv_connector_module_path" "kvbm.vllm_integration.connector" }}
{{- end }}
{{- end }}
{{- $config = merge $wrapper (dict
      "kv_role" "kv_both"
      "kv_load_failure_policy" .onLoadFailure
      "kv_connector_extra_config" (dict "connectors" $connectors)) }}
{{- end }}
{{- toJson $config }}
{{- else if eq (len $offload) 1 }}
{{- first $offload | toJson }}
{{- else }}
{{- dict "kv_connector" "MultiConnector" "kv_role" "kv_both" "kv_connector_extra_config" (dict "connectors" $offload) | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dynamo-disagg.engine.vllm.config" -}}
{{- end }}

{{- define "dynamo-disagg.engine.vllm.env" -}}
{{- if or (ne .mode "agg") .root.encodes }}
# vLLM sets it itself, but too late: Dynamo has imported NIXL by then, and vLLM only warns (vllm/distributed/nixl_utils.py).
UCX_RCACHE_MAX_UNRELEASED: "1024"
{{- end }}
# The pod IP always: on pods with several NICs, and with some connectors, the automatic choice is wrong.
VLLM_NIXL_SIDE_CHANNEL_HOST: {fieldRef: {fieldPath: status.podIP}}
{{- if and (eq .mode "prefill") (eq .root.Values.global.kvTransfer.connector "mooncake") }}
# Prefill tells decode this address (mooncake_connector.py:2349, config/parallel.py:962); vLLM's own is 127.0.0.1.
VLLM_DP_MASTER_IP: {fieldRef: {fieldPath: status.podIP}}
{{- end }}
{{- end }}

{{- define "dynamo-disagg.engine.vllm.pod" -}}
{}
{{- end }}

{{/*
Data-parallel ranks that each fit a node: every pod has its own scheduler and endpoint for its ranks, whose numbers vLLM works
out from --node-rank, and the experts are spread over all of them (engine/arg_utils.py:2292-2420, dynamo/vllm/dp_topology.py).
*/}}
{{- define "dynamo-disagg.engine.vllm.serves" -}}
{{- $perNode := (include "dynamo-disagg.hardware" .root | fromJson).gpusPerNode | int }}
{{- with .root.Values.parallelism }}{{ if and (gt (int .data) 1) (le (mul .tensor .pipeline | int) $perNode) }}true{{ end }}{{ end }}
{{- end }}

{{- define "dynamo-disagg.engine.vllm.needs" -}}
[]
{{- end }}

{{- define "dynamo-disagg.engine.vllm.cudaIpc" -}}numbers{{- end }}

{{- define "dynamo-disagg.engine.vllm.traces" -}}otlp-traces-endpoint{{- end }}

{{- define "dynamo-disagg.engine.vllm.images" -}}
worker: {enable-multimodal: "true"}
frontend: {frontend-decoding: "true"}
{{- end }}

{{- define "dynamo-disagg.engine.vllm.variables" -}}
DYN_VLLM
{{- end }}

{{- define "dynamo-disagg.engine.vllm.tuning" -}}
flags: [max-num-seqs, max-num-batched-tokens, gpu-memory-utilization]
variables: ^(DYN_)?VLLM_
{{- end }}

{{- define "dynamo-disagg.engine.vllm.owned" -}}
model: global.model.name and global.model.source
served-model-name: global.model.name
disaggregation-mode: global.serving (the role is set by the chart)
block-size: global.kvCache.blockSize
tensor-parallel-size: "{role}.parallelism.tensor"
pipeline-parallel-size: "{role}.parallelism.pipeline"
data-parallel-size: "{role}.parallelism.data"
data-parallel-rank: "{role}.parallelism.data"
data-parallel-start-rank: "{role}.parallelism.data"
data-parallel-size-local: "{role}.parallelism.data"
data-parallel-address: "{role}.parallelism.data"
data-parallel-rpc-port: "{role}.parallelism.data"
data-parallel-external-lb: "{role}.parallelism.data"
data-parallel-backend: "{role}.parallelism.data"
prefill-context-parallel-size: remove it; the GPUs of a worker follow from {role}.parallelism
enable-expert-parallel: "{role}.parallelism.expert"
kv-transfer-config: global.kvTransfer (backends, offloadConnectors, extraConfig)
kv-events-config: global.router.mode
connector: global.kvTransfer.connector, or offloadConnectors for what keeps the KV cache elsewhere
namespace: remove it; it is derived from the release
endpoint: remove it; it is derived from the role
discovery-backend: global.discovery.backend
request-plane: global.requestPlane
event-plane: global.eventPlane
headless: remove it; the chart sets it on ranks >= 1
distributed-executor-backend: remove it; workers of several nodes use mp
nnodes: "{role}.parallelism; the nodes of a worker are derived"
node-rank: remove it; it is the pod's rank
master-addr: remove it; it is the worker's first pod
master-port: remove it; it is {{ include "dynamo-disagg.port.rendezvous" . }}
router-mode: global.router.mode
route-to-encoder: encode.replicas (prompts' workers ask the encoders then)
{{- end }}

{{- define "dynamo-disagg.engine.vllm.encoders" -}}
enable-multimodal: remove it; all workers have it beside encoders (encode.replicas)
enable-mm-embeds: remove it; all workers have it beside encoders (encode.replicas)
{{- end }}

{{/* mooncake/mooncake_connector.py: prefill sends, over the protocol that its own settings name. */}}
{{- define "dynamo-disagg.engine.vllm.moves" -}}
{{- with .root.Values.global.kvTransfer }}
{{- if eq .connector "mooncake" }}
{{- $settings := .extraConfig.kv_connector_extra_config | default dict }}
[--operation, WRITE, --protocol, {{ $settings.mooncake_protocol | default "rdma" | quote }}]
{{- else }}
[--operation, READ]
{{- end }}
{{- end }}
{{- end }}
