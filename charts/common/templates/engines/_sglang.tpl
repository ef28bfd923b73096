{{/*
SGLang 0.5.21 under dynamo.sglang 1.6.1. Contract: engines/_vllm.tpl. Flags go into a mounted file, which SGLang reads
itself; only those with the pod's rank and address stay on the command line.
*/}}
{{- define "common.engine.sglang.image" -}}
registry: nvcr.io
repository: nvidia/ai-dynamo/sglang-runtime
tag: "1.6.1"
digest: ""
pullPolicy: IfNotPresent
{{- end }}

{{- define "common.engine.sglang.command" -}}
[python3, -m, dynamo.sglang]
{{- end }}

{{/* Data and expert parallelism divide the tensor-parallel GPUs; they do not multiply them. */}}
{{- define "common.engine.sglang.gpus" -}}
{{- with .root.Values.parallelism }}{{ mul .tensor .pipeline }}{{ end }}
{{- end }}

{{/* What SGLang asserts (arg_groups/validation_hook.py), or changes with no more than a line in its log (overrides.py). */}}
{{- define "common.engine.sglang.check" -}}
{{- $role := .role }}{{ $root := .root }}
{{- $flags := include "common.worker.flags" .root | fromYaml }}
{{- $blockSize := int .root.Values.global.kvCache.blockSize }}
{{- with .root.Values.parallelism }}
{{- $shares := or (include "common.flags.isOn" (dict "root" $root "flags" $flags "flag" "enable-dp-attention")) (include "common.flags.isOn" (dict "root" $root "flags" $flags "flag" "enable-prefill-cp")) }}
{{- if and (gt (int .data) 1) (not $shares) }}
{{ $role }}.parallelism.data: without enable-dp-attention SGLang wants {{ .data }} times the {{ mul .tensor .pipeline }} GPUs of the worker: set {{ $role }}.engineArgs.enable-dp-attention=true, or data=1 and more replicas
{{- end }}
{{- if ne (mod (int .tensor) (int .data)) 0 }}
{{ $role }}.parallelism.data: SGLang divides its {{ .tensor }} tensor-parallel GPUs among the data-parallel groups: choose a divisor of {{ .tensor }}
{{- end }}
{{- if ne (mod (int .tensor) (int .expert)) 0 }}
{{ $role }}.parallelism.expert: SGLang spreads experts over its {{ .tensor }} tensor-parallel GPUs: choose a divisor of {{ .tensor }}
{{- end }}
{{- end }}
{{- if include "common.flags.isOn" (dict "root" $root "flags" $flags "flag" "disable-radix-cache") }}
{{ include "common.validate.blindRouter" (dict "root" .root "flag" "disable-radix-cache") }}
{{- end }}
{{- $pages := dict "flashmla" (list 64) "trtllm_mla" (list 32 64) "tokenspeed_mla" (list 32 64) "cutedsl_mla" (list 32 64) "trtllm_mha" (list 16 32 64 128) "hpc_ops" (list 64) }}
{{- range $flag := list "attention-backend" "decode-attention-backend" }}
{{- $backend := get $flags $flag | toString }}
{{- with get $pages $backend }}
{{- if not (has $blockSize .) }}
global.kvCache.blockSize: SGLang's {{ $flag }} {{ $backend }} takes pages of {{ join ", " . }} tokens and would change {{ $blockSize }} on its own, unlike the router: set one of them
{{- end }}
{{- end }}
{{- end }}
{{- $chunk := get $flags "chunked-prefill-size" | default 0 | int }}
{{- if and (gt $chunk 0) (ne (mod $chunk $blockSize) 0) (ne (include "common.worker.mode" .root) "decode") }}
{{ $role }}.engineArgs.chunked-prefill-size: SGLang prefills whole pages, and {{ $chunk }} is no multiple of global.kvCache.blockSize {{ $blockSize }}: choose {{ mul $blockSize (max 1 (div $chunk $blockSize)) }}
{{- end }}
{{- end }}

