{{- define "dynamo-disagg.validate.exposure" -}}
{{- with .Values.frontend }}
{{- if and .service.nodePort (eq .service.type "ClusterIP") }}
frontend.service.nodePort: a ClusterIP Service has no node port: set frontend.service.type=NodePort, or nodePort=0
{{- end }}
{{- with .service.loadBalancerSourceRanges }}
{{- if ne $.Values.frontend.service.type "LoadBalancer" }}
frontend.service.loadBalancerSourceRanges: a Service of type {{ $.Values.frontend.service.type }} filters no clients: set frontend.service.type=LoadBalancer, or remove it (in the cluster networkPolicy.clients filters)
{{- end }}
{{- range $index, $block := . }}
{{ include "dynamo-disagg.validate.cidr" (dict "where" (printf "frontend.service.loadBalancerSourceRanges[%d]" $index) "block" $block) }}
{{- end }}
{{- end }}
{{- if and .ingress.enabled (not .ingress.hosts) }}
frontend.ingress.hosts: an Ingress without a host takes all traffic of its class: name at least one host
{{- end }}
{{- range $where, $hosts := dict "ingress.hosts" .ingress.hosts "httpRoute.hostnames" .httpRoute.hostnames }}
{{- range $index, $host := $hosts }}
{{- if contains "://" $host }}
frontend.{{ $where }}[{{ $index }}]: {{ $host }} is a URL, and a host is wanted: write {{ regexReplaceAll "^[a-z]+://([^/:]*).*$" $host "${1}" }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) }}
frontend.httpRoute.parentRefs: the route belongs to no Gateway: name at least one, e.g. [{name: inference, namespace: gateways}]
{{- end }}
{{- range $index, $parent := .httpRoute.parentRefs }}
{{- range $before, $other := slice $.Values.frontend.httpRoute.parentRefs 0 $index }}
{{- if eq (include "dynamo-disagg.validate.exposure.parent" $parent) (include "dynamo-disagg.validate.exposure.parent" $other) }}
{{- $isSame := eq (toString $parent.sectionName) (toString $other.sectionName) }}
{{- $byPort := and $isSame $parent.port $other.port (ne (toString $parent.port) (toString $other.port)) }}
{{- if or (and $isSame (not $byPort)) (not (and (or $isSame $parent.sectionName) (or $isSame $other.sectionName))) }}
frontend.httpRoute.parentRefs[{{ $index }}]: {{ $parent.name }} is parentRefs[{{ $before }}] too, and Gateway API wants them apart: give each a sectionName of its own, or remove one
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.exposure.parent: which object a reference of a route is to. in: one of parentRefs */}}
{{- define "dynamo-disagg.validate.exposure.parent" -}}
{{- $group := ternary .group "gateway.networking.k8s.io" (hasKey . "group") }}
{{- list $group (.kind | default "Gateway") (.namespace | default "") .name | toJson }}
{{- end }}

{{/* dynamo-disagg.validate.tls: certificates for hosts that the Ingress does not have, which would serve nothing. */}}
{{- define "dynamo-disagg.validate.tls" -}}
{{- with .Values.frontend.ingress }}
{{- if .enabled }}
{{- $hosts := .hosts }}
{{- range $index, $certificate := .tls }}
{{- range $host := .hosts }}
{{- $wildcard := printf "*.%s" (regexReplaceAll "^[^.]*[.]" $host "") }}
{{- $served := or (has $host $hosts) (has $wildcard $hosts) }}
{{- if hasPrefix "*." $host }}
{{- range $hosts }}
{{- if eq $host (printf "*.%s" (regexReplaceAll "^[^.]*[.]" . "")) }}
{{- $served = true }}
{{- end }}
{{- end }}
{{- end }}
{{- if not $served }}
frontend.ingress.tls[{{ $index }}].hosts: "{{ $host }}" is none of frontend.ingress.hosts: add it there, or remove it here
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
