{{/* Weights in an OCI image, mounted as an image volume: pulled, cached and pinned like any image. Contract: _model.tpl */}}
{{- define "dynamo-disagg.model.ociImage" -}}
{{- with .Values.global.model.source.ociImage }}
path: {{ include "dynamo-disagg.modelFolder" .path }}
volume:
  image:
    reference: {{ include "dynamo-disagg.image" (dict "root" $ "image" .image) | quote }}
    {{- with .image.pullPolicy }}
    pullPolicy: {{ . }}
    {{- end }}
weights: {{ printf "%s@%s" .image.repository (.image.digest | default .image.tag) | quote }}
problems:
{{- if not .image.repository }}
  - "global.model.source.ociImage.image.repository: weights of type ociImage have no repository: set it"
{{- else if not (or .image.tag .image.digest) }}
  - "global.model.source.ociImage.image: neither a tag nor a digest says which image: set one of them"
{{- end }}
{{- /* Beta and on from 1.35, general from 1.36; before, a feature gate that clusters have switched off. */}}
{{- if semverCompare "<1.35.0-0" $.Capabilities.KubeVersion.Version }}
  - "global.model.source.type: image volumes need Kubernetes 1.35, this is {{ $.Capabilities.KubeVersion.Version }}: choose another source"
{{- end }}
{{- end }}
{{- end }}
