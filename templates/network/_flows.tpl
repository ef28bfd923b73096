{{/*
dynamo-disagg.network.pods: the components that have pods with these values, Jobs and tests included.
in: root context; out: JSON list
*/}}
{{- define "dynamo-disagg.network.pods" -}}
{{- $pods := append (include "dynamo-disagg.components" . | fromJsonArray) "test" }}
{{- $probed := not .Values.global.simulation.enabled }}
{{- if (include "dynamo-disagg.model" . | fromJson).download }}{{ $pods = append $pods "model" }}{{ end }}
{{- if .Values.canary.enabled }}{{ $pods = append $pods "canary" }}{{ end }}
{{- if .Values.benchmark.enabled }}{{ $pods = append $pods "benchmark" }}{{ end }}
{{- if .Values.preflight.enabled }}{{ $pods = append $pods "preflight" }}{{ end }}
{{- if and $probed .Values.preflight.probe.enabled }}{{ $pods = append $pods "preflight-probe" }}{{ end }}
{{- if and $probed .Values.test.probe.enabled }}{{ $pods = append $pods "probe" }}{{ end }}
{{- toJson $pods }}
{{- end }}

{{/*
dynamo-disagg.network.outside: who is not of the release, by name.
in: root context; out: YAML map name -> {peers: as in a NetworkPolicy, [ports], [protocols]}
*/}}
{{- define "dynamo-disagg.network.outside" -}}
{{- $model := include "dynamo-disagg.model" . | fromJson }}
{{- with .Values.networkPolicy }}
clients: {peers: {{ toJson .clients }}}
monitoring: {peers: {{ toJson .monitoring }}}
dns: {peers: {{ toJson .dns.to }}, ports: {{ toJson .dns.ports }}, protocols: [UDP, TCP]}
apiServer: {peers: {{ toJson .apiServer.to }}, ports: {{ toJson .apiServer.ports }}}
downloads: {peers: {{ toJson .downloads.to }}, ports: {{ toJson .downloads.ports }}}
externalEtcd: {peers: {{ toJson .etcd.to }}, ports: {{ include "dynamo-disagg.network.urlPorts" (dict "urls" $.Values.global.discovery.etcdEndpoints) }}}
externalNats: {peers: {{ toJson .nats.to }}, ports: {{ include "dynamo-disagg.network.urlPorts" (dict "urls" (list $.Values.global.natsUrl)) }}}
telemetry: {peers: {{ toJson .telemetry.to }}, ports: {{ include "dynamo-disagg.network.urlPorts" (dict "urls" (include "dynamo-disagg.network.collectors" $ | fromJson | values)) }}}
{{- range $index, $server := $model.servers }}
server{{ $index }}: {peers: [{ipBlock: {cidr: {{ .cidr }}}}], ports: [{{ .port }}]}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.network.collectors: those that the values name: for Dynamo, in the flags of the engines, which send their own traces,
and in OpenTelemetry's variables; not those of the pod itself. in: root context; out: JSON map path -> URL
*/}}
{{- define "dynamo-disagg.network.collectors" -}}
{{- $urls := dict }}
{{- $engine := .Values.global.engine.name }}
{{- with .Values.global.telemetry.otlpEndpoint }}{{ $_ := set $urls "global.telemetry.otlpEndpoint" . }}{{ end }}
{{- $flag := include (printf "dynamo-disagg.engine.%s.traces" $engine) . }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- $facts := include "dynamo-disagg.validate.facts" (dict "context" (get $.Subcharts $role) "program" $engine "known" $.knownFlags) | fromJson }}
{{- with get $facts.values $flag }}{{ $_ := set $urls (get $facts.where $flag) . }}{{ end }}
{{- end }}
{{- range $where, $env := include "dynamo-disagg.env.places" . | fromJson }}
{{- range $name, $value := $env }}
{{- if and (kindIs "string" $value) (regexMatch "^OTEL_EXPORTER_OTLP_([A-Z]+_)?ENDPOINT$" $name) }}{{ $_ := set $urls (printf "%s.%s" $where $name) $value }}{{ end }}
{{- end }}
{{- end }}
{{- range $where, $url := $urls }}{{ if regexMatch "^([a-z]+://)?(localhost|127[.]|\\[::1\\])" $url }}{{ $_ := unset $urls $where }}{{ end }}{{ end }}
{{- toJson $urls }}
{{- end }}

