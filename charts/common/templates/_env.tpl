{{/*
dynamo-disagg.env.list: a container's env list from maps keyed by name.
in:  list of maps {NAME: "text" | {valueFrom source}}; a later map wins over an earlier one and replaces its
     entry as a whole, and null removes it. The first map keeps its place in front, so that "$(POD_IP)" resolves in the others.
*/}}
{{- define "dynamo-disagg.env.list" -}}
{{- $merged := dict }}
{{- range . }}
{{- range $name, $value := . }}{{ $_ := set $merged $name $value }}{{ end }}
{{- end }}
{{- $front := dict }}
{{- range $name, $value := first . }}
{{- $_ := set $front $name (get $merged $name) }}
{{- $_ := unset $merged $name }}
{{- end }}
{{- range list $front $merged }}
{{- range $name, $value := . }}
{{- if kindIs "map" $value }}
- name: {{ quote $name }}
  valueFrom: {{ include "dynamo-disagg.withoutNulls" $value }}
{{- else if not (kindIs "invalid" $value) }}
- name: {{ quote $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.env.pod: who the pod is. Kubernetes discovery refuses to start without these. out: JSON map */}}
{{- define "dynamo-disagg.env.pod" -}}
{{- $env := dict }}
{{- range $name, $path := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_UID" "metadata.uid" "POD_IP" "status.podIP" }}
{{- $_ := set $env $name (dict "fieldRef" (dict "fieldPath" $path)) }}
{{- end }}
{{- toJson $env }}
{{- end }}

{{/*
dynamo-disagg.env.dynamo: what every Dynamo process of a release shares. No connection settings for a service that
is not used: NATS_SERVER alone would open a connection.
out: JSON map
*/}}
{{- define "dynamo-disagg.env.dynamo" -}}
{{- with .Values.global }}
{{- $env := dict
      "DYN_NAMESPACE" (include "dynamo-disagg.dynamoNamespace" $)
      "DYN_DISCOVERY_BACKEND" .discovery.backend
      "DYN_REQUEST_PLANE" .requestPlane
      "DYN_EVENT_PLANE" .eventPlane }}
{{- if eq .discovery.backend "etcd" }}
{{- /* A process that loses its lease exits and loads its model again. A minute outlives the restart of a member or of all. */}}
{{- $_ := set $env "ETCD_LEASE_TTL" "60" }}
{{- $_ := set $env "ETCD_ENDPOINTS" (include "dynamo-disagg.etcdEndpoints" $) }}
{{- end }}
{{- if include "dynamo-disagg.usesNats" $ }}{{ $_ := set $env "NATS_SERVER" (include "dynamo-disagg.natsUrl" $) }}{{ end }}
{{- $env = merge $env (include "dynamo-disagg.env.natsUser" $ | fromJson) }}
{{- merge $env (include "dynamo-disagg.tls.env" $ | fromJson) | toJson }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.env.natsUser: who clients of NATS are: of Dynamo's processes, and of the server that asks for it. out: JSON map */}}
{{- define "dynamo-disagg.env.natsUser" -}}
{{- $env := dict }}
{{- with .Values.global.natsSecret }}
{{- range $key := list "username" "password" }}
{{- $_ := set $env (printf "NATS_AUTH_%s" (upper $key)) (dict "secretKeyRef" (dict "name" $.Values.global.natsSecret "key" $key)) }}
{{- end }}
{{- end }}
{{- toJson $env }}
{{- end }}

{{/*
dynamo-disagg.env.authorities: the files and folders of certificates that variables name, by which a program trusts a server.
in: map of variables; out: JSON map name of the variable -> list of paths
*/}}
{{- define "dynamo-disagg.env.authorities" -}}
{{- $found := dict }}
{{- range $name, $value := pick . "SSL_CERT_FILE" "SSL_CERT_DIR" "REQUESTS_CA_BUNDLE" "CURL_CA_BUNDLE" }}
{{- /* Of the two the file counts. */}}
{{- if and (kindIs "string" $value) (not (and (eq $name "SSL_CERT_DIR") (get $ "SSL_CERT_FILE"))) }}
{{- $paths := list }}
{{- range ternary (splitList ":" $value) (list $value) (eq $name "SSL_CERT_DIR") }}
{{- if and (hasPrefix "/" .) (not (contains "$(" .)) }}{{ $paths = append $paths . }}{{ end }}
{{- end }}
{{- with $paths }}{{ $_ := set $found $name . }}{{ end }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/*
dynamo-disagg.env.places: all variables that values can set, by where they stand; those of containers of one's own too.
in: root context, which keeps it; out: JSON map path -> map name -> text or source
*/}}
{{- define "dynamo-disagg.env.places" -}}
{{- if not (hasKey . "envPlaces") }}
{{- with .Values.global }}
{{- $places := dict "global.env" .env "global.hardwareSpec.env" .hardwareSpec.env "global.hardwareSpec.rdma.env" (.hardwareSpec.rdma | default dict).env }}
{{- range $component := include "dynamo-disagg.components" $ | fromJsonArray }}
{{- $values := (get $.Subcharts $component).Values }}
{{- $_ := set $places (printf "%s.env" $component) $values.env }}
{{- $_ := set $places (printf "%s.rdma.env" $component) ($values.rdma | default dict).env }}
{{- range $index, $container := $values.initContainers }}
{{- $env := dict }}{{ range .env }}{{ $_ := set $env .name (.valueFrom | default .value) }}{{ end }}
{{- $_ := set $places (printf "%s.initContainers[%d].env" $component $index) $env }}
{{- end }}
{{- end }}
{{- range $path, $env := $places }}{{ if not $env }}{{ $_ := unset $places $path }}{{ end }}{{ end }}
{{- $_ := set $ "envPlaces" (toJson $places) }}
{{- end }}
{{- end }}
{{- .envPlaces }}
{{- end }}
