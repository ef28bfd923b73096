{{/*
common.env.list: a container's env list from maps keyed by name.
in:  list of maps {NAME: "text" | {valueFrom source}}; a later map wins over an earlier one and replaces its
     entry as a whole, and null removes it. The first map keeps its place in front, so that "$(POD_IP)" resolves in the others.
*/}}
{{- define "common.env.list" -}}
{{- $merged := dict }}
{{- range . }}
{{- range $name, $value := . }}{{ $_ := set $merged $name $value }}{{ end }}
{{- end }}
{{- $first := keys (first .) | sortAlpha }}
{{- $rest := keys $merged | sortAlpha }}
{{- range $first }}{{ $rest = without $rest . }}{{ end }}
{{- range $name := concat $first $rest }}
{{- $value := get $merged $name }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ quote $name }}
  {{- if kindIs "map" $value }}
  valueFrom:
    {{- include "common.given" $value | nindent 4 }}
  {{- else }}
  value: {{ $value | toString | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.env.pod: who the pod is. Kubernetes discovery refuses to start without these. */}}
{{- define "common.env.pod" -}}
{{- range $name, $path := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_UID" "metadata.uid" "POD_IP" "status.podIP" }}
{{ $name }}: {fieldRef: {fieldPath: {{ $path }}}}
{{- end }}
{{- end }}

{{/*
common.env.dynamo: what every Dynamo process of a release shares. No connection settings for a service that
is not used: NATS_SERVER alone would open a connection.
out: YAML map
*/}}
{{- define "common.env.dynamo" -}}
{{- with .Values.global -}}
DYN_NAMESPACE: {{ include "common.dynamoNamespace" $ | quote }}
DYN_DISCOVERY_BACKEND: {{ .discovery.backend }}
DYN_REQUEST_PLANE: {{ .requestPlane }}
DYN_EVENT_PLANE: {{ .eventPlane }}
{{- if eq .discovery.backend "etcd" }}
ETCD_ENDPOINTS: {{ include "common.etcdEndpoints" $ | quote }}
{{- end }}
{{- if include "common.usesNats" $ }}
NATS_SERVER: {{ include "common.natsUrl" $ | quote }}
{{- end }}
{{- end }}
{{- end }}
