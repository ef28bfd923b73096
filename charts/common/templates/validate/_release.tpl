{{/* common.validate.account: a service account that is not the chart's to make or to describe. */}}
{{- define "common.validate.account" -}}
{{- with .Values.global.serviceAccount }}
{{- if and .create (eq .name "default") }}
global.serviceAccount.name: Kubernetes makes the account "default" in each namespace: set global.serviceAccount.create=false to use it, or choose another name
{{- end }}
{{- if and (not .create) .annotations }}
global.serviceAccount.annotations: the chart does not make this account, so nothing would set them: annotate it yourself, or set global.serviceAccount.create=true
{{- end }}
{{- end }}
{{- end }}

{{/* common.validate.tls: certificates for hosts that the Ingress does not have, which would serve nothing. */}}
{{- define "common.validate.tls" -}}
{{- with .Values.frontend.ingress }}
{{- if .enabled }}
{{- $hosts := .hosts }}
{{- range $index, $certificate := .tls }}
{{- range $host := .hosts }}
{{- $wildcard := printf "*.%s" (regexReplaceAll "^[^.]*[.]" $host "") }}
{{- $served := or (has $host $hosts) (has $wildcard $hosts) }}
{{- if hasPrefix "*." $host }}{{ range $hosts }}{{ if eq $host (printf "*.%s" (regexReplaceAll "^[^.]*[.]" . "")) }}{{ $served = true }}{{ end }}{{ end }}{{ end }}
{{- if not $served }}
frontend.ingress.tls[{{ $index }}].hosts: "{{ $host }}" is none of frontend.ingress.hosts: add it there, or remove it here
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
common.validate.images: a repository that begins with a registry, behind its own or one whose owners have no dots in
their names. Mirrors do have others' registries in their paths.
*/}}
{{- define "common.validate.images" -}}
{{- $simulated := .Values.global.simulation.enabled }}
{{- $runtime := include "common.runtimeImage" . | fromYaml }}
{{- $images := dict (ternary "global.simulation.image" "global.engine.image" $simulated) $runtime }}
{{- range list "frontend" "preflight" }}
{{- $image := (get $.Values .).image }}
{{- if $image.repository }}{{ $_ := set $images (printf "%s.image" .) (include "common.mergedImage" (dict "image" $image "fallback" $runtime) | fromYaml) }}{{ end }}
{{- end }}
{{- if eq (include "common.worker.modelSource" .) "ociImage" }}{{ $_ := set $images "global.model.source.ociImage.image" .Values.global.model.source.ociImage.image }}{{ end }}
{{- range list "etcd" "nats" }}{{ $part := get $.Values . }}{{ if $part.enabled }}{{ $_ := set $images (printf "%s.image" .) $part.image }}{{ end }}{{ end }}
{{- range $where, $image := $images }}
{{- $registry := $.Values.global.imageRegistry | default $image.registry }}
{{- $parts := splitList "/" $image.repository }}
{{- if and (gt (len $parts) 1) (contains "." (first $parts)) (or (eq (first $parts) (splitList "/" $registry | first)) (has $registry (list "nvcr.io" "docker.io"))) }}
{{ $where }}.repository: the image would be {{ $registry }}/{{ $image.repository }}: write {{ $where }}.registry={{ first $parts }} and {{ $where }}.repository={{ rest $parts | join "/" }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.seesCluster: "true" where objects can be looked up, else empty; see common.validate.cluster */}}
{{- define "common.seesCluster" -}}
{{- if and .Values.global.clusterChecks (hasKey (lookup "v1" "ServiceAccount" .Release.Namespace "") "items") }}true{{ end }}
{{- end }}

{{/* common.apiFixes: what to do when the cluster does not serve an API group; the preflight says the same. out: YAML map */}}
{{- define "common.apiFixes" -}}
leaderworkerset.x-k8s.io: install LeaderWorkerSet (https://lws.sigs.k8s.io), or set global.multiNode.controller=statefulset
resource.nvidia.com: install NVIDIA's DRA driver, or set global.hardwareSpec.computeDomain=false
gateway.networking.k8s.io: install the Gateway API, or set frontend.httpRoute.enabled=false
resource.k8s.io: use Kubernetes 1.34 or newer, or set global.rdma.enabled=false
nvidia.com: apply crds/ of the chart (Helm does so at the first installation only)
{{- end }}

{{/* common.validate.apis: kinds that come with a controller, which the cluster must have. */}}
{{- define "common.validate.apis" -}}
{{- if include "common.seesCluster" . }}
{{- $needs := list }}
{{- $hardware := include "common.hardware" . | fromYaml }}
{{- range $role := list "prefill" "decode" }}
{{- $seen := dict "root" $ "component" $role }}{{ include "common.asComponent" $seen }}
{{- if include "common.runByLws" $seen.context }}
{{- $needs = append $needs (dict "api" "leaderworkerset.x-k8s.io/v1/LeaderWorkerSet" "where" "global.multiNode.controller") }}
{{- end }}
{{- end }}
{{- if $hardware.computeDomain }}
{{- $needs = append $needs (dict "api" "resource.nvidia.com/v1beta1/ComputeDomain" "where" "global.hardware") }}
{{- end }}
{{- if omit $hardware.claims "compute-domain" }}
{{- $needs = append $needs (dict "api" "resource.k8s.io/v1/ResourceClaimTemplate" "where" "global.hardware") }}
{{- end }}
{{- if .Values.frontend.httpRoute.enabled }}
{{- $needs = append $needs (dict "api" "gateway.networking.k8s.io/v1/HTTPRoute" "where" "frontend.httpRoute.enabled") }}
{{- end }}
{{- $fixes := include "common.apiFixes" . | fromYaml }}
{{- range $needs }}
{{- if not ($.Capabilities.APIVersions.Has .api) }}
{{ .where }}: the cluster has no {{ last (splitList "/" .api) }} ({{ .api | dir }}): {{ get $fixes (.api | dir | dir) }}; global.clusterChecks=false skips this check
{{- end }}
{{- end }}
{{- end }}
{{- end }}
