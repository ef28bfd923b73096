{{/* Weights in an inline volume of any CSI driver: another cloud's bucket, a registry, a parallel file system. Contract: _model.tpl */}}
{{- define "dynamo-disagg.model.csi" -}}
{{- with .Values.global.model.source.csi }}
path: {{ include "dynamo-disagg.modelFolder" .path }}
volume:
  csi:
    driver: {{ .driver | quote }}
    readOnly: {{ .readOnly }}
    {{- with .volumeAttributes }}
    volumeAttributes: {{ toJson . }}
    {{- end }}
    {{- with .nodePublishSecretRef.name }}
    nodePublishSecretRef: {name: {{ . | quote }}}
needs:
  - {kind: Secret, name: {{ . | quote }}, value: global.model.source.csi.nodePublishSecretRef.name}
    {{- end }}
{{- if not .driver }}
problems: ["global.model.source.csi.driver: weights of type csi have no driver: set it"]
{{- end }}
{{- end }}
{{- end }}
