{{/*
Rules of vLLM. Contract (every file in this folder):
  .checks  what the engine checks of a role's flags; a table for dynamo-disagg.validate.checks
  .role    other problems of a role; in: {context, parallelism, facts} of dynamo-disagg.validate.engines
  .hostMemory  caches in host memory; a table for dynamo-disagg.validate.hostMemory
  .alike   what both roles must have alike; a table for dynamo-disagg.validate.alike; in: root context
  .pair    other problems between the two roles; in: dict of "prefill" and "decode", as .role
  .noEncoders  why there is no pool of encoders for the engine, or nothing
  .encoders    what is wrong with such a pool; in: dict "root" "roles" role -> {context, facts} "prompts" the role that asks it
*/}}

{{/* Lines are those of vllm 0.31.0, below vllm/. */}}
{{- define "dynamo-disagg.validate.engine.vllm.checks" -}}
# config/parallel.py:533-561, :909-922, :119, :526
enable-eplb:
- {when: {expert: 1}, says: "vLLM balances experts only with expert parallelism: set {role}.parallelism.expert, or remove it"}
eplb-config.num_redundant_experts:
- {when: {eplb-config.num_redundant_experts: not 0, enable-eplb: not true}, says: "vLLM refuses {eplb-config.num_redundant_experts} redundant experts without enable-eplb: set it too, or remove this"}
enable-elastic-ep:
- {when: {enable-eplb: not true}, says: "vLLM's elastic expert parallelism wants enable-eplb: set it too, or remove this"}
- {when: {pipeline: above 1}, says: "vLLM has no elastic expert parallelism over {pipeline} pipeline stages: set {role}.parallelism.pipeline=1, or remove it"}
elastic-ep-max-dp-size:
- {when: {elastic-ep-max-dp-size: below data}, says: "{elastic-ep-max-dp-size} is below {role}.parallelism.data {data}: raise it"}
numa-bind-nodes, numa-bind-cpus:
- {when: {numa-bind: not true}, says: "vLLM takes it with numa-bind only: set that too, or remove this"}
# config/parallel.py:570; config/vllm.py:1459 (NIXL)
decode-context-parallel-size:
- {when: {decode-context-parallel-size: not 1|tensor, kv-connector: nixl, mode: prefill|decode}, says: "with NIXL vLLM takes 1 or the tensor-parallel size {tensor}, not {decode-context-parallel-size}: choose one of them"}
- {when: {decode-context-parallel-size: no divisor of tensor}, says: "{decode-context-parallel-size} does not divide the tensor-parallel size {tensor}: choose a divisor"}
# config/vllm.py:2151, config/parallel.py:1119
enable-dbo:
- {when: {all2all-backend: not deepep_low_latency|deepep_high_throughput|nixl_ep}, says: "vLLM overlaps batches only over deepep_low_latency, deepep_high_throughput or nixl_ep: set all2all-backend to one of them, or remove it"}
ubatch-size:
- {when: {ubatch-size: above 1, all2all-backend: not deepep_low_latency|deepep_high_throughput|nixl_ep}, says: "vLLM splits batches only over deepep_low_latency, deepep_high_throughput or nixl_ep: set all2all-backend to one of them, or remove it"}
data-parallel-hybrid-lb:
- {when: {nodes: 1}, says: "the data-parallel ranks of a worker on one node answer behind one address: remove it"}
# config/vllm.py:1139 replaces the connector, for which Dynamo has no protocol (vllm/kv_connector_protocols.py)
kv-offloading-size:
- {when: {mode: prefill|decode, kv-offloading-backend: not lmcache}, says: "vLLM's native offloading takes the place of the connector between prefill and decode, and every request fails: remove it, or set kv-offloading-backend=lmcache"}
# config/vllm.py:1205
enable-return-routed-experts:
- {when: {mode: prefill|decode}, says: "vLLM refuses it with the connector between prefill and decode: remove it, or set global.serving=aggregated"}
- {when: {pipeline: above 1}, says: "vLLM refuses it with {pipeline} pipeline stages: remove it"}
- {when: {decode-context-parallel-size: above 1}, says: "vLLM refuses it with decode-context-parallel-size above 1: remove one of them"}
- {when: {enable-prefix-caching: false}, says: "vLLM refuses it without a prefix cache: remove enable-prefix-caching=false, or this"}
# config/vllm.py:1227
env.PYTORCH_CUDA_ALLOC_CONF:
- {when: {env.PYTORCH_CUDA_ALLOC_CONF: "contains expandable_segments:True", mode: prefill|decode, enable-cumem-allocator: not true, enable-sleep-mode: not true}, says: "vLLM refuses expandable_segments with a KV connector, because the memory that was registered may move: remove it, or set enable-cumem-allocator"}
# nixl/base_worker.py:784 onwards: the pull connector knows no stages, and an equal number of them exchanges wrong layers without an error
pipeline:
- {when: {pipeline: above 1, kv-connector: nixl, mode: prefill|decode}, says: "vLLM's NIXL connector does not transfer between {pipeline} pipeline stages: use tensor for them, global.kvTransfer.connector=mooncake, or global.engine.name=sglang"}
# mooncake_connector.py:2355: decode would be sent to its own 127.0.0.1
data:
- {when: {data: above 1, nodes: above 1, kv-connector: mooncake, mode: prefill}, says: "vLLM's Mooncake connector names no address of data-parallel ranks on several nodes: set global.kvTransfer.connector=nixl, or prefill.parallelism.data=1"}
# dynamo/vllm/backend_args.py:836, :984, :1020
embedding-worker, classify-worker, realtime, custom-encoder-class:
- {when: {mode: prefill|decode}, says: "Dynamo takes it in aggregated serving only: remove it, or set global.serving=aggregated"}
# The chart gives each pod its own, and the other role connects to it.
env.VLLM_NIXL_SIDE_CHANNEL_HOST, env.VLLM_HOST_IP, env.VLLM_DP_MASTER_IP:
- {when: {it: not $(POD_IP)}, says: "all pods would say that they are at {it}: remove it, the chart sets each pod's own address"}
# config/parallel.py:957 takes them for one rank of several that were started by hand
env.VLLM_DP_SIZE, env.VLLM_DP_RANK, env.VLLM_DP_RANK_LOCAL, env.VLLM_DP_MASTER_PORT:
- {when: {}, says: "vLLM would be one rank of several that nobody starts: use {role}.parallelism.data"}
# config/speculative.py:39-84, :394, config/parallel.py:65-67
speculative-config.method, spec-method:
- {when: {it: not ngram|ngram_gpu|medusa|mlp_speculator|draft_model|suffix|custom_class|eagle|eagle3|extract_hidden_states|dflash|dspark|mtp|deepseek_mtp|dots3_note_mtp|mimo_mtp|mimo_v2_mtp|glm4_moe_mtp|glm4_moe_lite_mtp|glm_ocr_mtp|ernie_mtp|nemotron_h_mtp|exaone_moe_mtp|exaone4_5_mtp|qwen3_next_mtp|qwen4_exp_mtp|qwen3_5_mtp|longcat_flash_mtp|bailing_hybrid_v3_mtp|minimax_m3_mtp|bailing_hybrid_mtp|kimi_k3_mtp|pangu_ultra_moe_mtp|step3p5_mtp|hy_v3_mtp|hy_v4_mtp|gemma4_mtp|inkling_mtp|glm5_next_mtp}, says: "vLLM has no drafts by {it}: choose ngram, suffix, draft_model, medusa, mlp_speculator, eagle, eagle3, mtp, dflash or dspark"}
speculative-config.num_speculative_tokens, eplb-config.window_size, eplb-config.step_interval:
- {when: {it: below 1}, says: "{it} is out of range: write a number from 1"}
# model_executor/layers/quantization/__init__.py:15
quantization:
- {when: {it: not awq|auto_awq|fp8|fbgemm_fp8|fp_quant|modelopt|modelopt_fp4|modelopt_mxfp8|modelopt_mixed|auto_gptq|gptq|gptq_marlin|awq_marlin|humming|compressed-tensors|experts_int8|quark|moe_wna16|torchao|inc|mxfp4|gpt_oss_mxfp4|deepseek_v4_fp8|online|fp8_per_tensor|fp8_per_block|fp8_per_channel|int8_per_channel_weight_only|nvfp4_per_token|mxfp8|bitsandbytes|gguf|None}, says: "vLLM has no {it}: remove it where the model's own files say how it is quantized, or choose fp8, mxfp4, awq, gptq, compressed-tensors or the like"}
# v1/attention/backends: each takes a multiple of 16, some 32, 64 or 128 only
block-size:
- {when: {it: no multiple of 16}, says: "vLLM's blocks hold a multiple of 16 tokens, not {it}: set 64 or 128"}
max-model-len:
- {when: {it: 0}, says: "a model of 0 tokens answers nothing: write the tokens, or -1 for as many as there is room for"}
# Variables that became flags: nothing in the package reads them.
env.VLLM_ATTENTION_BACKEND: [{when: {}, says: "vLLM 0.31.0 does not read it any more: set attention-backend in global.engine.args"}]
env.VLLM_ALL2ALL_BACKEND: [{when: {}, says: "vLLM 0.31.0 does not read it any more: set all2all-backend in {role}.engineArgs"}]
env.VLLM_FLASH_ATTN_VERSION: [{when: {}, says: "vLLM 0.31.0 does not read it any more: set attention-config.flash_attn_version in global.engine.args"}]
env.VLLM_USE_V1: [{when: {}, says: "vLLM 0.31.0 does not read it any more, it has one engine: remove it"}]
env.VLLM_NIXL_SIDE_CHANNEL_PORT:
- {when: {it: no number}, says: "{it} is no port: write a number, or remove it"}
# config/scheduler.py:315-358
max-num-batched-tokens:
- {when: {max-num-batched-tokens: below max-num-seqs}, says: "vLLM refuses {max-num-batched-tokens} below max-num-seqs {max-num-seqs}: raise it, or lower max-num-seqs"}
- {when: {max-num-batched-tokens: below max-model-len, enable-chunked-prefill: false}, says: "vLLM refuses {max-num-batched-tokens} below max-model-len {max-model-len}: raise it, or lower max-model-len"}
max-num-active-seqs:
- {when: {max-num-active-seqs: above max-num-seqs}, says: "{max-num-active-seqs} is above max-num-seqs {max-num-seqs}: lower it"}
long-prefill-token-threshold:
- {when: {long-prefill-token-threshold: above max-model-len}, says: "{long-prefill-token-threshold} is above max-model-len {max-model-len}: lower it"}
# dynamo/vllm/worker_factory.py:1918
embedding-transfer-mode, env.DYN_VLLM_EMBEDDING_TRANSFER_MODE:
- {when: {encoders: absent}, says: "there are no encoders to hand embeddings over: set encode.replicas, or remove it"}
# config/lora.py:121
max-cpu-loras:
- {when: {max-cpu-loras: below max-loras}, says: "{max-cpu-loras} is below max-loras {max-loras}: raise it"}
# config/observability.py:155, config/vllm.py:1655
collect-detailed-traces:
- {when: {otlp-traces-endpoint: absent}, says: "vLLM traces to otlp-traces-endpoint: set that too, or remove this"}
per-request-spec-decode-metrics:
- {when: {per-request-spec-decode-metrics: not none, speculative-config: absent, spec-method: absent, spec-model: absent}, says: "vLLM refuses it without speculative decoding: set speculative-config too, or remove this"}
# engine/arg_utils.py:2030, :2620, :2676, :2724: one setting under two names
spec-method: [{when: {speculative-config.method: given}, says: "it is speculative-config's method too: keep one of them"}]
spec-model: [{when: {speculative-config.model: given}, says: "it is speculative-config's model too: keep one of them"}]
spec-tokens: [{when: {speculative-config.num_speculative_tokens: given}, says: "it is speculative-config's num_speculative_tokens too: keep one of them"}]
attention-backend: [{when: {attention-config.backend: given}, says: "it is attention-config's backend too: keep one of them"}]
enable-flashinfer-autotune: [{when: {kernel-config.enable_flashinfer_autotune: given}, says: "it is in kernel-config too: keep one of them"}]
cudagraph-capture-sizes: [{when: {compilation-config.cudagraph_capture_sizes: given}, says: "it is in compilation-config too: keep one of them"}]
max-cudagraph-capture-size: [{when: {compilation-config.max_cudagraph_capture_size: given}, says: "it is in compilation-config too: keep one of them"}]
# config/vllm.py:1483
enable-mamba-cache-stochastic-rounding: [{when: {mamba-ssm-cache-dtype: not float16}, says: "vLLM rounds a Mamba cache of float16 only: set mamba-ssm-cache-dtype=float16, or remove it"}]
# config/vllm.py:1553
async-scheduling: [{when: {speculative-config.method: ngram|suffix|medusa|mlp_speculator|custom_class}, says: "vLLM does not schedule ahead of {speculative-config.method} drafts: remove it, or choose another method"}]
# config/speculative.py:1211
speculative-config.prompt_lookup_min: [{when: {speculative-config.prompt_lookup_min: above speculative-config.prompt_lookup_max}, says: "prompt_lookup_min {speculative-config.prompt_lookup_min} is above prompt_lookup_max {speculative-config.prompt_lookup_max}: lower it"}]
{{- end }}

