{{/* dynamo-disagg.validate.encoders: a pool of multimodal encoders (encode), and what it asks of the workers that compute prompts. */}}
{{- define "dynamo-disagg.validate.encoders" -}}
{{- $engine := .Values.global.engine.name }}
{{- $says := dict
      "autoscaling" "nothing that the frontends report is an encoder's load: remove it, and set encode.replicas"
      "parallelism" "an encoder has one GPU, whatever the model's other workers have: remove it, and set encode.replicas"
      "exclusiveTopologyKey" "an encoder is one pod: remove it" }}
{{- range .Subcharts.encode.refused }}
encode.{{ . }}: {{ get $says . }}
{{- end }}
{{- $why := include (printf "dynamo-disagg.validate.engine.%s.noEncoders" $engine) . }}
{{- if eq (int .Values.encode.replicas) 0 }}
{{- else if $why }}
encode.replicas: {{ $why }}: set encode.replicas=0, so that each worker encodes for itself, or global.engine.name=vllm
{{- else if .Values.global.simulation.enabled }}
encode.replicas: Dynamo's mocker takes no images and has no encoders: set encode.replicas=0 in simulation
{{- else }}
{{- $prompts := ternary "prefill" "decode" (eq .Values.global.serving "disaggregated") }}
{{- $roles := dict }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- $facts := include "dynamo-disagg.validate.facts" (dict "context" (get $.Subcharts $role) "program" $engine "known" $.knownFlags) | fromJson }}
{{- $_ := set $roles $role (dict "context" (get $.Subcharts $role) "facts" $facts) }}
{{- end }}
{{ include (printf "dynamo-disagg.validate.engine.%s.encoders" $engine) (dict "root" . "roles" $roles "prompts" $prompts) }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.warnings.encoders: a model that may be none for encoders: of a folder its config.json decides. in: root chart's context */}}
{{- define "dynamo-disagg.validate.warnings.encoders" -}}
{{- $knows := printf "dynamo-disagg.validate.engine.%s.encoders.knows" .Values.global.engine.name }}
{{- $path := (include "dynamo-disagg.model" . | fromJson).path }}
{{- if and .Values.encode.replicas (not (include $knows .Values.global.model.name)) (not (include $knows $path)) }}
encode.replicas: the name of {{ .Values.global.model.name }} does not say that Dynamo's encoders know it (docs/multimodal.md). Where its config.json does not either, no worker ever starts.
{{- end }}
{{- end }}
