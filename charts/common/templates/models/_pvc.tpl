{{/* Weights in an existing PersistentVolumeClaim, mounted read-only. Contract: models/_huggingface.tpl */}}
{{- define "common.model.pvc.path" -}}
/models{{ with .Values.global.model.source.pvc.path }}/{{ trimAll "/" . }}{{ end }}
{{- end }}

{{- define "common.model.pvc.volumes" -}}
model:
  persistentVolumeClaim: {claimName: {{ .Values.global.model.source.pvc.claimName }}, readOnly: true}
{{- end }}

{{- define "common.model.pvc.mounts" -}}
model: {mountPath: /models, readOnly: true}
{{- end }}

{{- define "common.model.pvc.env" -}}
# Nothing must be downloaded, so nothing may be tried.
HF_HUB_OFFLINE: "1"
TRANSFORMERS_OFFLINE: "1"
{{- end }}

{{- define "common.model.pvc.needs" -}}
- {kind: PersistentVolumeClaim, name: {{ .Values.global.model.source.pvc.claimName }}, value: global.model.source.pvc.claimName}
{{- end }}

{{- define "common.model.pvc.annotations" -}}
{}
{{- end }}
