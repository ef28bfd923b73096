{{/* The generated tokenizer and configuration inside the simulation image: no weights, no volume. Contract: _model.tpl */}}
{{- define "dynamo-disagg.model.simulated" -}}
path: {{ .Values.global.simulation.modelPath | quote }}
env: {HF_HUB_OFFLINE: "1", TRANSFORMERS_OFFLINE: "1"}
{{- end }}