{{- define "dynamo-disagg.validate.engine.vllm.hostMemory" -}}
- {fact: kv-offloading-size, bytes: 1073741824}
- {fact: cpu-offload-gb, bytes: 1073741824, each: true}
- {fact: multimodal-embedding-cache-capacity-gb, bytes: 1073741824}
{{- end }}

{{- define "dynamo-disagg.validate.engine.vllm.role" -}}
{{- /* envs.py: int() of most, "1" alone for some; two take these words only, or as JSON. Every one is read at the start. */}}
{{- range $fact, $value := .facts.values }}
{{- $isSwitch := and (hasPrefix "env.VLLM_" $fact) (not (regexMatch "^env[.]VLLM_(DEBUG_LOG_API_SERVER_RESPONSE|HUMMING_.*)$" $fact)) }}
{{- if and $isSwitch (regexMatch "(?i)^(true|false|yes|no|on|off)$" $value) }}
{{ get $.facts.where $fact }}: vLLM reads its switches as numbers, and {{ $value }} ends the engine or means the opposite: write {{ ternary 1 0 (regexMatch "(?i)^(true|yes|on)$" $value) }}
{{- end }}
{{- end }}
{{- $role := .context.Chart.Name }}
{{- $perNode := (include "dynamo-disagg.hardware" .context | fromJson).gpusPerNode | int }}
{{- with .parallelism }}
{{- $rank := mul .tensor .pipeline | int }}
{{- if and (gt (mul $rank .data | int) $perNode) (le $rank $perNode) }}
{{- if ne (mod $perNode $rank) 0 }}
{{ $role }}.parallelism: a data-parallel rank of {{ $rank }} GPUs has to be on one node, and {{ $perNode }} do not divide into them: choose sizes that divide {{ $perNode }}
{{- else if eq (int .expert) 1 }}
{{ $role }}.parallelism.data: over several nodes vLLM's ranks share nothing but experts: set {{ $role }}.parallelism.expert={{ mul .tensor .data }} for a model that has any, or use replicas in place of data
{{- end }}
{{- end }}
{{- if and (gt (int .expert) 1) (ne (int .expert) (mul .tensor .data | int)) }}
{{ $role }}.parallelism.expert: vLLM spreads experts over all {{ mul .tensor .data }} tensor x data ranks: choose {{ mul .tensor .data }}, or 1 for none
{{- end }}
{{- end }}
{{- if eq (get .facts.values "enable-prefix-caching") "false" }}
{{ include "dynamo-disagg.validate.blindRouter" (dict "context" .context "where" (get .facts.where "enable-prefix-caching")) }}
{{- end }}
{{- end }}

