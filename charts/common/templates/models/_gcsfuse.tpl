{{/*
Weights in a Cloud Storage bucket, mounted by GKE's Cloud Storage FUSE driver. The service account needs access to
the bucket (global.serviceAccount.annotations for Workload Identity). Contract: _model.tpl
*/}}
{{- define "dynamo-disagg.model.gcsfuse" -}}
{{- with .Values.global.model.source.gcsfuse }}
path: {{ include "dynamo-disagg.modelFolder" .path }}
volume:
  csi:
    driver: gcsfuse.csi.storage.gke.io
    readOnly: true
    volumeAttributes: {bucketName: {{ .bucket | quote }}, mountOptions: {{ .mountOptions | quote }}}
# The driver runs in the pod. GKE's metadata server, which gives it its identity, is at the second with Dataplane V2.
fetches: true
servers: [{cidr: 169.254.169.252/32, port: 988}, {cidr: 169.254.169.254/32, port: 80}]
annotations:
  # The driver's sidecar; "0" lifts its limits, or reading hundreds of GiB is throttled.
  gke-gcsfuse/volumes: "true"
  gke-gcsfuse/cpu-limit: "0"
  gke-gcsfuse/memory-limit: "0"
  gke-gcsfuse/ephemeral-storage-limit: "0"
{{- if not .bucket }}
problems: ["global.model.source.gcsfuse.bucket: weights of type gcsfuse have no bucket: set it"]
{{- end }}
{{- end }}
{{- end }}
