{{/*
Weights from the Hugging Face hub into a cache volume. Model source contract (every file in models/):
  .path     what the engine's --model gets          .volumes  YAML map name -> volume source
  .env      YAML map                                .mounts   YAML map name -> volumeMount without name
  .annotations  YAML map, of the pod
  .needs    YAML list of objects that must exist: {kind, name, key, value (where it is set)}
in:  component or root context
*/}}
{{- define "common.model.huggingface.path" -}}
{{ .Values.global.model.source.huggingface.repository | default .Values.global.model.name }}
{{- end }}

{{- define "common.model.huggingface.volumes" -}}
{{- $cache := .Values.global.model.source.huggingface.cache }}
model-cache:
  {{- /* The frontend reads the tokenizer only, and need not run where a ReadWriteOnce claim is. */}}
  {{- if and $cache.claimName (ne .Chart.Name "frontend") }}
  persistentVolumeClaim: {claimName: {{ $cache.claimName }}}
  {{- else }}
  emptyDir: {{ with $cache.sizeLimit }}{sizeLimit: {{ . }}}{{ else }}{}{{ end }}
  {{- end }}
{{- end }}

{{- define "common.model.huggingface.mounts" -}}
model-cache: {mountPath: /model-cache}
{{- end }}

{{- define "common.model.huggingface.env" -}}
HF_HOME: /model-cache
{{- with .Values.global.model.source.huggingface.tokenSecret }}
{{- if .name }}
HF_TOKEN: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- end }}

{{- define "common.model.huggingface.needs" -}}
{{- with .Values.global.model.source.huggingface }}
{{- if .tokenSecret.name }}
- {kind: Secret, name: {{ .tokenSecret.name }}, key: {{ .tokenSecret.key }}, value: global.model.source.huggingface.tokenSecret}
{{- end }}
{{- with .cache.claimName }}
- {kind: PersistentVolumeClaim, name: {{ . }}, value: global.model.source.huggingface.cache.claimName}
{{- end }}
{{- end }}
{{- end }}

{{- define "common.model.huggingface.annotations" -}}
{}
{{- end }}