{{/* NIXL's handshake compares a hash (nixl/metadata.py:154); Mooncake fails where the blocks of a cache differ. */}}
{{- define "dynamo-disagg.validate.engine.vllm.alike" -}}
- {fact: dtype, open: auto, same: {half: float16, float: float32}, why: the KV cache of both roles must have one format}
- {fact: kv-cache-dtype, unset: auto, why: the KV cache of both roles must have one format}
- {fact: env.VLLM_KV_CACHE_LAYOUT, why: the KV cache of both roles must have one layout}
- {fact: env.VLLM_MLA_DISABLE, unset: "0", why: the KV cache of both roles must have one format}
{{- if eq .Values.global.kvTransfer.connector "nixl" }}
- {fact: attention-backend, or: attention-config.backend, open: auto, why: NIXL's handshake refuses another attention backend}
- {fact: disable-hybrid-kv-cache-manager, unset: "false", why: NIXL's handshake refuses another KV cache manager}
- {fact: speculative-config, as: "dynamo-disagg.validate.engine.vllm.drafts", why: NIXL's handshake refuses another draft model}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.engine.vllm.drafts: drafts from the target's hidden states, whose KV cache is transferred too (config/speculative.py:1938,
nixl/metadata.py:83); nothing where the values do not say what vLLM would make of the model. in: values of dynamo-disagg.validate.facts
*/}}
{{- define "dynamo-disagg.validate.engine.vllm.drafts" -}}
{{- $method := get . "spec-method" | default (get . "speculative-config.method") }}
{{- $model := get . "spec-model" | default (get . "speculative-config.model") }}
{{- if regexMatch "(^|_)mtp$" $method }}{{ $method = "mtp" }}{{ end }}
{{- if has $method (list "eagle" "eagle3" "mtp" "dflash" "dspark") }}
{{- $method }}{{ with $model }} of {{ . }}{{ end }}
{{- range list "revision" "code_revision" "parallel_drafting" "kv_cache_dtype" }}{{ with get $ (printf "speculative-config.%s" .) }} {{ . }}{{ end }}{{ end }}
{{- else if or $method (not $model) }}none{{ end }}
{{- end }}

{{/* Both connectors assert that one tensor-parallel size divides the other (kv_connector/utils.py:493, mooncake_connector.py:112). */}}
{{- define "dynamo-disagg.validate.engine.vllm.pair" -}}
{{ include "dynamo-disagg.validate.ranks" (dict "what" "tensor-parallel sizes" "prefill" .prefill.parallelism.tensor "decode" .decode.parallelism.tensor) }}
{{- end }}

{{- define "dynamo-disagg.validate.engine.vllm.noEncoders" -}}
{{- end }}

{{/* Lines are those of ai-dynamo 1.6.1, below dynamo/vllm/. An encoder reads few flags (multimodal_handlers/encode_worker_handler.py). */}}
{{- define "dynamo-disagg.validate.engine.vllm.encoders" -}}
{{ include "dynamo-disagg.validate.alike" (dict "roles" .roles "between" (list "encode" .prompts) "table" (include "dynamo-disagg.validate.engine.vllm.encoders.alike" . | fromYamlArray)) }}
{{- range $role := list "encode" .prompts }}
{{- $facts := (get $.roles $role).facts }}
{{ include "dynamo-disagg.validate.checks" (dict "facts" $facts "table" (include "dynamo-disagg.validate.engine.vllm.encoders.checks" . | fromYaml)) }}
{{- end }}
{{- $own := (get .roles "encode").facts }}
{{- /* multimodal_utils/model.py:203-225 */}}
{{- range $flag, $name := dict "gpu-memory-utilization" "GPU_MEMORY_UTILIZATION" "kv-cache-memory-bytes" "KV_CACHE_MEMORY_BYTES" "max-num-seqs" "MAX_NUM_SEQS" }}
{{- if hasPrefix "encode." (get $own.where $flag) }}
{{ get $own.where $flag }}: an encoder does not read it: set encode.env.DYN_VLLM_ENCODER_{{ $name }}
{{- end }}
{{- end }}
{{- /* multimodal_utils/model.py:68-118: of a name it goes by the words in it, of a folder by its config.json. */}}
{{- $path := (include "dynamo-disagg.model" .root | fromJson).path }}
{{- if not (or (hasPrefix "/" $path) (include "dynamo-disagg.validate.engine.vllm.encoders.knows" $path)) }}
encode.replicas: Dynamo's encoders are for Qwen2-VL, Qwen2.5-VL, Qwen3-VL, Qwen3.5 and LLaVA 1.5 7B, and {{ $path }} names none of them: set encode.replicas=0, so that each worker encodes for itself
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.engine.vllm.encoders.knows: "true" where a name is one of a model that encoders take. in: text */}}
{{- define "dynamo-disagg.validate.engine.vllm.encoders.knows" -}}
{{- if regexMatch "qwen2-vl|qwen2[.]5-vl|qwen3-vl|qwen3[.]5|llava-1[.]5-7b-hf" (lower .) }}true{{ end }}
{{- end }}