{{/*
dynamo-disagg.network.urlPorts: the ports of URLs; of one that names none that of its scheme, also of an etcd (measured with
Dynamo 1.6.1: not 2379), and of a collector without a scheme OTLP's. in: dict "urls" []; out: JSON list
*/}}
{{- define "dynamo-disagg.network.urlPorts" -}}
{{- $ports := list }}{{ $default := dict "http" 80 "https" 443 "nats" 4222 "tls" 4222 }}
{{- range .urls }}
{{- $port := regexFind ":[0-9]+$" (regexReplaceAll "^([A-Za-z0-9]+://)?([^/]*).*$" . "${2}") | trimPrefix ":" | default (get $default (first (splitList ":" .))) | default 4317 }}
{{- $ports = append $ports (int $port) }}
{{- end }}
{{- $ports | uniq | toJson }}
{{- end }}

{{/*
dynamo-disagg.network.flows: every connection of a release, and no other; policies.yaml makes both of its sides from it.
in: root context; out: YAML list of
  from, to  components, and names of dynamo-disagg.network.outside
  ports     TCP ports; without, all: Dynamo's planes, NIXL and the engines choose theirs as they start
*/}}
{{- define "dynamo-disagg.network.flows" -}}
{{- $workers := include "dynamo-disagg.pools" . | fromJsonArray | join ", " }}
{{- $dynamo := printf "frontend, %s" $workers }}
{{- $model := include "dynamo-disagg.model" . | fromJson }}
- {from: [{{ $dynamo }}], to: [{{ $dynamo }}]}
- {from: [clients, monitoring, test, canary, benchmark], to: [frontend], ports: [{{ include "dynamo-disagg.port.http" . }}]}
- {from: [monitoring, test, canary], to: [{{ $workers }}], ports: [{{ include "dynamo-disagg.port.system" . }}]}
- {from: [{{ $dynamo }}, test, canary, benchmark, model, probe, preflight-probe], to: [dns]}
- {from: [preflight], to: [apiServer]}
{{- if eq .Values.global.discovery.backend "kubernetes" }}
- {from: [{{ $dynamo }}], to: [apiServer]}
{{- end }}
{{- /* Images of requests are fetched by encoders or, without any, by workers, or by frontends that decode them; a tokenizer that is no folder by the benchmark. */}}
{{- $fetch := ternary (list "encode") list (gt (int .Values.encode.replicas) 0) }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- $of := (include "dynamo-disagg.validate.facts" (dict "context" (get $.Subcharts $role) "program" $.Values.global.engine.name "known" $.knownFlags) | fromJson).values }}
{{- range $who, $flags := include (printf "dynamo-disagg.engine.%s.images" $.Values.global.engine.name) $ | fromYaml }}
{{- range $flag, $value := $flags }}
{{- $name := ternary $role $who (eq $who "worker") }}
{{- if and (eq (get $of $flag) $value) (not (and (eq $who "worker") $.Values.encode.replicas)) }}{{ $fetch = append $fetch $name }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
- {from: [model{{ range uniq $fetch }}, {{ . }}{{ end }}{{ if $model.fetches }}, {{ $dynamo }}{{ end }}{{ if or $model.fetches (include "dynamo-disagg.benchmark.asksHub" .) }}, benchmark{{ end }}], to: [downloads]}
{{- range $index, $server := $model.servers }}
- {from: [benchmark, {{ $dynamo }}], to: [server{{ $index }}]}
{{- end }}
{{- if include "dynamo-disagg.network.collectors" . | fromJson }}
- {from: [{{ $dynamo }}], to: [telemetry]}
{{- end }}
- {from: [probe], to: [probe]}
- {from: [preflight-probe], to: [preflight-probe]}
{{- if .Subcharts.etcd }}
- {from: [{{ $dynamo }}], to: [etcd], ports: [{{ include "dynamo-disagg.port.etcd" . }}]}
- {from: [etcd], to: [etcd], ports: [2380]}
- {from: [etcd], to: [dns]}
- {from: [monitoring], to: [etcd], ports: [2381]}
{{- else if eq .Values.global.discovery.backend "etcd" }}
- {from: [{{ $dynamo }}], to: [externalEtcd]}
{{- end }}
{{- if .Subcharts.nats }}
- {from: [{{ $dynamo }}], to: [nats], ports: [{{ include "dynamo-disagg.port.nats" . }}]}
- {from: [nats], to: [nats], ports: [6222]}
- {from: [nats], to: [dns]}
- {from: [monitoring], to: [nats], ports: [8222]}
{{- else if include "dynamo-disagg.usesNats" . }}
- {from: [{{ $dynamo }}], to: [externalNats]}
{{- end }}
{{- end }}
