{{/* dynamo-disagg.validate.warnings.exposure: who may come in, and what is read on the way. */}}
{{- define "dynamo-disagg.validate.warnings.exposure" -}}
{{- $doors := list }}
{{- with .Values.frontend }}
{{- if ne .service.type "ClusterIP" }}{{ $doors = append $doors (printf "frontend.service.type=%s" .service.type) }}{{ end }}
{{- range $name := list "ingress" "httpRoute" }}{{ if (get $.Values.frontend $name).enabled }}{{ $doors = append $doors (printf "frontend.%s" $name) }}{{ end }}{{ end }}
{{- end }}
{{- with $doors }}
{{ join ", " . }} opens the API, and Dynamo asks for no key or token: whoever reaches it uses the model. docs/security.md has a front door that asks.
{{- end }}
{{- if and .Values.global.tls.secretName (eq .Values.global.eventPlane "zmq") }}
global.tls does not cover KV events over zmq, for which Dynamo has no TLS: set global.eventPlane=nats, or close the pods with networkPolicy.
{{- end }}
{{- if .Values.global.tls.secretName }}
{{- with include "dynamo-disagg.validate.etcd.plain" . | fromJsonArray }}
global.discovery.etcdEndpoints: {{ join " and " . }} is asked without TLS, which global.tls is not for outside of the release: write https://, and the certificates in global.env (ETCD_AUTH_CA, ETCD_AUTH_CLIENT_CERT, ETCD_AUTH_CLIENT_KEY).
{{- end }}
{{- if hasPrefix "nats://" .Values.global.natsUrl }}
global.natsUrl: nats:// leaves TLS to what the server asks for, and global.tls is not for servers outside of the release: write tls://, and the certificates in global.env (NATS_TLS_CA_CERT_PATH).
{{- end }}
{{- end }}
{{- if .Values.global.tls.secretName }}
{{- $machine := include "dynamo-disagg.hardware" . | fromJson }}{{ $cannot := list }}
{{- range $component := include "dynamo-disagg.components" . | fromJsonArray }}
{{- $isRoot := and (has $component (include "dynamo-disagg.roles" $ | fromJsonArray)) $machine.runAsRoot }}
{{- $pod := include "dynamo-disagg.podSecurityContext" (dict "root" $ "overrides" (get $.Subcharts $component).Values.podSecurityContext "runAsRoot" $isRoot) | fromJson }}
{{- if and $pod.runAsUser (not (hasKey $pod "fsGroup")) }}{{ $cannot = append $cannot (printf "%s.podSecurityContext" $component) }}{{ end }}
{{- end }}
{{- with $cannot }}
{{ join ", " . }}: only root and the pod's fsGroup read the files of global.tls.secretName, and no fsGroup is set: set one, unless the namespace chooses it, as OpenShift's do.
{{- end }}
{{- end }}
{{- range $where, $env := include "dynamo-disagg.env.places" . | fromJson }}
{{- if get $env "NATS_TLS_INSECURE" }}
{{ $where }}.NATS_TLS_INSECURE: any certificate is taken, so that whoever stands between may read and answer: name the authority in NATS_TLS_CA_CERT_PATH.
{{- end }}
{{- end }}
{{- with .Values.global.serviceAccount }}
{{- if and (not .create) (has .name (list "" "default")) (eq $.Values.global.discovery.backend "kubernetes") }}
global.serviceAccount: the rights of Kubernetes discovery go to the account "default", which every pod of the namespace has that names no other: set global.serviceAccount.create=true, or name an account for these pods alone.
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.warnings.ports: addresses that are asked at another port than servers of their kind have. */}}
{{- define "dynamo-disagg.validate.warnings.ports" -}}
{{- range $where, $of := dict "global.discovery.etcdEndpoints" (list 2379 .Values.global.discovery.etcdEndpoints) "global.telemetry.otlpEndpoint" (list 4317 (list .Values.global.telemetry.otlpEndpoint)) }}
{{- range last $of }}
{{- if regexMatch "^http://([^:/]+|\\[[^/]+\\])/?$" . }}
{{ $where }}: Dynamo asks {{ . }} at port 80: write {{ trimSuffix "/" . }}:{{ first $of }} where it is the usual one.
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.warnings.unused: what a switch elsewhere leaves without effect. */}}
{{- define "dynamo-disagg.validate.warnings.unused" -}}
{{- with .Values.networkPolicy }}
{{- $set := list }}{{ $enabled := .enabled }}
{{- range $name, $list := include "dynamo-disagg.validate.network.lists" $ | fromJson }}
{{- /* The others are never empty. */}}
{{- if and $list (not (has $name (list "dns.to" "apiServer.to" "downloads.to"))) }}{{ $set = append $set (printf "networkPolicy.%s" $name) }}{{ end }}
{{- range $index, $peer := $list }}
{{- with .ipBlock }}
{{- range prepend (.except | default list) .cidr }}
{{- $bits := include "dynamo-disagg.validate.bits" (first (splitList "/" .)) }}
{{- if and $enabled $bits (contains "1" (substr (splitList "/" . | last | int) (len $bits) $bits)) }}
networkPolicy.{{ $name }}[{{ $index }}].ipBlock: {{ . }} is the whole block that {{ first (splitList "/" .) }} is in: write {{ first (splitList "/" .) }}/{{ len $bits }} for the one address.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $set (not .enabled) }}
{{ join ", " $set }}: every pod is open to everybody as long as networkPolicy.enabled is false: set it to true.
{{- end }}
{{- end }}
{{- if not (or .Values.global.rdma.enabled .Values.global.simulation.enabled) }}
{{- $set := list }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- if (get $.Values $role).rdma }}{{ $set = append $set (printf "%s.rdma" $role) }}{{ end }}
{{- end }}
{{- if .Values.global.hardwareSpec.rdma }}{{ $set = append $set "global.hardwareSpec.rdma" }}{{ end }}
{{- with $set }}
{{ join ", " . }}: ignored, as global.rdma.enabled is false.
{{- end }}
{{- end }}
{{- end }}
