{{/*
Weights in a Cloud Storage bucket, mounted read-only by GKE's Cloud Storage FUSE driver. The service account needs
access to the bucket (global.serviceAccount.annotations for Workload Identity). Contract: models/_huggingface.tpl
*/}}
{{- define "common.model.gcsfuse.path" -}}
/models{{ with .Values.global.model.source.gcsfuse.path }}/{{ trimAll "/" . }}{{ end }}
{{- end }}

{{- define "common.model.gcsfuse.volumes" -}}
model:
  csi:
    driver: gcsfuse.csi.storage.gke.io
    readOnly: true
    volumeAttributes:
      bucketName: {{ .Values.global.model.source.gcsfuse.bucket }}
      mountOptions: {{ .Values.global.model.source.gcsfuse.mountOptions }}
{{- end }}

{{- define "common.model.gcsfuse.mounts" -}}
model: {mountPath: /models, readOnly: true}
{{- end }}

{{- define "common.model.gcsfuse.env" -}}
{{ include "common.model.pvc.env" . }}
{{- end }}

{{- define "common.model.gcsfuse.annotations" -}}
# The driver's sidecar; "0" lifts its limits, or reading hundreds of GiB is throttled.
gke-gcsfuse/volumes: "true"
gke-gcsfuse/cpu-limit: "0"
gke-gcsfuse/memory-limit: "0"
gke-gcsfuse/ephemeral-storage-limit: "0"
{{- end }}

{{- define "common.model.gcsfuse.needs" -}}
[]
{{- end }}
