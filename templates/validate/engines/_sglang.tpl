{{/* Rules of SGLang. Contract: _vllm.tpl. Lines are those of sglang 0.5.21, below sglang/srt/. */}}
{{- define "dynamo-disagg.validate.engine.sglang.checks" -}}
# arg_groups/overrides.py:1066-1131, :1217 (fa4 on MLA models takes others); model_overrides/deepseek_v2.py:137, deepseek_v4.py:51
attention-backend, decode-attention-backend:
- {at: block-size, when: {it: flashmla|dsa|nsa, block-size: not 64}, says: "SGLang's {flag} {it} takes pages of 64 tokens and would change {block-size} on its own, unlike the router: set 64"}
- {at: block-size, when: {it: trtllm_mla|tokenspeed_mla|cutedsl_mla, block-size: not 32|64}, says: "SGLang's {flag} {it} takes pages of 32, 64 tokens and would change {block-size} on its own, unlike the router: set one of them"}
- {at: block-size, when: {it: dsv4, block-size: not 256}, says: "SGLang's {flag} {it} takes pages of 256 tokens and would change {block-size} on its own, unlike the router: set 256"}
attention-backend, decode-attention-backend, prefill-attention-backend:
- {at: block-size, when: {it: hpc_ops, block-size: not 64}, says: "SGLang's {flag} {it} takes pages of 64 tokens and would change {block-size} on its own, unlike the router: set 64"}
- {at: block-size, when: {it: trtllm_mha, block-size: not 16|32|64|128}, says: "SGLang's {flag} {it} takes pages of 16, 32, 64, 128 tokens and would change {block-size} on its own, unlike the router: set one of them"}
prefill-attention-backend:
- {when: {it: cutedsl_mla}, says: "SGLang's cutedsl_mla only decodes: set decode-attention-backend to it"}
# The chart gives each pod its own, and the other role connects to it.
env.SGLANG_HOST_IP:
- {when: {it: not $(POD_IP)}, says: "all pods would say that they are at {it}: remove it, the chart sets each pod's own address"}
# dynamo/sglang/gateway.py: so many processes of Dynamo; discovery keeps the last one of a pod, probes and the drain see the first.
tokenizer-worker-num, gateway-workers:
- {when: {it: above 1}, says: "a pod is one worker of Dynamo, and this makes {it} of it under one name: remove it, and raise {role}.replicas"}
# disaggregation/mooncake/utils.py: another word is no pool, and no error.
env.SGLANG_MOONCAKE_CUSTOM_MEM_POOL:
- {when: {it: not exactly true|True|TRUE|NVLINK|BAREX|INTRA_NODE_NVLINK}, says: "SGLang has no pool {it} and does without one: write NVLINK, BAREX or INTRA_NODE_NVLINK, or remove it"}
disaggregation-ib-device:
- {when: {it: a list}, says: "SGLang takes names joined by commas, or a map from GPUs to them: write mlx5_0,mlx5_1 or the like"}
host:
- {when: {it: 'not 0.0.0.0|::'}, says: "a pod is reached at its own address, not at {it}: remove it, or write :: where pods have IPv6 only"}
# arg_groups/validation_hook.py
enable-response-store:
- {when: {mode: prefill|decode}, says: "SGLang refuses it in disaggregated serving: remove it"}
speculative-algorithm:
# speculative/spec_info.py, spec_registry.py
- {when: {it: not EAGLE|EAGLE3|NEXTN|STANDALONE|NGRAM|DFLASH|DSPARK|UNO|FROZEN_KV_MTP|NONE}, says: "SGLang has no {it}: choose EAGLE, EAGLE3, NEXTN, STANDALONE, NGRAM, DFLASH, DSPARK, UNO or FROZEN_KV_MTP"}
- {when: {pipeline: above 1, mode: agg|decode}, says: "SGLang drafts over {pipeline} pipeline stages on prefill workers only: set {role}.parallelism.pipeline=1, or remove it"}
- {when: {pipeline: above 1, speculative-algorithm: not EAGLE|NEXTN|DSPARK}, says: "SGLang drafts over {pipeline} pipeline stages with EAGLE or DSPARK only: choose one of them, or remove it"}
- {when: {enable-dp-attention: true, data: above 1, speculative-algorithm: NGRAM|STANDALONE|DFLASH|UNO}, says: "SGLang has no {speculative-algorithm} drafts with enable-dp-attention: choose EAGLE, or remove one of the two"}
- {when: {speculative-algorithm: DFLASH, speculative-draft-model-path: absent}, says: "SGLang's DFLASH needs a draft model: set speculative-draft-model-path"}
- {when: {speculative-algorithm: UNO, tensor: above 1}, says: "SGLang's UNO runs on one GPU: set {role}.parallelism.tensor=1, or choose another"}
- {when: {mode: decode, disaggregation-decode-enable-radix-cache: true, speculative-algorithm: not DSPARK}, says: "SGLang refuses disaggregation-decode-enable-radix-cache with {speculative-algorithm}: remove one of them"}
enable-mixed-chunk:
- {when: {speculative-algorithm: UNO|NGRAM}, says: "SGLang does not mix chunks with {speculative-algorithm} drafts: remove one of the two"}
min-free-slots-delay:
- {when: {pipeline: above 1}, says: "SGLang refuses it with {pipeline} pipeline stages: remove it"}
moe-dense-tp-size:
- {when: {moe-dense-tp-size: not 1|tensor}, says: "SGLang takes 1 or {role}.parallelism.tensor, {tensor}: choose one of them"}
enable-torch-compile:
- {when: {disable-cuda-graph-padding: true}, says: "SGLang refuses it with disable-cuda-graph-padding: remove one of the two"}
enable-pdmux:
- {when: {mode: prefill|decode}, says: "SGLang refuses it in disaggregated serving: remove it"}
enable-priority-scheduling:
- {when: {schedule-policy: other than fcfs|lof}, says: "SGLang schedules by priority with schedule-policy fcfs or lof: set one of them"}
retraction-policy:
- {when: {retraction-policy: priority, enable-priority-scheduling: not true}, says: "SGLang retracts by priority with enable-priority-scheduling only: set it too, or remove this"}
tokenizer-metrics-allowed-custom-labels:
- {when: {tokenizer-metrics-custom-labels-header: absent}, says: "SGLang takes labels from tokenizer-metrics-custom-labels-header: set that too, or remove this"}
export-metrics-to-file:
- {when: {export-metrics-to-file-dir: absent}, says: "SGLang asks where: set export-metrics-to-file-dir too"}
enable-two-batch-overlap:
- {when: {moe-a2a-backend: absent|none, enable-dp-attention: not true}, says: "SGLang overlaps batches over an all-to-all backend or with enable-dp-attention: set moe-a2a-backend, or remove it"}
enable-quant-communications:
- {when: {tensor: 1}, says: "there is no communication on one GPU: remove it"}
grpc-port:
- {when: {grpc-port: 30000}, says: "the chart sets --port 30000: choose another"}
kv-canary-sweep-interval:
- {when: {kv-canary-sweep-interval: above 0, kv-canary: absent|none}, says: "there is no kv-canary to sweep: set kv-canary to log or raise, or remove it"}
base-gpu-id:
- {when: {base-gpu-id: above 0}, says: "a pod has its own GPUs only, counted from 0: remove it"}
gpu-id-step:
- {when: {gpu-id-step: above 1, tensor: above 1}, says: "a pod has no GPUs in between: remove it"}
# arg_groups/parallel_hook.py
enable-prefill-cp:
- {when: {cp-strategy: absent}, says: "SGLang asks for cp-strategy: set zigzag or interleave"}
- {when: {mode: decode}, says: "SGLang's decode workers take the KV cache without context parallelism: move it to prefill.engineArgs"}
attn-cp-size:
- {when: {attn-cp-size: above 1, mode: decode}, says: "SGLang's decode workers take the KV cache without context parallelism: move it to prefill.engineArgs"}
- {when: {attn-cp-size: no divisor of tensor}, says: "{attn-cp-size} does not divide {role}.parallelism.tensor {tensor}: choose a divisor"}
moe-dp-size:
- {when: {moe-dp-size: no divisor of tensor}, says: "{moe-dp-size} does not divide {role}.parallelism.tensor {tensor}: choose a divisor"}
- {when: {moe-dp-size: above 1, pipeline: above 1}, says: "SGLang refuses it with {pipeline} pipeline stages: remove it"}
dcp-comm-backend:
- {when: {dcp-comm-backend: a2a|fi_a2a, dcp-size: absent|1}, says: "SGLang takes {dcp-comm-backend} with dcp-size above 1 only: remove it"}
dcp-replicate-q-proj:
- {when: {dcp-size: absent|1}, says: "SGLang takes it with dcp-size above 1 only: remove it"}
dwdp-size:
- {when: {dwdp-size: other than 0|1|tensor}, says: "SGLang wants {role}.parallelism.tensor, {tensor}: set it to that"}
- {when: {dwdp-size: above 1, mode: decode}, says: "SGLang distributes weights on prefill workers only: move it to prefill.engineArgs"}
enable-eplb:
- {when: {expert: 1, moe-a2a-backend: absent|none}, says: "SGLang balances experts only with expert parallelism: set {role}.parallelism.expert, or remove it"}
ep-dispatch-algorithm:
- {when: {ep-dispatch-algorithm: static|lp, moe-a2a-backend: absent|none}, says: "without moe-a2a-backend all ranks must pick alike: set dynamic"}
enable-dp-lm-head:
- {when: {enable-dp-attention: not true}, says: "SGLang wants enable-dp-attention with it: set that too, or remove this"}
elastic-ep-backend:
- {when: {elastic-ep-backend: not none, pipeline: above 1}, says: "SGLang refuses it with {pipeline} pipeline stages: remove it"}
max-ep-size:
- {when: {elastic-ep-backend: absent}, says: "SGLang takes it with elastic-ep-backend only: set that too, or remove this"}
# arg_groups/moe_hook.py:268, :397, overrides.py:1506
moe-a2a-backend:
- {when: {moe-a2a-backend: flashinfer|flashinfer_megamoe, data: not tensor}, says: "SGLang's {moe-a2a-backend} wants as many data-parallel groups as tensor-parallel GPUs: set {role}.parallelism.data={tensor} with enable-dp-attention"}
- {when: {moe-a2a-backend: deepep|deepep_v2|mooncake|nixl|mori|pplx|megamoe, expert: not 1|tensor}, says: "SGLang's {moe-a2a-backend} spreads experts over all {tensor} tensor-parallel GPUs and would change {role}.parallelism.expert on its own: set {tensor}"}
- {when: {moe-a2a-backend: deepep_v2, enable-two-batch-overlap: true}, says: "SGLang does not overlap batches with deepep_v2: remove enable-two-batch-overlap"}
flashinfer-a2a-dispatch-type:
- {when: {flashinfer-a2a-dispatch-type: not auto, moe-a2a-backend: not flashinfer}, says: "SGLang takes it with moe-a2a-backend flashinfer only: remove it"}
# arg_groups/kv_cache_hook.py, hicache_hook.py
prefill-kv-cache-dequant-dtype:
- {when: {prefill-kv-cache-dequant-dtype: not auto, kv-cache-dtype: not nvfp4}, says: "SGLang takes it with kv-cache-dtype nvfp4 only: remove it"}
disable-radix-cache:
- {when: {enable-hierarchical-cache: true}, says: "SGLang refuses it with enable-hierarchical-cache: remove one of the two"}
enable-lmcache:
- {when: {mode: prefill|decode}, says: "SGLang's LMCache does not work in disaggregated serving: use enable-hierarchical-cache"}
- {when: {enable-hierarchical-cache: true}, says: "SGLang refuses it with enable-hierarchical-cache: remove one of the two"}
- {when: {disable-radix-cache: true}, says: "SGLang refuses it with disable-radix-cache: remove one of the two"}
- {when: {enable-dp-attention: true}, says: "SGLang refuses it with enable-dp-attention: remove one of the two"}
- {when: {speculative-algorithm: given}, says: "SGLang refuses it with speculative-algorithm: remove one of the two"}
disaggregation-decode-retraction-backup:
- {when: {disaggregation-decode-retraction-backup: host_pool, mode: not decode}, says: "SGLang takes host_pool on decode workers only: move it to decode.engineArgs"}
disaggregation-decode-enable-offload-kvcache:
- {when: {mode: not decode}, says: "SGLang takes it on decode workers only: move it to decode.engineArgs"}
- {when: {hicache-storage-backend: absent}, says: "SGLang asks where to: set hicache-storage-backend too"}
- {when: {disaggregation-decode-retraction-backup: host_pool}, says: "SGLang refuses it with disaggregation-decode-retraction-backup host_pool: remove one of the two"}
enable-unified-cache-external-linker:
- {when: {enable-hierarchical-cache: true}, says: "SGLang refuses it with enable-hierarchical-cache: remove one of the two"}
hicache-host-memory-mode:
- {when: {hicache-host-memory-mode: buffer_only, hicache-storage-backend: absent}, says: "SGLang's buffer_only keeps nothing in memory: set hicache-storage-backend too"}
- {when: {hicache-host-memory-mode: buffer_only, mode: decode}, says: "SGLang's decode workers have no buffer_only: move it to prefill.engineArgs"}
# arg_groups/pd_disaggregation_hook.py
enable-pd-role-switch:
- {when: {enable-dp-attention: true}, says: "SGLang does not switch roles with enable-dp-attention: remove one of the two"}
- {when: {pipeline: above 1}, says: "SGLang does not switch roles with {pipeline} pipeline stages: remove it"}
- {when: {expert: above 1}, says: "SGLang does not switch roles with expert parallelism: remove it"}
- {when: {speculative-algorithm: given}, says: "SGLang does not switch roles with speculative-algorithm: remove one of the two"}
encoder-only:
- {when: {mode: prefill|decode}, says: "SGLang's encoders are neither prefill nor decode workers: remove it"}
# arg_groups/speculative_hook.py
speculative-draft-sink-size:
- {when: {speculative-draft-window-size: absent}, says: "SGLang takes it with speculative-draft-window-size only: set that too, or remove this"}
speculative-eagle-topk:
- {when: {speculative-eagle-topk: above 1, block-size: above 1, attention-backend: other than flashinfer|fa3|triton}, says: "SGLang drafts trees of pages with attention-backend flashinfer, fa3 or triton only, not {attention-backend}: set 1, or choose one of them"}
- {when: {speculative-num-steps: absent, speculative-adaptive: not true}, says: "SGLang chooses none or all three: set speculative-num-steps and speculative-num-draft-tokens too, or remove this"}
speculative-num-draft-tokens:
- {when: {speculative-num-steps: absent, speculative-adaptive: not true, speculative-algorithm: EAGLE|EAGLE3|NEXTN|STANDALONE}, says: "SGLang chooses none or all three: set speculative-num-steps and speculative-eagle-topk too, or remove this"}
speculative-use-rejection-sampling:
- {when: {speculative-algorithm: not EAGLE|EAGLE3|NEXTN}, says: "SGLang takes it with EAGLE, EAGLE3 or NEXTN only: remove it"}
- {when: {speculative-eagle-topk: above 1}, says: "SGLang takes it with speculative-eagle-topk 1 only: set that, or remove this"}
# arg_groups/lora_hook.py, mamba_hook.py
max-loaded-loras:
- {when: {max-loaded-loras: below max-loras-per-batch}, says: "{max-loaded-loras} is below max-loras-per-batch {max-loras-per-batch}: raise it"}
enable-mamba-cache-stochastic-rounding:
- {when: {mamba-ssm-dtype: not float16}, says: "SGLang rounds a Mamba cache of float16 only: set mamba-ssm-dtype=float16, or remove it"}
# dynamo/sglang/args.py:890
schedule-low-priority-values-first: [{when: {}, says: "Dynamo refuses it, because its higher priorities come first: remove it"}]
rerank-worker: [{when: {mode: prefill|decode}, says: "Dynamo reranks in aggregated serving only: remove it, or set global.serving=aggregated"}]
{{- end }}

