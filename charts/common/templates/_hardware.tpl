{{/*
dynamo-disagg.hardware: the machine type: the preset named by global.hardware under global.hardwareSpec. Its rdma part
is merged in where global.rdma.enabled, with the role's share over it. In simulation what a laptop lacks (RDMA devices,
host libraries and their environment, the runtime class, extra privileges) is dropped; the nodes' labels and taints, the GPUs and their
number stay.
It is worked out once for each chart and kept in the context, which all templates of a chart share.
in:  root context, or a worker's; out: JSON map: the keys of schemas/hardware.yaml, those of rdma among them
*/}}
{{- define "dynamo-disagg.hardware" -}}
{{- if not (hasKey . "hardware") }}
{{- $global := .Values.global }}
{{- $spec := include (printf "dynamo-disagg.hardware.%s" $global.hardware) . | fromYaml }}
{{- with $global.hardwareSpec }}{{ $spec = include "dynamo-disagg.overlay" (list $spec .) | fromJson | include "dynamo-disagg.withoutNulls" | fromJson }}{{ end }}
{{- /* Only a worker's own context has a share. */}}
{{- with .Values.rdma }}{{ $spec = include "dynamo-disagg.overlay" (list $spec (dict "rdma" .)) | fromJson | include "dynamo-disagg.withoutNulls" | fromJson }}{{ end }}
{{- if $global.simulation.enabled }}
{{- $spec = omit $spec "rdma" "env" "hostPaths" "computeDomain" "runtimeClassName" }}
{{- else if $global.rdma.enabled }}
{{- $spec = merge $spec ($spec.rdma | default dict) }}
{{- end }}
{{- $default := dict
      "gpuResource" "nvidia.com/gpu" "nodeSelector" dict "tolerations" list "podAnnotations" dict "extendedResources" dict
      "env" dict "hostPaths" dict "runtimeClassName" "" "nixlBackend" "" "exclusive" false "capabilities" list "runAsRoot" false "claims" dict "computeDomain" false }}
{{- $spec = merge (omit $spec "rdma") $default }}
{{- if $spec.computeDomain }}{{ $_ := set $spec.claims "compute-domain" dict }}{{ end }}
{{- $_ := set . "hardware" (toJson $spec) }}
{{- end }}
{{- .hardware }}
{{- end }}

{{/* dynamo-disagg.hardware.claimsGpus: "true" where claims give worker pods their GPUs, else empty. in: dynamo-disagg.hardware */}}
{{- define "dynamo-disagg.hardware.claimsGpus" -}}
{{- range .claims }}{{ if .gpuDeviceClassName }}true{{ end }}{{ end }}
{{- end }}

{{/*
dynamo-disagg.claimTemplate: the name of a ResourceClaimTemplate. One by the GPU is for pods of so many GPUs; another number is another
template, as none can change. in: dict "root" any context "name" of the claim "claim" of dynamo-disagg.hardware "gpus" of a pod
*/}}
{{- define "dynamo-disagg.claimTemplate" -}}
{{ include "dynamo-disagg.fullname" .root }}-{{ .name }}{{ if .claim.perGpu }}-{{ .gpus }}{{ end }}
{{- end }}

{{/* dynamo-disagg.hardware.hasRdma: "true" where worker pods get an RDMA fabric, else empty. in: any context */}}
{{- define "dynamo-disagg.hardware.hasRdma" -}}
{{- $hardware := include "dynamo-disagg.hardware" . | fromJson }}
{{- if or $hardware.extendedResources (omit $hardware.claims "compute-domain") }}true{{ end }}
{{- end }}