{{- define "dynamo-disagg.validate.engine.vllm.encoders.alike" -}}
- {fact: embedding-transfer-mode, or: env.DYN_VLLM_EMBEDDING_TRANSFER_MODE, unset: nixl-write, why: both ends of an embedding's transfer must use one way}
- {fact: frontend-decoding, or: env.DYN_VLLM_FRONTEND_DECODING, unset: "false", why: an encoder takes images that the frontend has decoded only when it knows of them}
- {fact: mm-processor-kwargs, unset: none, why: the encoder prepares the images by it}
- {fact: trust-remote-code, unset: "false", why: both load code of the model}
{{- end }}

{{- define "dynamo-disagg.validate.engine.vllm.encoders.checks" -}}
embedding-transfer-mode, env.DYN_VLLM_EMBEDDING_TRANSFER_MODE:
- {when: {it: local}, says: "it hands embeddings over in files, and pods have no folder together: remove it, or choose nixl-write or nixl-read"}
# backend_args.py:787-1000
custom-encoder-class:
- {when: {}, says: "it encodes within each worker: remove it, or set encode.replicas=0"}
embedding-worker, classify-worker, realtime:
- {when: {}, says: "such a worker takes no images, so Dynamo refuses it beside encoders: remove it, or set encode.replicas=0"}
{{- end }}

{{/* vllm/config/kv_transfer.py KVTransferConfig; the chart has the keys of the transfer, and vLLM derives the rest. */}}
{{- define "dynamo-disagg.validate.engine.vllm.kvTransfer" -}}
connectors: [nixl, mooncake]
backends: several
refuses: {}
asksMooncake: mooncake_protocol
known: [kv_buffer_device, kv_buffer_size, kv_connector_extra_config, kv_connector_module_path, enable_permute_local_kv]
owned:
  kv_connector: use global.kvTransfer.connector
  kv_role: remove it, it is the role's
  kv_load_failure_policy: use global.kvTransfer.onLoadFailure
  kv_connector_extra_config.backends: use global.kvTransfer.backends
  kv_connector_extra_config.kv_lease_duration: use global.kvTransfer.leaseSeconds
  kv_connector_extra_config.connectors: use global.kvTransfer.offloadConnectors
  engine_id: remove it, each worker has its own
  kv_rank: remove it, NIXL and Mooncake have no ranks
  kv_parallel_size: remove it, NIXL and Mooncake have no ranks
  kv_ip: remove it, the pod's address is used
  kv_port: remove it, it is no port of NIXL or Mooncake
{{- end }}
