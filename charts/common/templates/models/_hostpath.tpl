{{/*
Weights in a folder of the nodes' own disks, the fastest source and the only one that Pod Security "restricted" and
"baseline" refuse. A missing folder keeps the pod from starting; Kubernetes does not create an empty one. Contract: _model.tpl
*/}}
{{- define "dynamo-disagg.model.hostPath" -}}
{{- with .Values.global.model.source.hostPath }}
path: /models
volume: {hostPath: {path: {{ .path | quote }}, type: Directory}}
{{- if not .path }}
problems: ["global.model.source.hostPath.path: weights of type hostPath have no path: set it to the model's folder on the nodes"]
{{- end }}
{{- end }}
{{- end }}
