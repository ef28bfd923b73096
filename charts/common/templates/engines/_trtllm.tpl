{{/*
TensorRT-LLM 1.3.0rc29 under dynamo.trtllm 1.6.1. Contract: engines/_vllm.tpl. Flags of dynamo.trtllm stay on the
command line; flags that begin with "trtllm." are settings of TensorRT-LLM's LLM API and go into a mounted file, where
they keep their types (on the command line they would be text). What stands in the file wins over a flag.
*/}}
{{- define "dynamo-disagg.engine.trtllm.image" -}}
registry: nvcr.io
repository: nvidia/ai-dynamo/tensorrtllm-runtime
tag: {{ .Chart.AppVersion | quote }}
digest: ""
pullPolicy: IfNotPresent
{{- end }}

{{/* Attention data parallelism and expert parallelism divide the tensor-parallel GPUs; they do not multiply them. */}}
{{- define "dynamo-disagg.engine.trtllm.gpus" -}}
{{- with .root.Values.parallelism }}{{ mul .tensor .pipeline }}{{ end }}
{{- end }}

{{- define "dynamo-disagg.engine.trtllm.command" -}}
{{- if eq (int .nodes) 1 }}
- python3
- -m
- dynamo.trtllm
{{- else if eq .rank.class "leader" }}
[bash, /opt/ranks/lead.sh, python3, -m, dynamo.trtllm]
{{- else }}
[bash, /opt/ranks/join.sh]
{{- end }}
{{- end }}

{{- define "dynamo-disagg.engine.trtllm.args" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- if or (eq (int .nodes) 1) (eq .rank.class "leader") }}
{{- $args := dict
  "model" (include "dynamo-disagg.model" .root | fromJson).path
  "served-model-name" $global.model.name
  "disaggregation-mode" .mode
  "kv-block-size" $global.kvCache.blockSize
  "extra-engine-args" "/etc/dynamo/engine.yaml" }}
{{- with $values.parallelism }}
{{- $_ := set $args "tensor-parallel-size" .tensor }}
{{- if gt (int .pipeline) 1 }}{{ $_ := set $args "pipeline-parallel-size" .pipeline }}{{ end }}
{{- if gt (int .data) 1 }}{{ $_ := set $args "enable-attention-dp" true }}{{ end }}
{{- if gt (int .expert) 1 }}{{ $_ := set $args "expert-parallel-size" .expert }}{{ end }}
{{- end }}
{{- if and (eq $global.router.mode "kv") (ne .mode "decode") }}{{ $_ := set $args "publish-kv-events" true }}{{ end }}
{{- $layers := list }}
{{- range $layer := list $global.engine.args $values.engineArgs $args }}
{{- $flags := dict }}
{{- range $flag, $value := $layer }}{{ if not (or (eq $flag "trtllm") (hasPrefix "trtllm." $flag)) }}{{ $_ := set $flags $flag $value }}{{ end }}{{ end }}
{{- $layers = append $layers $flags }}
{{- end }}
{{- include "dynamo-disagg.programArgs" (dict "program" "trtllm" "dynamo" (include "dynamo-disagg.dynamoVersion" .root) "layers" $layers) }}
{{- end }}
{{- end }}

{{/*
trtllm.a.b: 1, trtllm.a: {b: 1} and trtllm: {a: {b: 1}} are the same setting. A null is TensorRT-LLM's own, except where it
takes back a shared setting; that of cuda_graph_config always switches the graphs off.
*/}}
{{- define "dynamo-disagg.engine.trtllm.config" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- $layers := list }}
{{- /* dynamo-disagg.overlay would drop a null. */}}
{{- $none := "$none" }}
{{- /* Workers that only prefill have no next step to overlap with; TensorRT-LLM does not support it there. */}}
{{- if eq .mode "prefill" }}{{ $layers = append $layers (dict "disable_overlap_scheduler" true) }}{{ end }}
{{- range $isOwn, $layer := list $global.engine.args $values.engineArgs }}
{{- range $flag, $value := $layer }}
{{- $keys := splitList "." $flag }}
{{- if eq (first $keys) "trtllm" }}
{{- $setting := $value }}
{{- $isShared := and $isOwn (hasKey $global.engine.args $flag) }}
{{- if and (kindIs "invalid" $value) (or (not $isShared) (eq $flag "trtllm.cuda_graph_config")) }}{{ $setting = $none }}{{ end }}
{{- range $key := rest $keys | reverse }}{{ $setting = dict $key $setting }}{{ end }}
{{- $layers = append $layers $setting }}
{{- end }}
{{- end }}
{{- end }}
{{- $layers = append $layers (dict "kv_cache_config" (dict "tokens_per_block" $global.kvCache.blockSize)) }}
{{- if ne .mode "agg" }}
{{- $layers = append $layers (dict "cache_transceiver_config" (dict "backend" (upper $global.kvTransfer.connector))) }}
{{- end }}
{{- /* A JSON value a line: integers never print as floats, at any depth. */}}
{{- range $key, $value := include "dynamo-disagg.overlay" $layers | fromJson }}
{{ $key }}: {{ toJson $value | replace (toJson $none) "null" }}
{{- end }}
{{- end }}

