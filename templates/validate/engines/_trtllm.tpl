{{/* Rules of TensorRT-LLM 1.3.0rc29, whose public package has no source: what Dynamo's own code and its recipes say. */}}
{{- define "dynamo-disagg.validate.engine.trtllm.checks" -}}
# dynamo/trtllm/engine.py:48, args.py:79, backend_args.py:567
trtllm.backend:
- {when: {trtllm.backend: not pytorch}, says: "Dynamo runs TensorRT-LLM's pytorch backend only: remove it"}
# tensorrt_llm/llmapi/llm_args.py
trtllm.kv_cache_config.free_gpu_memory_fraction:
- {when: {it: above 1}, says: "{it} is out of range: write a share from 0 to 1"}
- {when: {it: below 0}, says: "{it} is out of range: write a share from 0 to 1"}
trtllm.max_batch_size, trtllm.max_num_tokens, trtllm.max_seq_len, trtllm.max_input_len, trtllm.max_beam_width, trtllm.kv_cache_config.max_tokens, trtllm.cache_transceiver_config.max_tokens_in_buffer, trtllm.cuda_graph_config.max_batch_size:
- {when: {it: below 1}, says: "{it} is out of range: write a number from 1"}
- {when: {it: no number}, says: "{it} is no number: write one"}
connector:
- {when: {connector: 'not none|kvbm|["none"]|["kvbm"]'}, says: "TensorRT-LLM takes none or kvbm, not {it}: set one of them"}
enable-multimodal:
- {when: {modality: image_diffusion|video_diffusion}, says: "Dynamo refuses it with modality {modality}: remove one of the two"}
{{- end }}

{{- define "dynamo-disagg.validate.engine.trtllm.hostMemory" -}}
- {fact: trtllm.kv_cache_config.host_cache_size, bytes: 1, each: true}
{{- end }}

{{/* What TensorRT-LLM's LLM API has (tensorrt_llm/llmapi/llm_args.py), as far as recipes use it: other names are not refused, only slips. */}}
{{- define "dynamo-disagg.validate.engine.trtllm.settings" -}}
[kv_cache_config, cuda_graph_config, moe_config, cache_transceiver_config, speculative_config, scheduler_config,
 attention_dp_config, torch_compile_config, peft_cache_config, max_batch_size, max_num_tokens, max_seq_len, max_input_len,
 max_beam_width, enable_chunked_prefill, disable_overlap_scheduler, print_iter_log, stream_interval, attn_backend,
 allreduce_strategy, num_postprocess_workers, trust_remote_code, tokenizer, enable_iter_perf_stats, load_format, backend]
{{- end }}

{{- define "dynamo-disagg.validate.engine.trtllm.role" -}}
{{- $settings := include "dynamo-disagg.validate.engine.trtllm.settings" . | fromYamlArray }}
{{- range $fact := keys .facts.where | sortAlpha }}
{{- $name := regexFind "^trtllm[.][a-z_0-9]+$" $fact | trimPrefix "trtllm." }}
{{- if and $name (not (has $name $settings)) }}
{{- with include "dynamo-disagg.validate.nearest" (dict "word" $name "known" $settings "atLeast" 850) }}
{{ get $.facts.where $fact }}: TensorRT-LLM has no {{ $name }}: did you mean {{ . }}?
{{- end }}
{{- end }}
{{- end }}
{{- $role := .context.Chart.Name }}
{{- $global := .context.Values.global }}
{{- with .parallelism }}
{{- if not (has (int .data) (list 1 (int .tensor))) }}
{{ $role }}.parallelism.data: TensorRT-LLM's attention data parallelism is over all {{ .tensor }} tensor-parallel GPUs: choose {{ .tensor }}, or 1 for none
{{- end }}
{{- if ne (mod (int .tensor) (int .expert)) 0 }}
{{ $role }}.parallelism.expert: TensorRT-LLM spreads experts over its {{ .tensor }} tensor-parallel GPUs: choose a divisor of {{ .tensor }}
{{- end }}
{{- end }}
{{- if not (has (int $global.kvCache.blockSize) (list 1 2 4 8 16 32 64 128 256 512 1024)) }}
global.kvCache.blockSize: TensorRT-LLM's blocks hold a power of two of tokens, not {{ $global.kvCache.blockSize }}: choose 32, 64 or 128
{{- end }}
{{- if eq (get .facts.values "trtllm.kv_cache_config.enable_block_reuse") "false" }}
{{ include "dynamo-disagg.validate.blindRouter" (dict "context" .context "where" (get .facts.where "trtllm.kv_cache_config.enable_block_reuse")) }}
{{- end }}
{{- if and (gt (include "dynamo-disagg.worker.nodes" .context | int) 1) (not $global.multiNode.sshSecret) }}
global.multiNode.sshSecret: the ranks of a TensorRT-LLM worker of several nodes start over ssh: make a key ({{ include "dynamo-disagg.engine.trtllm.keyCommand" (dict "root" .context "name" "mpi-ssh") }}) and name its Secret
{{- end }}
{{- end }}

{{/* The cache transceiver takes any sizes of both roles, but one dtype (cacheFormatter.cpp inquireSupport). */}}
{{- define "dynamo-disagg.validate.engine.trtllm.alike" -}}
- {fact: trtllm.kv_cache_config.dtype, unset: auto, why: the KV cache of both roles must have one format}
{{- end }}

{{- define "dynamo-disagg.validate.engine.trtllm.pair" -}}
{{- end }}

{{/* TensorRT-LLM's cache transceiver: NIXL over one backend, or UCX without NIXL. */}}
{{- define "dynamo-disagg.validate.engine.trtllm.kvTransfer" -}}
connectors: [nixl, ucx, default]
backends: one
refuses:
  onLoadFailure: remove it, a request whose KV cache did not arrive fails
  leaseSeconds: set trtllm.cache_transceiver_config.kv_transfer_timeout_ms in global.engine.args
  extraConfig: set trtllm.cache_transceiver_config.<key> in global.engine.args
  offloadConnectors: set trtllm.kv_cache_config.host_cache_size in global.engine.args
{{- end }}

{{- define "dynamo-disagg.validate.engine.trtllm.noEncoders" -}}
the chart has encoders for vLLM only, and none of TensorRT-LLM's (--disaggregation-mode encode, --encode-endpoint) yet
{{- end }}