{{/*
SGLang 0.5.21 (disaggregation/common/conn.py): the decode worker raises when the KV dtypes differ, asserts that its
pipeline-parallel size is 1 or prefill's, and asks for ranks that do not exist when neither attention
tensor-parallel size divides the other.
*/}}
{{- define "common.engine.sglang.pair" -}}
{{ include "common.validate.alike" (dict "roles" . "flags" (list "dtype" "kv-cache-dtype")) }}
{{- $ranks := dict "what" "attention tensor-parallel sizes (tensor, divided by data with enable-dp-attention)" }}
{{- range $role := list "prefill" "decode" }}
{{- $of := get $ $role }}
{{- $groups := ternary (int $of.parallelism.data) 1 (eq (toString (get $of.flags "enable-dp-attention")) "true") }}
{{- $_ := set $ranks $role (max 1 (div (int $of.parallelism.tensor) $groups)) }}
{{- end }}
{{ include "common.validate.ranks" $ranks }}
{{- if not (has (int .decode.parallelism.pipeline) (list 1 (int .prefill.parallelism.pipeline))) }}
decode.parallelism.pipeline: SGLang's decode workers take the KV cache of prefill's {{ .prefill.parallelism.pipeline }} pipeline stages with 1 stage or as many: choose 1{{ if gt (int .prefill.parallelism.pipeline) 1 }} or {{ .prefill.parallelism.pipeline }}{{ end }}
{{- end }}
{{- end }}

{{- define "common.engine.sglang.config" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- $flags := dict
  "model-path" (include "common.model" .root | fromYaml).path
  "served-model-name" $global.model.name
  "page-size" $global.kvCache.blockSize
  "host" "0.0.0.0"
  "port" 30000
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
  "disaggregation-bootstrap-port" 30001) }}
{{- end }}
{{- if and (eq $global.router.mode "kv") (ne .mode "decode") }}
{{- $_ := set $flags "kv-events-config" (dict "publisher" "zmq" "topic" "kv-events" "endpoint" "tcp://*:5557") }}
{{- end }}
{{- range $flag, $value := include "common.overlay" (list $global.engine.args $values.engineArgs $flags) | fromYaml }}
{{- if kindIs "map" $value }}
{{ $flag }}: {{ toJson $value | toJson }}
{{- else if kindIs "float64" $value }}
{{ $flag }}: {{ include "common.args.value" $value }}
{{- else }}
{{ $flag }}: {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* The option and its path must be two words: SGLang looks for a separate --config. */}}
{{- define "common.engine.sglang.args" -}}
- --config
- /etc/dynamo/engine.yaml
{{- if gt (int .nodes) 1 }}
- --dist-init-addr
- $(DYNAMO_LEADER_ADDRESS):29500
- --nnodes
- {{ .nodes | quote }}
- --node-rank
- $(DYNAMO_RANK)
{{- end }}
{{- end }}

{{- define "common.engine.sglang.env" -}}
# On pods with several NICs the automatic choice is wrong.
SGLANG_HOST_IP: {fieldRef: {fieldPath: status.podIP}}
{{- end }}

{{- define "common.engine.sglang.pod" -}}
{}
{{- end }}

{{- define "common.engine.sglang.variables" -}}
DYN_SGL
{{- end }}

{{- define "common.engine.sglang.owned" -}}
model: global.model.source
model-path: global.model.source
served-model-name: global.model.name
disaggregation-mode: global.serving (the role is set by the chart)
disaggregation-transfer-backend: global.kvTransfer.connector
disaggregation-bootstrap-port: nothing; it is 30001
page-size: global.kvCache.blockSize
host: nothing; it is 0.0.0.0
port: nothing; it is 30000, beside Dynamo's system port 9090
enable-metrics: nothing; metrics are always on
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
config: nothing; the chart mounts the file
dist-init-addr: nothing; it is the worker's first pod
nnodes: "{role}.parallelism; the nodes of a worker are derived"
node-rank: nothing; it is the pod's rank
namespace: nothing; it is derived from the release
endpoint: nothing; it is derived from the role
discovery-backend: global.discovery.backend
request-plane: global.requestPlane
event-plane: global.eventPlane
router-mode: global.router.mode
{{- end }}
