{{/* dynamo-disagg.validate.network: policies that would cut off what the values ask for, and peers that the API server refuses. */}}
{{- define "dynamo-disagg.validate.network" -}}
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
{{ include "dynamo-disagg.validate.network.downloads" $ }}
{{- if and $.Values.metrics.podMonitor.enabled (not .monitoring) }}
networkPolicy.monitoring: no Prometheus could scrape the pods, as metrics.podMonitor.enabled wants: name it, e.g. [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
{{- end }}
{{- range $name, $peers := include "dynamo-disagg.validate.network.lists" $ | fromJson }}
{{ include "dynamo-disagg.validate.network.peers" (dict "where" (printf "networkPolicy.%s" $name) "peers" $peers) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.network.downloads: a mirror of the hub or a proxy that pods are told to ask and could not reach. in: root context */}}
{{- define "dynamo-disagg.validate.network.downloads" -}}
{{- $global := .Values.global }}
{{- $downloads := .Values.networkPolicy.downloads }}
{{- $asked := include "dynamo-disagg.validate.network.fetchers" . | fromJson }}
{{- $pools := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- $open := list }}{{ range $downloads.ports }}{{ $open = append $open (toJson .) }}{{ end }}
{{- range $where, $env := include "dynamo-disagg.env.places" . | fromJson }}
{{- $of := first (splitList "." $where) }}
{{- range $name, $url := $env }}
{{- /* What a proxy is asked for is not asked itself. */}}
{{- if and (regexMatch "^(?i:https_proxy|all_proxy)$|^HF_ENDPOINT$" $name) (kindIs "string" $url) (not (and (eq $name "HF_ENDPOINT") (regexMatch "(?i)(https?|all)_proxy" (keys $env $global.env | join " ")))) }}
{{- $askers := ternary $asked.hub $asked.all (eq $name "HF_ENDPOINT") }}
{{- $reached := false }}
{{- range $askers }}{{ if or (eq $where "global.env") (eq $of .) (and (eq $of "global") (has . $pools)) }}{{ $reached = true }}{{ end }}{{ end }}
{{- $host := include "dynamo-disagg.validate.network.host" $url }}
{{- if and $reached $host (not (contains "$(" $host)) (not (regexMatch "^(localhost|127[.].*|::1)$" $host)) }}
{{- range $port := include "dynamo-disagg.network.urlPorts" (dict "urls" (list $url)) | fromJsonArray }}
{{- if and $port (not (has (toJson $port) $open)) }}
networkPolicy.downloads.ports: {{ $where }}.{{ $name }} is asked at port {{ $port }}, which no pod could reach: add it, and its address to networkPolicy.downloads.to
{{- end }}
{{- end }}
{{- $bits := include "dynamo-disagg.validate.bits" $host }}
{{- if $bits }}{{ $bits = printf "%s/%s" (ternary "4" "6" (eq (len $bits) 32)) $bits }}{{ end }}
{{- $isOfCluster := regexMatch "^[^.:]+$|[.]svc$|^[^.]+[.][^.]+([.][^.]+)*[.]svc[.]|[.]cluster[.]local$" $host }}
{{- if and (or $bits $isOfCluster) (not (include "dynamo-disagg.validate.network.mayReach" (dict "peers" $downloads.to "bits" $bits))) }}
{{- $add := printf "its address, {ipBlock: {cidr: %s/%s}}" $host (ternary "32" "128" (hasPrefix "4/" $bits)) }}
{{- if $isOfCluster }}
{{- $namespace := regexFind "[.][^.]+[.]svc([.]|$)" $host | trimPrefix "." | splitList "." | first }}
{{- $pods := ternary (printf "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}}" $namespace) "{podSelector: {}}" (ne $namespace "") }}
{{- $add = printf "its pods, %s, and their port to networkPolicy.downloads.ports" $pods }}
{{- end }}
networkPolicy.downloads.to: {{ $where }}.{{ $name }} is at {{ $host }}, which no pod could reach: add {{ $add }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.network.fetchers: the components that may reach what networkPolicy.downloads names, and of them those that ask the hub.
in: root context; out: JSON {all, hub}
*/}}
{{- define "dynamo-disagg.validate.network.fetchers" -}}
{{- $model := include "dynamo-disagg.model" . | fromJson }}
{{- $pods := include "dynamo-disagg.network.pods" . | fromJsonArray }}
{{- $all := list }}
{{- range include "dynamo-disagg.network.flows" . | fromYamlArray }}
{{- if has "downloads" .to }}{{ range .from }}{{ if has . $pods }}{{ $all = append $all . }}{{ end }}{{ end }}{{ end }}
{{- end }}
{{- $hub := list }}
{{- if $model.download }}{{ $hub = append $hub "model" }}{{ end }}
{{- if and $model.fetches (not $model.volume) }}{{ $hub = prepend (include "dynamo-disagg.pools" . | fromJsonArray) "frontend" }}{{ end }}
{{- if and .Values.benchmark.enabled (include "dynamo-disagg.benchmark.asksHub" .) }}{{ $hub = append $hub "benchmark" }}{{ end }}
{{- dict "all" $all "hub" $hub | toJson }}
{{- end }}

