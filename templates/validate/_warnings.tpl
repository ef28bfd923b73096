{{/* dynamo-disagg.validate.warnings: what works and is probably not meant, one line each, for NOTES.txt. in: root chart's context */}}
{{- define "dynamo-disagg.validate.warnings" -}}
{{ include "dynamo-disagg.validate.warnings.outages" . }}
{{ include "dynamo-disagg.validate.warnings.exposure" . }}
{{ include "dynamo-disagg.validate.warnings.unused" . }}
{{ include "dynamo-disagg.validate.warnings.ports" . }}
{{- if not .Values.global.simulation.enabled }}
{{ include "dynamo-disagg.validate.warnings.model" .Values.global.model }}
{{- $roles := dict }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- with get $.Subcharts $role }}
{{- $_ := set $roles $role (dict "facts" (include "dynamo-disagg.validate.facts" (dict "context" . "program" .Values.global.engine.name) | fromJson)) }}
{{- $hardware := include "dynamo-disagg.worker.hardware" . | fromJson }}
{{- $selector := .Values.nodeSelector }}
{{- range $label, $value := $hardware.nodeSelector }}
{{- with get $selector $label }}
{{- if ne (toString .) (toString $value) }}
{{ $role }}.nodeSelector.{{ $label }}: {{ . }} is not {{ $.Values.global.hardware }}'s {{ $value }}, and the pods still ask for the devices and folders of that machine.
{{- end }}
{{- end }}
{{- end }}
{{- if include "dynamo-disagg.worker.runByLws" . }}
{{- range $where, $labels := dict (printf "%s.podLabels" $role) .Values.podLabels "global.labels" .Values.global.labels }}
{{- if hasKey $labels "kueue.x-k8s.io/queue-name" }}
{{ $where }}.kueue.x-k8s.io/queue-name: Kueue admits a LeaderWorkerSet by its own label; of pods alone it admits each by itself, so half a worker may hold its quota: write {{ $role }}.labels.
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.hostNetwork }}
{{ $role }}.hostNetwork: a worker has its node's network, and so the node's ports (9090 among them) to itself, and is reached past every NetworkPolicy. The namespace must allow privileged pods.
{{- end }}
{{- if .Values.hostIPC }}
{{ $role }}.hostIPC: a worker can read the shared memory of every process of its node. The namespace must allow privileged pods.
{{- end }}
{{- $perNode := int $hardware.gpusPerNode }}
{{- if and (include "dynamo-disagg.worker.hardware" . | fromJson).computeDomain (lt (include "dynamo-disagg.worker.gpus" . | int) $perNode) }}
{{ $role }}.parallelism leaves GPUs of each node idle: a node has one channel of the ComputeDomain, so each worker takes a node.
{{- end }}
{{- if and (gt (int .Values.parallelism.tensor) $perNode) (not (include "dynamo-disagg.hardware.hasRdma" .)) }}
{{ $role }}.parallelism.tensor {{ .Values.parallelism.tensor }} spans nodes of {{ $perNode }} GPUs without RDMA: every layer waits for TCP.
{{- end }}
{{- end }}
{{- end }}
{{ include "dynamo-disagg.validate.warnings.encoders" . }}
{{ include "dynamo-disagg.validate.warnings.claim" . }}
{{ include "dynamo-disagg.validate.warnings.mooncake" . }}
{{- if eq .Values.global.router.mode "direct" }}
global.router.mode is direct: a request must name its worker, and those of `helm test` name none, so that it fails. Ask through what chooses the workers.
{{- end }}
{{- with .Values.frontend.service }}
{{- if and .nodePort (or (lt (int .nodePort) 30000) (gt (int .nodePort) 32767)) }}
frontend.service.nodePort {{ .nodePort }} is outside of Kubernetes' own range, 30000 to 32767: the API server refuses it unless --service-node-port-range says otherwise.
{{- end }}
{{- end }}
{{- $connector := .Values.global.kvTransfer.connector }}
{{- range $where, $probe := dict "test.probe" .Values.test.probe "preflight.probe" .Values.preflight.probe }}
{{- if and $probe.enabled (not (has $connector (list "nixl" "mooncake"))) }}
{{ $where }} measures NIXL over the devices of the workers, which move the KV cache with {{ $connector }}: neither its lane nor its speed is proven by it.
{{- end }}
{{- end }}
{{- if hasKey $roles "prefill" }}
{{- $alike := include (printf "dynamo-disagg.validate.engine.%s.alike" .Values.global.engine.name) . | fromYamlArray }}
{{ include "dynamo-disagg.validate.alike" (dict "roles" $roles "table" $alike "doubts" true) }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.warnings.model. in: global.model */}}
{{- define "dynamo-disagg.validate.warnings.model" -}}
{{- if and (ne .name "Qwen/Qwen3-0.6B") (eq (toString .sizeGiB) "2") }}
global.model.sizeGiB is 2, the default model's: set that of {{ .name }}, from which pods get the time to load it.
{{- end }}
{{- /* Of models with Mamba layers vLLM enlarges the blocks, e.g. to 2096 tokens, and the router hashes blocks of its own size. */}}
{{- if regexMatch "(?i)mamba|jamba|zamba|bamba|falcon-h1|nemotron-?h|nemotron-3|nemotron-nano-.*v2|qwen3[.]5|qwen3-next|granite-4|kimi-linear|kimi-k3|lfm2" .name }}
{{ .name }} looks like a model with Mamba or linear attention: where its log says that it has raised the block size, set global.kvCache.blockSize to that, or a kv router finds no prefix.
{{- end }}
{{- with .source }}
{{- $hub := .huggingface }}
{{- $isDefault := not (or $hub.repository $hub.tokenSecret.name $hub.cache.claimName $hub.cache.create.enabled $hub.download.enabled) }}
{{- if and (eq .type "huggingface") $hub.cache.sizeLimit (or $hub.cache.claimName $hub.cache.create.enabled) }}
global.model.source.huggingface.cache.sizeLimit is of a cache without a claim, and is ignored here.
{{- end }}
{{- $set := dict
      "pvc" (or .pvc.claimName .pvc.create.enabled) "gcsfuse" .gcsfuse.bucket "hostPath" .hostPath.path
      "ociImage" .ociImage.image.repository "csi" .csi.driver }}
{{- range $block, $isSet := $set }}
{{- if and $isSet $isDefault (eq $.source.type "huggingface") }}
global.model.source.{{ $block }} is set and type is huggingface, so every pod downloads from the hub: set global.model.source.type={{ $block }}.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