{{- define "dynamo-disagg.validate.engine.sglang.hostMemory" -}}
- {fact: hicache-size, bytes: 1e9, each: true}
- {fact: cpu-offload-gb, bytes: 1073741824, each: true}
{{- end }}

{{- define "dynamo-disagg.validate.engine.sglang.role" -}}
{{- $role := .context.Chart.Name }}
{{- $facts := .facts.values }}
{{- $blockSize := get $facts "block-size" | int }}
{{- $dividesAttention := eq (get $facts "enable-dp-attention") "true" }}
{{- /* arg_groups/validation_hook.py */}}
{{- with .context.Values.global.model.name }}
{{- if and (contains ":" .) (not (contains "://" .)) }}
global.model.name: SGLang keeps a colon for adapters (model:adapter), and does not start as {{ . }}: write {{ replace ":" "-" . }}
{{- end }}
{{- end }}
{{- with .parallelism }}
{{- if and (gt (int .data) 1) (not $dividesAttention) (ne (get $facts "enable-prefill-cp") "true") }}
{{ $role }}.parallelism.data: without enable-dp-attention SGLang wants {{ .data }} times the {{ mul .tensor .pipeline }} GPUs of the worker: set {{ $role }}.engineArgs.enable-dp-attention=true, or data=1 and more replicas
{{- end }}
{{- if ne (mod (int .tensor) (int .data)) 0 }}
{{ $role }}.parallelism.data: SGLang divides its {{ .tensor }} tensor-parallel GPUs among the data-parallel groups: choose a divisor of {{ .tensor }}
{{- end }}
{{- if ne (mod (int .tensor) (int .expert)) 0 }}
{{ $role }}.parallelism.expert: SGLang spreads experts over its {{ .tensor }} tensor-parallel GPUs: choose a divisor of {{ .tensor }}
{{- end }}
{{- end }}
{{- if eq (get $facts "disable-radix-cache") "true" }}
{{ include "dynamo-disagg.validate.blindRouter" (dict "context" .context "where" (get .facts.where "disable-radix-cache")) }}
{{- end }}
{{- /* arg_groups/validation_hook.py:160, after parallel_hook.py:261 has divided it */}}
{{- $chunk := get $facts "chunked-prefill-size" | int }}
{{- $share := ternary (div $chunk .parallelism.data) $chunk $dividesAttention | int }}
{{- if and (gt $chunk 0) (ne (mod $share $blockSize) 0) (ne (get $facts "mode") "decode") }}
{{- $least := mul $blockSize (ternary (int .parallelism.data) 1 $dividesAttention) }}
{{ get .facts.where "chunked-prefill-size" }}: SGLang prefills whole pages, and {{ $chunk }}{{ if $dividesAttention }} divided by {{ .parallelism.data }}{{ end }} is no multiple of global.kvCache.blockSize {{ $blockSize }}: choose {{ mul $least (max 1 (div $chunk $least)) }}
{{- end }}
{{- end }}

