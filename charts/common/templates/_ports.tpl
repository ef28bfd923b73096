{{/* Ports that more than one template names. */}}
{{- define "common.port.http" -}}8000{{- end }}
{{- define "common.port.system" -}}9090{{- end }}
{{- define "common.port.rendezvous" -}}29500{{- end }}
{{- define "common.port.sglang" -}}30000{{- end }}
{{- define "common.port.sglangBootstrap" -}}30001{{- end }}
{{- define "common.port.etcd" -}}2379{{- end }}
{{- define "common.port.nats" -}}4222{{- end }}
