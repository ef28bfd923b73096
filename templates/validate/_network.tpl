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
{{- if and $global.telemetry.otlpEndpoint (not .telemetry.to) }}
networkPolicy.telemetry.to: no pod could reach global.telemetry.otlpEndpoint: name its pods or addresses, e.g. [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
{{- else if and .telemetry.to (not $global.telemetry.otlpEndpoint) }}
networkPolicy.telemetry.to: nothing is sent to a collector: remove it, or set global.telemetry.otlpEndpoint
{{- end }}
{{- if and $.Values.metrics.podMonitor.enabled (not .monitoring) }}
networkPolicy.monitoring: no Prometheus could scrape the pods, as metrics.podMonitor.enabled wants: name it, e.g. [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
{{- end }}
{{- $lists := dict
      "clients" .clients "monitoring" .monitoring "dns.to" .dns.to "apiServer.to" .apiServer.to
      "downloads.to" .downloads.to "etcd.to" .etcd.to "nats.to" .nats.to "telemetry.to" .telemetry.to }}
{{- range $name := keys $lists | sortAlpha }}
{{- range $index, $peer := get $lists $name }}
{{- $where := printf "networkPolicy.%s[%d]" $name $index }}
{{- with .ipBlock }}
{{- if omit $peer "ipBlock" }}
{{ $where }}: Kubernetes takes an ipBlock or selectors, not both: make two entries of it
{{- end }}
{{- range prepend (.except | default list) .cidr }}
{{- if not (regexMatch "^([0-9]{1,3}([.][0-9]{1,3}){3}/([12]?[0-9]|3[0-2])|[0-9a-fA-F]*:[0-9a-fA-F:.]*/([0-9]{1,2}|1[01][0-9]|12[0-8]))$" .) }}
{{ $where }}.ipBlock: {{ . }} is no block of addresses: write {{ if regexMatch "^[0-9.]+$" . }}{{ . }}/32{{ else }}address/length, e.g. 10.0.0.0/8{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
