{{/*
vLLM under dynamo.vllm 1.6.1. Engine contract (every file in engines/):
  .image  default image                            .gpus   GPUs of one worker, from its parallelism
  .command what a container runs, a YAML list       .args   its flags, a YAML list; nothing where it takes none
  .config a configuration file for the flags that are not in .args, or nothing
  .env    environment of a role                     .pod    what its pods need besides, a YAML map:
          volumes, as in a role's values, and capabilities
  .check  problems of a role's values, one a line (common.validate)
  .pair   problems between the two roles; in: "prefill" and "decode", each {context, parallelism, flags}
  .owned  flags the chart sets -> the value to set instead
  .variables how Dynamo's variables for the engine's own flags begin: <it>_<FLAG>
in:  dict "root" <component context> "role" prefill|decode "mode" prefill|decode|agg "nodes" of one worker
     "rank" {class: leader|worker, ...} of the pod, see common.worker.podTemplate (not in gpus, check and config)
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

{{- define "common.engine.vllm.command" -}}
[python3, -m, dynamo.vllm]
{{- end }}

{{- define "common.engine.vllm.args" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- $args := dict
  "model" (include "common.model" .root | fromYaml).path
  "served-model-name" $global.model.name
  "disaggregation-mode" .mode
  "block-size" $global.kvCache.blockSize }}
{{- with $values.parallelism }}
{{- $_ := set $args "tensor-parallel-size" .tensor }}
{{- if gt (int .pipeline) 1 }}{{ $_ := set $args "pipeline-parallel-size" .pipeline }}{{ end }}
{{- if gt (int .data) 1 }}{{ $_ := set $args "data-parallel-size" .data }}{{ end }}
{{- if gt (int .expert) 1 }}{{ $_ := set $args "enable-expert-parallel" true }}{{ end }}
{{- end }}
{{- if ne .mode "agg" }}
{{- $connectors := dict "nixl" "NixlConnector" "mooncake" "MooncakeConnector" }}
{{- $_ := set $args "kv-transfer-config" (dict "kv_connector" (get $connectors $global.kvTransfer.connector) "kv_role" "kv_both") }}
{{- end }}
{{- /* Only workers whose cache the router indexes publish events; without them a kv router is blind. */}}
{{- if and (eq $global.router.mode "kv") (ne .mode "decode") }}
{{- $_ := set $args "kv-events-config" (dict "publisher" "zmq" "topic" "kv-events" "endpoint" "tcp://*:20080" "enable_kv_cache_events" true) }}
{{- end }}
{{- if gt (int .nodes) 1 }}
{{- $args = merge $args (dict
      "distributed-executor-backend" "mp"
      "nnodes" .nodes
      "node-rank" "$(DYNAMO_RANK)"
      "master-addr" "$(DYNAMO_LEADER_ADDRESS)"
      "master-port" 29500) }}
{{- if eq .rank.class "worker" }}{{ $_ := set $args "headless" true }}{{ end }}
{{- end }}
{{- include "common.programArgs" (dict "program" "vllm" "layers" (list $global.engine.args $values.engineArgs $args)) }}
{{- end }}

{{- define "common.engine.vllm.check" -}}
{{- $role := .role }}{{ $perNode := .perNode }}
{{- with .root.Values.parallelism }}
{{- if and (gt (mul .tensor .pipeline .data | int) $perNode) (le (mul .tensor .pipeline | int) $perNode) }}
{{ $role }}.parallelism.data: vLLM's data parallelism does not span nodes of {{ $perNode }} GPUs here: use replicas for it
{{- end }}
{{- if and (gt (int .expert) 1) (ne (int .expert) (mul .tensor .data | int)) }}
{{ $role }}.parallelism.expert: vLLM spreads experts over all {{ mul .tensor .data }} tensor x data ranks: choose {{ mul .tensor .data }}, or 1 for none
{{- end }}
{{- end }}
{{- $flags := include "common.worker.flags" .root | fromYaml }}
{{- if or (eq (toString (get $flags "enable-prefix-caching")) "false") (has "--no-enable-prefix-caching" .root.Values.extraArgs) }}
{{ include "common.validate.blindRouter" (dict "root" .root "flag" "enable-prefix-caching") }}
{{- end }}
{{- /* vllm/config/scheduler.py verify_max_model_len */}}
{{- $tokens := get $flags "max-num-batched-tokens" | default 0 | int }}
{{- range $flag := list "max-num-seqs" (ternary "max-model-len" "" (eq (toString (get $flags "enable-chunked-prefill")) "false")) }}
{{- $least := get $flags $flag | default 0 | int }}
{{- if and (gt $tokens 0) (lt $tokens $least) }}
{{ $role }}.engineArgs.max-num-batched-tokens: vLLM refuses {{ $tokens }} below {{ $flag }} {{ $least }}: raise it, or lower {{ $flag }}
{{- end }}
{{- end }}
{{- end }}

{{/*
vLLM 0.31.0: both connectors assert that one tensor-parallel size divides the other (kv_connector/utils.py tp_ratio,
mooncake_connector.py _get_tp_ratio), and NIXL's handshake refuses other dtypes (nixl/metadata.py).
*/}}
{{- define "common.engine.vllm.pair" -}}
{{ include "common.validate.ranks" (dict "what" "tensor-parallel sizes" "prefill" .prefill.parallelism.tensor "decode" .decode.parallelism.tensor) }}
{{ include "common.validate.alike" (dict "roles" . "flags" (list "dtype" "kv-cache-dtype")) }}
{{- end }}

{{- define "common.engine.vllm.config" -}}
{{- end }}

{{- define "common.engine.vllm.env" -}}
# The pod IP always: on pods with several NICs, and with some connectors, the automatic choice is wrong.
VLLM_NIXL_SIDE_CHANNEL_HOST: {fieldRef: {fieldPath: status.podIP}}
{{- end }}

{{- define "common.engine.vllm.pod" -}}
{}
{{- end }}

{{- define "common.engine.vllm.variables" -}}
DYN_VLLM
{{- end }}

{{- define "common.engine.vllm.owned" -}}
model: global.model.name and global.model.source
served-model-name: global.model.name
disaggregation-mode: global.serving (the role is set by the chart)
block-size: global.kvCache.blockSize
tensor-parallel-size: "{role}.parallelism.tensor"
pipeline-parallel-size: "{role}.parallelism.pipeline"
data-parallel-size: "{role}.parallelism.data"
enable-expert-parallel: "{role}.parallelism.expert"
kv-transfer-config: global.kvTransfer.connector
kv-events-config: global.router.mode
connector: global.kvTransfer.connector
namespace: nothing; it is derived from the release
endpoint: nothing; it is derived from the role
discovery-backend: global.discovery.backend
request-plane: global.requestPlane
event-plane: global.eventPlane
headless: nothing; the chart sets it on ranks >= 1
distributed-executor-backend: nothing; workers of several nodes use mp
nnodes: "{role}.parallelism; the nodes of a worker are derived"
node-rank: nothing; it is the pod's rank
master-addr: nothing; it is the worker's first pod
master-port: nothing; it is 29500
router-mode: global.router.mode
{{- end }}
