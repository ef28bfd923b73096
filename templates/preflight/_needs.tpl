{{/*
dynamo-disagg.preflight.needs: what the release asks of the cluster, as JSON for files/preflight. All of it is read
from the rendered objects, so that it cannot differ from what is installed:
  release, namespace, instance, hardware, gpuResource
  clusterWide     whether more than the namespace may be read
  pools           [{component, kind, groups, maxSurge, exclusiveTopologyKey, pods: [{count, metadata, spec}]}]
                  count: pods of one group; metadata and spec: of a pod, what placement needs
  claimTemplates  name -> DeviceClass -> number of devices
  apis            "apiVersion kind" of every object that is not part of every Kubernetes
  brings          those of them that the installation itself brings, by crds/: none in an upgrade, in which Helm leaves crds/ alone
  objects         Secrets and claims that must exist: [{kind, name, key, keys, pull, value: where it is set}]
  storageClasses  [{name ("" is the default one), value}]
in:  root context
*/}}
{{- define "dynamo-disagg.preflight.needs" -}}
{{- $pools := list }}
{{- $storage := list }}
{{- $apis := list }}
{{- $templates := dict }}
{{- $objects := dict }}
{{- range include "dynamo-disagg.needs" . | fromJsonArray }}
{{- $key := printf "%s/%s" .kind .name }}
{{- $before := get $objects $key | default dict }}
{{- $keys := concat ($before.keys | default (list ($before.key | default "") | compact)) (.keys | default (list (.key | default "") | compact)) | uniq }}
{{- if and $before $keys }}{{ $_ := set $before "keys" $keys }}{{ end }}
{{- $_ := set $objects $key (merge $before .) }}
{{- end }}
{{- with (include "dynamo-disagg.model" . | fromJson).claim }}{{ $storage = append $storage (dict "name" .storageClass "value" (printf "%s.create.storageClass" .where)) }}{{ end }}
{{- $brings := list }}
{{- if eq .Values.global.discovery.backend "kubernetes" }}
{{- $apis = append $apis "nvidia.com/v1alpha1 DynamoWorkerMetadata" }}
{{- if .Release.IsInstall }}{{ $brings = list (last $apis) }}{{ end }}
{{- end }}
{{- $files := dict
      "frontend" (list "deployment" "httproute" "ingress") "prefill" list "decode" list "encode" list
      "etcd" (list "statefulset") "nats" (list "statefulset") }}
{{- $rendered := list }}
{{- $ofRelease := list "resourceclaims" "autoscaling" "metrics/podmonitors" "metrics/rules" }}
{{- /* Its pods are read from what its controller makes for each role. */}}
{{- if include "dynamo-disagg.isSet" . }}{{ $ofRelease = append $ofRelease "workers" }}{{ end }}
{{- range $name := $ofRelease }}
{{- $rendered = append $rendered (dict "component" "" "text" (include (printf "%s/%s.yaml" $.Template.BasePath $name) $)) }}
{{- end }}
{{- range $component, $names := $files }}
{{- with get $.Subcharts $component }}
{{- $subchart := . }}
{{- $texts := list }}
{{- range $names }}{{ $texts = append $texts (include (printf "%s/charts/%s/templates/%s.yaml" (dir $.Template.BasePath) $component .) $subchart) }}{{ end }}
{{- if not $names }}{{ $texts = list (include "dynamo-disagg.worker.workload" $subchart) }}{{ end }}
{{- $rendered = append $rendered (dict "component" $component "replicas" $subchart.Values.replicas "text" (join "\n---\n" $texts)) }}
{{- end }}
{{- end }}
{{- range $part := $rendered }}
{{- $pods := list }}
{{- $pool := dict }}
{{- range $text := regexSplit "(?m)^---$" .text -1 }}
{{- $object := fromYaml $text }}
{{- with $object.kind }}
{{- if and (contains "." $object.apiVersion) (not (regexMatch "^(networking.k8s.io|autoscaling)/" $object.apiVersion)) }}
{{- $apis = append $apis (printf "%s %s" $object.apiVersion .) }}
{{- end }}
{{- end }}
{{- $spec := $object.spec | default dict }}
{{- if eq ($object.kind | default "") "ResourceClaimTemplate" }}
{{- $classes := dict }}
{{- range $spec.spec.devices.requests }}
{{- with .exactly }}{{ $_ := set $classes .deviceClassName (add .count (get $classes .deviceClassName | default 0)) }}{{ end }}
{{- end }}
{{- $_ := set $templates $object.metadata.name $classes }}
{{- else if eq ($object.kind | default "") "ComputeDomain" }}
{{- $_ := set $templates $spec.channel.resourceClaimTemplate.name (dict "compute-domain-default-channel.nvidia.com" 1) }}
{{- end }}
{{- $found := list }}
{{- with $spec.leaderWorkerTemplate }}
{{- $found = list (dict "count" .size "template" .workerTemplate) }}
{{- if .leaderTemplate }}{{ $found = list (dict "count" 1 "template" .leaderTemplate) (dict "count" (sub .size 1) "template" .workerTemplate) }}{{ end }}
{{- else }}
{{- with $spec.template }}{{ $found = list (dict "count" 1 "template" .) }}{{ end }}
{{- end }}
{{- range $found }}
{{- $pods = append $pods (include "dynamo-disagg.preflight.pod" . | fromJson) }}
{{- $rolling := ($spec.strategy).rollingUpdate | default ($spec.rolloutStrategy).rollingUpdateConfiguration | default dict }}
{{- $exclusive := dig "metadata" "annotations" "leaderworkerset.sigs.k8s.io/exclusive-topology" "" $object }}
{{- $pool = dict
      "component" $part.component "kind" $object.kind "groups" $part.replicas
      "maxSurge" ($rolling.maxSurge | default 0) "exclusiveTopologyKey" $exclusive }}
{{- end }}
{{- range $spec.volumeClaimTemplates }}
{{- $storage = append $storage (dict "name" (.spec.storageClassName | default "") "value" (printf "%s.persistence.storageClass" $part.component)) }}
{{- end }}
{{- end }}
{{- with $pods }}{{ $pools = append $pools (set $pool "pods" .) }}{{ end }}
{{- end }}
{{- $sorted := list }}
{{- range $key := keys $objects | sortAlpha }}{{ $sorted = append $sorted (get $objects $key) }}{{ end }}
{{- dict
      "release" .Release.Name
      "namespace" .Release.Namespace
      "instance" (include "dynamo-disagg.fullname" .)
      "hardware" .Values.global.hardware
      "clusterWide" .Values.preflight.clusterWide
      "gpuResource" (include "dynamo-disagg.hardware" . | fromJson).gpuResource
      "pools" $pools
      "claimTemplates" $templates
      "apis" ($apis | uniq | sortAlpha)
      "brings" $brings
      "fixes" (include "dynamo-disagg.apiFixes" . | fromYaml)
      "objects" $sorted
      "storageClasses" ($storage | uniq)
    | toJson }}
{{- end }}

{{/* dynamo-disagg.preflight.pod: what placing a pod depends on. in: dict "count" int "template" {}; out: JSON {count, metadata, spec} */}}
{{- define "dynamo-disagg.preflight.pod" -}}
{{- $spec := pick .template.spec "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "resourceClaims" }}
{{- $containers := list }}
{{- range .template.spec.containers }}{{ $containers = append $containers (pick . "name" "resources") }}{{ end }}
{{- $init := list }}
{{- range .template.spec.initContainers }}{{ $init = append $init (pick . "name" "resources" "restartPolicy") }}{{ end }}
{{- with $init }}{{ $_ := set $spec "initContainers" . }}{{ end }}
{{- dict "count" .count "metadata" (pick .template.metadata "labels") "spec" (set $spec "containers" $containers) | toJson }}
{{- end }}

{{/*
dynamo-disagg.preflight.hook: annotations of a preflight object. Of a failed one the Job stays, with its log, until
the next attempt.
in:  weight
*/}}
{{- define "dynamo-disagg.preflight.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
