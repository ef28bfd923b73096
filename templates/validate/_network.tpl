{{/* validate.network: policies that would cut off what the values ask for, and peers that the API server refuses. */}}
{{- define "validate.network" -}}
{{- $global := .Values.global }}
{{- $frontend := .Values.frontend }}
{{- with .Values.networkPolicy }}
{{- if .enabled }}
{{- $reach := list }}
{{- range .clients }}{{ $reach = concat $reach (keys .) }}{{ end }}
{{- if not .clients }}
networkPolicy.clients: nobody could ask the frontend: name who may, e.g. [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: apps}}}], or [{podSelector: {}}] for this namespace
{{- else if and (ne $frontend.service.type "ClusterIP") (not (has "ipBlock" $reach)) }}
networkPolicy.clients: who comes through a Service of type {{ $frontend.service.type }} has an address outside the cluster, or a node's: add [{ipBlock: {cidr: ...}}], or set frontend.service.type=ClusterIP
{{- else if and (or $frontend.ingress.enabled $frontend.httpRoute.enabled) (not (has "ipBlock" $reach)) (not (has "namespaceSelector" $reach)) }}
networkPolicy.clients: the pods of the {{ if $frontend.ingress.enabled }}Ingress controller{{ else }}Gateway{{ end }} ask the frontend, and podSelector alone means this namespace: add their namespace, e.g. [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: gateways}}}]
{{- end }}
{{- if and $global.discovery.etcdEndpoints (not .etcd.to) }}
networkPolicy.etcd.to: no pod could reach global.discovery.etcdEndpoints: name its pods or addresses, e.g. [{ipBlock: {cidr: 10.0.0.5/32}}]
{{- else if and .etcd.to (not $global.discovery.etcdEndpoints) }}
networkPolicy.etcd.to: no pod uses an etcd outside the release: remove it, or set global.discovery.etcdEndpoints
{{- end }}
{{- if and $global.natsUrl (not .nats.to) }}
networkPolicy.nats.to: no pod could reach global.natsUrl: name its pods or addresses, e.g. [{ipBlock: {cidr: 10.0.0.5/32}}]
{{- else if and .nats.to (not $global.natsUrl) }}
networkPolicy.nats.to: no pod uses a NATS outside the release: remove it, or set global.natsUrl
{{- end }}
{{- $collectors := include "dynamo-disagg.network.collectors" $ | fromJson | keys | sortAlpha }}
{{- if and $collectors (not .telemetry.to) }}
networkPolicy.telemetry.to: no pod could reach {{ join ", " $collectors }}: name its pods or addresses, e.g. [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
{{- else if and .telemetry.to (not $collectors) }}
networkPolicy.telemetry.to: nothing is sent to a collector: remove it, or set global.telemetry.otlpEndpoint
{{- end }}
{{- $model := include "common.model" $ | fromJson }}
{{- if or $model.fetches $model.download $.Values.encode.replicas }}
{{- $open := list }}{{ range .downloads.ports }}{{ $open = append $open (toJson .) }}{{ end }}
{{- range $where, $env := include "common.env.places" $ | fromJson }}
{{- range $name, $url := $env }}
{{- /* What a proxy is asked for is not asked itself. */}}
{{- if and (regexMatch "^(?i:https_proxy|all_proxy)$|^HF_ENDPOINT$" $name) (kindIs "string" $url) (not (and (eq $name "HF_ENDPOINT") (regexMatch "(?i)(https?|all)_proxy" (keys $env $global.env | join " ")))) }}
{{- range $port := include "dynamo-disagg.network.urlPorts" (dict "urls" (list $url)) | fromJsonArray }}
{{- if and $port (not (has (toJson $port) $open)) }}
networkPolicy.downloads.ports: {{ $where }}.{{ $name }} is asked at port {{ $port }}, which no pod could reach: add it, and its address to networkPolicy.downloads.to
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $.Values.metrics.podMonitor.enabled (not .monitoring) }}
networkPolicy.monitoring: no Prometheus could scrape the pods, as metrics.podMonitor.enabled wants: name it, e.g. [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
{{- end }}
{{- range $name, $peers := include "validate.network.lists" $ | fromJson }}
{{ include "validate.network.peers" (dict "where" (printf "networkPolicy.%s" $name) "peers" $peers) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* validate.network.lists: all peers of the values. in: root context; out: JSON map path below networkPolicy -> list */}}
{{- define "validate.network.lists" -}}
{{- $lists := pick .Values.networkPolicy "clients" "monitoring" }}
{{- range $name := list "dns" "apiServer" "downloads" "etcd" "nats" "telemetry" }}{{ $_ := set $lists (printf "%s.to" $name) (get $.Values.networkPolicy $name).to }}{{ end }}
{{- toJson $lists }}
{{- end }}