{{- define "dynamo-disagg.engine.trtllm.env" -}}
{{- with .root.Values.global.kvTransfer }}
{{- if and (eq .connector "nixl") (ne $.mode "agg") }}
TRTLLM_NIXL_KVCACHE_BACKEND: {{ first .backends }}
{{- end }}
{{- end }}
{{- if gt (int .nodes) 1 }}
{{- $gpus := div (include "dynamo-disagg.engine.trtllm.gpus" . | int) (int .nodes) }}
OMPI_MCA_orte_keep_fqdn_hostnames: "1"
{{- /* With several NICs MPI would try some that reach no peer. It ends where there is none of these. */}}
{{- $nics := "" }}
{{- range list (include "dynamo-disagg.hardware" .root | fromJson).env .root.Values.global.env .root.Values.env }}
{{- if hasKey (. | default dict) "GLOO_SOCKET_IFNAME" }}{{ $nics = .GLOO_SOCKET_IFNAME }}{{ end }}
{{- end }}
{{- if kindIs "map" $nics }}{{ $nics = "$(GLOO_SOCKET_IFNAME)" }}{{ end }}
{{- with $nics }}
OMPI_MCA_btl_tcp_if_include: {{ quote . }}
OMPI_MCA_oob_tcp_if_include: {{ quote . }}
{{- end }}
{{- if eq .rank.class "leader" }}
{{- $hosts := list (printf "$(POD_NAME):%d" $gpus) }}
{{- range $rank := untilStep 1 (int .nodes) 1 }}
{{- $hosts = append $hosts (printf "%s:%d" (printf $.rank.memberAddress $rank) $gpus) }}
{{- end }}
MPI_HOSTS: {{ join "," $hosts | quote }}
MPI_RANKS: {{ mul $gpus .nodes | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dynamo-disagg.engine.trtllm.pod" -}}
{{- if eq (int .nodes) 1 -}}
{}
{{- else -}}
volumes:
  mpi-ssh:
    mountPath: /etc/mpi-ssh
    readOnly: true
    source: {secret: {secretName: {{ quote .root.Values.global.multiNode.sshSecret }}, defaultMode: 0440}}
  # The root chart's files/ranks/trtllm.
  ranks:
    mountPath: /opt/ranks
    readOnly: true
    source: {configMap: {name: {{ include "dynamo-disagg.name" (dict "root" .root "component" "ranks") }}}}
{{- if and (eq .rank.class "worker") (include "dynamo-disagg.worker.isRoot" .root) }}
# Where the workers are root, sshd is root too: it then confines each login before it trusts it
# (SYS_CHROOT, SETUID, SETGID) and refuses those it cannot record (AUDIT_WRITE). Any other user's sshd needs none.
capabilities: [AUDIT_WRITE, SETGID, SETUID, SYS_CHROOT]
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.engine.trtllm.keyCommand: makes the Secret of global.multiNode.sshSecret. in: dict "root" $ "name" string */}}
{{- define "dynamo-disagg.engine.trtllm.keyCommand" -}}
ssh-keygen -t ed25519 -N '' -f id && kubectl -n {{ .root.Release.Namespace }} create secret generic {{ .name }} --from-file=private.key=id
{{- end }}

{{- define "dynamo-disagg.engine.trtllm.serves" -}}{{- end }}

{{- define "dynamo-disagg.engine.trtllm.needs" -}}
{{- with .root.Values.global.multiNode.sshSecret }}
- kind: Secret
  name: {{ quote . }}
  key: private.key
  value: global.multiNode.sshSecret
  command: {{ include "dynamo-disagg.engine.trtllm.keyCommand" (dict "root" $.root "name" .) | quote }}
{{- end }}
{{- end }}

{{/* Not run. */}}
{{- define "dynamo-disagg.engine.trtllm.cudaIpc" -}}{{- end }}

{{- define "dynamo-disagg.engine.trtllm.traces" -}}trtllm.otlp_traces_endpoint{{- end }}

{{- define "dynamo-disagg.engine.trtllm.images" -}}
worker: {modality: multimodal, enable-multimodal: "true"}
frontend: {frontend-decoding: "true"}
{{- end }}

{{- define "dynamo-disagg.engine.trtllm.variables" -}}
DYN_TRTLLM
{{- end }}

{{- define "dynamo-disagg.engine.trtllm.tuning" -}}
flags: [max-batch-size, max-num-tokens, free-gpu-memory-fraction, kv-cache-config.free-gpu-memory-fraction]
variables: ^(DYN_)?(TRTLLM|TLLM)_
{{- end }}

{{- define "dynamo-disagg.engine.trtllm.owned" -}}
model: global.model.source
served-model-name: global.model.name
disaggregation-mode: global.serving (the role is set by the chart)
kv-block-size: global.kvCache.blockSize
tensor-parallel-size: "{role}.parallelism.tensor"
pipeline-parallel-size: "{role}.parallelism.pipeline"
expert-parallel-size: "{role}.parallelism.expert"
enable-attention-dp: "{role}.parallelism.data"
gpus-per-node: remove it; it is the number of a pod's GPUs
publish-kv-events: global.router.mode
publish-events-and-metrics: global.router.mode for events and publish-metrics for metrics
extra-engine-args: trtllm.<key> in engineArgs; the chart mounts the file
override-engine-args: trtllm.<key> in engineArgs
namespace: remove it; it is derived from the release
endpoint: remove it; it is derived from the role
discovery-backend: global.discovery.backend
request-plane: global.requestPlane
event-plane: global.eventPlane
router-mode: global.router.mode
trtllm.model: global.model.source
trtllm.tensor_parallel_size: "{role}.parallelism.tensor"
trtllm.pipeline_parallel_size: "{role}.parallelism.pipeline"
trtllm.moe_expert_parallel_size: "{role}.parallelism.expert"
trtllm.enable_attention_dp: "{role}.parallelism.data"
trtllm.gpus_per_node: remove it; it is the number of a pod's GPUs
trtllm.kv_cache_config.tokens_per_block: global.kvCache.blockSize
trtllm.cache_transceiver_config.backend: global.kvTransfer.connector
{{- end }}

{{- define "dynamo-disagg.engine.trtllm.moves" -}}
[--operation, WRITE]
{{- end }}

{{- define "dynamo-disagg.engine.trtllm.encoders" -}}
{{- end }}
