{{/*
Dynamo's own mocker instead of an engine: a timing model with a real KV-cache manager, real events and real
metrics, on a CPU. It fakes the model's weights and the tokens' content; the rest of the release is real.
Contract: engines/_vllm.tpl. Image and GPUs stay those of simulation.image and of the real engine.
*/}}
{{- define "dynamo-disagg.engine.mocker.command" -}}
- python3
- -m
- dynamo.mocker
{{- end }}

{{- define "dynamo-disagg.engine.mocker.args" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- $engineArgs := include "dynamo-disagg.overlay" (list $global.engine.args $values.engineArgs) | fromJson }}
{{- $args := dict
  "model-path" $global.simulation.modelPath
  "model-name" $global.model.name
  "engine-type" $global.engine.name
  "disaggregation-mode" .mode
  "block-size" $global.kvCache.blockSize
  "speedup-ratio" $global.simulation.speedupRatio }}
{{- if gt (int $values.parallelism.data) 1 }}{{ $_ := set $args "data-parallel-size" $values.parallelism.data }}{{ end }}
{{- /* What the mocker models of the real engine's settings, under vLLM's and TensorRT-LLM's names. */}}
{{- $names := dict
      "max-model-len" "max-seq-len" "max-num-seqs" "max-batch-size" "max-num-batched-tokens" "max-num-tokens"
      "enable-prefix-caching" "" "num-gpu-blocks-override" "" }}
{{- range $flag, $theirs := $names }}
{{- range $name := list $flag $theirs }}
{{- if hasKey $engineArgs $name }}{{ $_ := set $args $flag (get $engineArgs $name) }}{{ end }}
{{- end }}
{{- end }}
{{- include "dynamo-disagg.args" $args }}
{{- end }}

{{- define "dynamo-disagg.engine.mocker.env" -}}
{}
{{- end }}

{{- define "dynamo-disagg.engine.mocker.pod" -}}
{}
{{- end }}

{{- define "dynamo-disagg.engine.mocker.config" -}}
{{- end }}

{{- define "dynamo-disagg.engine.mocker.serves" -}}{{- end }}

{{- define "dynamo-disagg.engine.mocker.needs" -}}
[]
{{- end }}
