{{/* Ports that more than one template names. */}}
{{- define "dynamo-disagg.port.http" -}}8000{{- end }}
{{- define "dynamo-disagg.port.system" -}}9090{{- end }}
{{- define "dynamo-disagg.port.rendezvous" -}}29500{{- end }}
{{- define "dynamo-disagg.port.sglang" -}}30000{{- end }}
{{- define "dynamo-disagg.port.sglangBootstrap" -}}30001{{- end }}
{{- define "dynamo-disagg.port.etcd" -}}2379{{- end }}
{{- define "dynamo-disagg.port.nats" -}}4222{{- end }}
