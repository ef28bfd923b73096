{{/* dynamo-disagg.validate.machine: what a machine type cannot give to these workers, and what they must leave of it. */}}
{{- define "dynamo-disagg.validate.machine" -}}
{{- $global := .Values.global }}
{{- $hardware := include "dynamo-disagg.worker.hardware" . | fromJson }}
{{- range $name, $claim := $hardware.claims }}
{{- if regexMatch "(^|[.])(gpu|mig)[.]" ($claim.deviceClassName | default "") }}
global.hardwareSpec.rdma.claims.{{ $name }}.deviceClassName: {{ $claim.deviceClassName }} is a class of GPUs, which pods get as {{ $hardware.gpuResource }} besides, and the claim would pass for a fabric: write the class of the NICs, with the GPUs' in gpuDeviceClassName, or remove the claim
{{- end }}
{{- if and $claim.gpuDeviceClassName (not $claim.perGpu) }}
global.hardwareSpec.rdma.claims.{{ $name }}.perGpu: gpuDeviceClassName gives each GPU its devices: set perGpu=true
{{- end }}
{{- end }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- with get $.Subcharts $role }}
{{ include "dynamo-disagg.validate.machine.driver" (dict "context" . "hardware" $hardware) }}
{{- $gpus := include "dynamo-disagg.worker.gpus" . | int }}
{{ include "dynamo-disagg.validate.machine.hostNetwork" (dict "root" $ "context" .) }}
{{- if and (contains "mig-" $hardware.gpuResource) (gt $gpus 1) }}
{{ $role }}.parallelism: a worker of {{ $gpus }} MIG slices cannot pass data between them, as NCCL does not: choose sizes of 1 and more replicas
{{- end }}
{{- if and (include "dynamo-disagg.worker.hardware" . | fromJson).computeDomain (gt (int .Values.replicas) 1) (le (mul 2 $gpus) (int $hardware.gpusPerNode)) }}
{{ $role }}.parallelism: a node has one channel of the ComputeDomain, so no other worker fits beside one of {{ $gpus }} GPU{{ if gt $gpus 1 }}s{{ end }}: use all {{ $hardware.gpusPerNode }} of a node, or set global.hardwareSpec.computeDomain=false
{{- end }}
{{- end }}
{{- end }}
{{- /* Memory of a ComputeDomain ends at the NVLink clique, and beyond it requests are answered with nothing. */}}
{{- if and $hardware.computeDomain (regexMatch "^(topology|failure-domain[.]beta)[.]kubernetes[.]io/" $global.colocation.topologyKey) }}
global.colocation.topologyKey: {{ $global.colocation.topologyKey }} holds several NVLink cliques, and a ComputeDomain shares memory within one: remove it, which is nvidia.com/gpu.clique, or name a label of the rack
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.machine.hostNetwork: what the node's network takes from its pods. in: dict "root" "context" <component context> */}}
{{- define "dynamo-disagg.validate.machine.hostNetwork" -}}
{{- $role := .context.Chart.Name }}
{{- $global := .context.Values.global }}
{{- $pools := list }}
{{- range $pool := include "dynamo-disagg.pools" .root | fromJsonArray }}{{ if (get $.root.Values $pool).hostNetwork }}{{ $pools = append $pools $pool }}{{ end }}{{ end }}
{{- if and .context.Values.hostNetwork (not $global.simulation.enabled) }}
{{- range .context.Values.podSecurityContext.sysctls }}
{{- if regexMatch "^net[./]" .name }}
{{ $role }}.podSecurityContext.sysctls: {{ .name }} would be the node's with {{ $role }}.hostNetwork, and Kubernetes refuses that: remove one of the two
{{- end }}
{{- end }}
{{- if .root.Values.networkPolicy.enabled }}
{{ $role }}.hostNetwork: no NetworkPolicy holds for the node's network, and the other pods' policies would cut these workers off: set networkPolicy.enabled=false, or remove it
{{- end }}
{{- if and (eq $global.colocation.topologyKey "kubernetes.io/hostname") (or (gt (int .context.Values.replicas) 1) (gt (len $pools) 1)) }}
{{ $role }}.hostNetwork: a node has each port once, so one worker, and global.colocation.topologyKey wants several on one: remove one of the two
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.machine.driver: a search path without the folder that holds the machine's driver. in: dict "context" <component context> "hardware" */}}
{{- define "dynamo-disagg.validate.machine.driver" -}}
{{- $values := .context.Values }}
{{- $where := ternary (printf "%s.env" .context.Chart.Name) "global.env" (hasKey $values.env "LD_LIBRARY_PATH") }}
{{- $own := get (ternary $values.env $values.global.env (hasKey $values.env "LD_LIBRARY_PATH")) "LD_LIBRARY_PATH" }}
{{- $preset := get .hardware.env "LD_LIBRARY_PATH" | default "" }}
{{- if and (kindIs "string" $own) $own $preset }}
{{- $missing := list }}
{{- range $folder := splitList ":" $preset }}
{{- range $.hardware.hostPaths }}
{{- if and (hasPrefix (printf "%s/" .mountPath) $folder) (not (has $folder (splitList ":" $own))) }}{{ $missing = append $missing $folder }}{{ end }}
{{- end }}
{{- end }}
{{- if $missing }}
{{ $where }}.LD_LIBRARY_PATH: it takes the place of the machine type's, and without {{ join " and " ($missing | uniq) }} the engine finds no driver: write {{ $own }}:{{ $preset }}
{{- end }}
{{- end }}
{{- end }}
