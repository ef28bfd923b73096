{{/* The generated tokenizer and configuration inside the simulation image: no weights, no volume. Contract: models/_huggingface.tpl */}}
{{- define "common.model.simulated.path" -}}
{{ .Values.global.simulation.modelPath }}
{{- end }}
{{- define "common.model.simulated.volumes" -}}
{}
{{- end }}
{{- define "common.model.simulated.mounts" -}}
{}
{{- end }}
{{- define "common.model.simulated.env" -}}
HF_HUB_OFFLINE: "1"
TRANSFORMERS_OFFLINE: "1"
{{- end }}
{{- define "common.model.simulated.needs" -}}
[]
{{- end }}

{{- define "common.model.simulated.annotations" -}}
{}
{{- end }}