{{/* disaggregation/common/conn.py:956-971 */}}
{{- define "dynamo-disagg.validate.engine.sglang.alike" -}}
- {fact: dtype, open: auto, same: {half: float16, float: float32}, why: the KV cache of both roles must have one format}
- {fact: kv-cache-dtype, unset: auto, same: {bf16: bfloat16}, why: the KV cache of both roles must have one format}
- {fact: sampling-mask-max-tokens, why: prefill hands its masks to decode}
{{- end }}

{{/*
disaggregation/common/conn.py: the decode worker asserts that its pipeline-parallel size is 1 or prefill's (:1077), that the
decode-context parallelism is prefill's, or prefill has none (:336), and asks for ranks that do not exist when neither
attention tensor-parallel size divides the other.
*/}}
{{- define "dynamo-disagg.validate.engine.sglang.pair" -}}
{{- $ranks := dict "what" "attention tensor-parallel sizes (tensor, divided by data with enable-dp-attention)" }}
{{- range $role := list "prefill" "decode" }}
{{- $of := get $ $role }}
{{- $groups := ternary (int $of.parallelism.data) 1 (eq (get $of.facts.values "enable-dp-attention") "true") }}
{{- $_ := set $ranks $role (max 1 (div (int $of.parallelism.tensor) $groups)) }}
{{- end }}
{{ include "dynamo-disagg.validate.ranks" $ranks }}
{{- if not (has (int .decode.parallelism.pipeline) (list 1 (int .prefill.parallelism.pipeline))) }}
decode.parallelism.pipeline: SGLang's decode workers take the KV cache of prefill's {{ .prefill.parallelism.pipeline }} pipeline stages with 1 stage or as many: choose 1{{ if gt (int .prefill.parallelism.pipeline) 1 }} or {{ .prefill.parallelism.pipeline }}{{ end }}
{{- end }}
{{- $contexts := get .prefill.facts.values "dcp-size" | default "1" }}
{{- if not (has $contexts (list "1" (get .decode.facts.values "dcp-size" | default "1"))) }}
{{ get .prefill.facts.where "dcp-size" }}: SGLang's decode workers take the KV cache of {{ $contexts }} decode-context ranks with as many: set it in global.engine.args
{{- end }}
{{- end }}

{{/* SGLang 0.5.21 disaggregation/nixl/conn.py: one backend, whose parameters are texts. */}}
{{- define "dynamo-disagg.validate.engine.sglang.kvTransfer" -}}
connectors: [nixl, mooncake]
backends: one
asksMooncake: MOONCAKE_PROTOCOL
texts: true
refuses:
  onLoadFailure: remove it, a request whose KV cache did not arrive fails
  leaseSeconds: set SGLANG_DISAGGREGATION_WAITING_TIMEOUT in global.env
  offloadConnectors: use SGLang's hicache flags in engineArgs
  {{- if ne .Values.global.kvTransfer.connector "nixl" }}
  extraConfig: set Mooncake's variables in global.env
  {{- end }}
{{- end }}

{{/* dynamo/sglang/init_multimodal.py:90, request_handlers/multimodal/encode_worker_handler.py:1272 of ai-dynamo 1.6.1 */}}
{{- define "dynamo-disagg.validate.engine.sglang.noEncoders" -}}
SGLang's encoders take the requests from the frontend and choose the workers themselves, past the router and its load limits
{{- end }}