{{/* dynamo-disagg.validate.network.host: the host of a URL, in small letters. in: e.g. http://user@[fd00::1]:3128/a */}}
{{- define "dynamo-disagg.validate.network.host" -}}
{{- regexReplaceAll "^([A-Za-z][A-Za-z0-9+.-]*://)?([^/@]*@)?(\\[[^\\]]*\\]|[^/:?#]*).*$" . "${3}" | trimPrefix "[" | trimSuffix "]" | trimSuffix "." | lower }}
{{- end }}

{{/*
dynamo-disagg.validate.network.mayReach: "true" where peers may hold an address, or one that stands for another: of a Service, or of a name of the cluster.
Both lead to private addresses, of which it is enough that the peers hold any. in: dict "peers" "bits" of the address, as
dynamo-disagg.validate.block has them, or nothing of a name of the cluster
*/}}
{{- define "dynamo-disagg.validate.network.mayReach" -}}
{{- $private := list }}
{{- range list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16" "169.254.0.0/16" "fc00::/7" "fe80::/10" }}{{ $private = append $private (include "dynamo-disagg.validate.block" .) }}{{ end }}
{{- $wanted := list }}{{ $isPrivate := not .bits }}
{{- if .bits }}{{ $wanted = append $wanted .bits }}{{ end }}
{{- range $private }}{{ if hasPrefix . $.bits }}{{ $isPrivate = true }}{{ end }}{{ end }}
{{- if $isPrivate }}{{ $wanted = concat $wanted $private }}{{ end }}
{{- $may := false }}
{{- range $peer := .peers }}
{{- if not .ipBlock }}{{ $may = true }}
{{- else }}
{{- $block := include "dynamo-disagg.validate.block" .ipBlock.cidr }}
{{- range $one := $wanted }}
{{- $both := ternary $one (ternary $block "" (hasPrefix $one $block)) (hasPrefix $block $one) }}
{{- range $peer.ipBlock.except }}{{ $cut := include "dynamo-disagg.validate.block" . }}{{ if and $cut (hasPrefix $cut $both) }}{{ $both = "" }}{{ end }}{{ end }}
{{- if $both }}{{ $may = true }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- if $may }}true{{ end }}
{{- end }}

{{/* dynamo-disagg.validate.network.lists: all peers of the values. in: root context; out: JSON map path below networkPolicy -> list */}}
{{- define "dynamo-disagg.validate.network.lists" -}}
{{- $lists := pick .Values.networkPolicy "clients" "monitoring" }}
{{- range $name := list "dns" "apiServer" "downloads" "etcd" "nats" "telemetry" }}{{ $_ := set $lists (printf "%s.to" $name) (get $.Values.networkPolicy $name).to }}{{ end }}
{{- toJson $lists }}
{{- end }}
