{{/*
Prefill and decode on one node, measured on two H200s (docs/kv-path.md): the KV cache moves between two pods over cuda_ipc
if both of this hold, and else over TCP, in silence.
  numbers  The processes have different numbers. Every container counts from 1, so they are equal, and CUDA refuses the
           memory. So decode engines start behind files/launch.py, which moves theirs away; KV caches move between
           the roles only. Newer UCX wants one PID namespace besides: global.colocation.hostPID.
  devices  The container that moves the cache (.moves of the engine) has the device nodes of the other role's GPUs. A device
           plugin gives it its own alone, so the values promise TCP; a GPU that both roles share is in both.
*/}}

{{/*
dynamo-disagg.sameNode: "true" where this role's worker may share its node with one of the other role and, as the values are,
the KV cache was measured to go over cuda_ipc between them once the devices are there. in: component context
*/}}
{{- define "dynamo-disagg.sameNode" -}}
{{- $global := .Values.global }}
{{- $moves := and (eq $global.serving "disaggregated") (ne .Chart.Name "encode") (not $global.simulation.enabled) }}
{{- $small := lt (include "dynamo-disagg.worker.gpus" . | int) ((include "dynamo-disagg.hardware" . | fromJson).gpusPerNode | int) }}
{{- $wants := include "dynamo-disagg.sameNode.wants" . | trim }}
{{- if and $moves $small (or (eq $wants "numbers") (and (eq $wants "namespace") $global.colocation.hostPID)) }}true{{ end }}
{{- end }}

{{/*
dynamo-disagg.sameNode.wants: "numbers", "namespace" or nothing, as .cudaIpc of an engine, for the connector of the values. Mooncake uses CUDA IPC
where MC_INTRANODE_NVLINK is set, and refuses memory of its own number (measured with files/kv_probe, Mooncake 0.3.14).
in: component context
*/}}
{{- define "dynamo-disagg.sameNode.wants" -}}
{{- $transfer := .Values.global.kvTransfer }}
{{- if and (eq $transfer.connector "nixl") (has "UCX" $transfer.backends) }}
{{- include (printf "dynamo-disagg.engine.%s.cudaIpc" .Values.global.engine.name) . }}
{{- else if eq $transfer.connector "mooncake" }}
{{- $env := include "dynamo-disagg.overlay" (list .Values.global.env .Values.env) | fromJson }}
{{- if get $env "MC_INTRANODE_NVLINK" }}numbers{{ end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.sameNode.launches: "true" where the role's engine starts behind the launcher. In the node's PID namespace all
numbers differ. in: component context
*/}}
{{- define "dynamo-disagg.sameNode.launches" -}}
{{- if and (eq .Chart.Name "decode") (not .Values.global.colocation.hostPID) }}{{ include "dynamo-disagg.sameNode" . }}{{ end }}
{{- end }}

{{/*
dynamo-disagg.sameNode.command: what stands before the engine's command. Engines use some hundred numbers until they are ready
(412 vLLM, 465 SGLang, on 16 cores), so 16384 keeps the roles apart. out: YAML list, or nothing
*/}}
{{- define "dynamo-disagg.sameNode.command" -}}
{{- if include "dynamo-disagg.sameNode.launches" . }}
- python3
- /opt/dynamo-disagg/launch.py
- "16384"
{{- end }}
{{- end }}

{{/*
dynamo-disagg.sameNode.env: UCX reads another process's GPU memory over cuda_ipc only where it sees NVLink, unless it is told
to; what it takes otherwise is TCP. out: YAML map
*/}}
{{- define "dynamo-disagg.sameNode.env" -}}
{{- if and (eq .Values.global.kvTransfer.connector "nixl") (include "dynamo-disagg.sameNode" .) }}
UCX_CUDA_IPC_ENABLE_GET_ZCOPY: "y"
{{- end }}
{{- end }}
