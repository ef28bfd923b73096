{{/*
dynamo-disagg.needs: objects that must exist before the release: those of the model source and the engine, and all Secrets.
in:  root context; out: JSON list of {kind, name, value: where it is set, [key], [keys: all of them], [command that makes it],
[pull: true], [certificate: the names it is for]}
*/}}
{{- define "dynamo-disagg.needs" -}}
{{- $ofEngine := include (printf "dynamo-disagg.engine.%s.needs" (include "dynamo-disagg.engineName" .)) (dict "root" .) | fromYamlArray }}
{{- $needs := concat (include "dynamo-disagg.model" . | fromJson).needs $ofEngine }}
{{- range .Values.global.imagePullSecrets }}{{ $needs = append $needs (dict "kind" "Secret" "name" . "value" "global.imagePullSecrets" "pull" true) }}{{ end }}
{{- with .Values.global.tls.secretName }}
{{- $needs = append $needs (dict "kind" "Secret" "name" . "value" "global.tls.secretName" "certificate" (include "dynamo-disagg.tls.names" $ | fromYamlArray) "command" (printf "kubectl -n %s create secret generic %s --from-file=tls.crt --from-file=tls.key --from-file=ca.crt" $.Release.Namespace .)) }}
{{- end }}
{{- with .Values.global.natsSecret }}
{{- $needs = append $needs (dict "kind" "Secret" "name" . "value" "global.natsSecret" "keys" (list "username" "password") "command" (printf "kubectl -n %s create secret generic %s --from-literal=username=... --from-literal=password=..." $.Release.Namespace .)) }}
{{- end }}
{{- if .Values.benchmark.enabled }}
{{- with .Values.benchmark.claimName }}{{ $needs = append $needs (dict "kind" "PersistentVolumeClaim" "name" . "value" "benchmark.claimName") }}{{ end }}
{{- end }}
{{- toJson (concat $needs (include "dynamo-disagg.needs.named" . | fromJsonArray)) }}
{{- end }}

{{/*
dynamo-disagg.volumes.places: all volumes that values can set, by where they stand: those of components, and of the Job that downloads
the model. in: root context; out: JSON map path -> map name -> volume
*/}}
{{- define "dynamo-disagg.volumes.places" -}}
{{- $places := dict }}
{{- range $component := include "dynamo-disagg.components" . | fromJsonArray }}
{{- with (get $.Subcharts $component).Values.volumes }}{{ $_ := set $places (printf "%s.volumes" $component) . }}{{ end }}
{{- end }}
{{- with (include "dynamo-disagg.model" . | fromJson).download }}
{{- with .volumes }}{{ $_ := set $places "global.model.source.huggingface.download.volumes" . }}{{ end }}
{{- end }}
{{- toJson $places }}
{{- end }}

{{/* dynamo-disagg.needs.named: Secrets and claims that variables and volumes of the values name; a pod would not start without. in, out: as dynamo-disagg.needs */}}
{{- define "dynamo-disagg.needs.named" -}}
{{- $needs := list }}
{{- $made := (include "dynamo-disagg.model" . | fromJson).claim | default dict }}
{{- $whole := list }}
{{- range $place, $volumes := include "dynamo-disagg.volumes.places" . | fromJson }}
{{- range $name, $volume := $volumes }}
{{- $where := printf "%s.%s.source" $place $name }}
{{- with ($volume | default dict).source }}
{{- with .persistentVolumeClaim }}{{ if ne .claimName ($made.name | default "") }}{{ $needs = append $needs (dict "kind" "PersistentVolumeClaim" "name" .claimName "value" (printf "%s.persistentVolumeClaim" $where)) }}{{ end }}{{ end }}
{{- with .secret }}{{ $whole = append $whole (dict "of" . "name" .secretName "value" (printf "%s.secret" $where)) }}{{ end }}
{{- range (.projected | default dict).sources }}{{ with .secret }}{{ $whole = append $whole (dict "of" . "name" .name "value" (printf "%s.projected" $where)) }}{{ end }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $component := include "dynamo-disagg.components" . | fromJsonArray }}
{{- range $index, $container := (get $.Subcharts $component).Values.initContainers }}
{{- range .envFrom }}{{ with .secretRef }}{{ $whole = append $whole (dict "of" . "name" .name "value" (printf "%s.initContainers[%d].envFrom" $component $index)) }}{{ end }}{{ end }}
{{- end }}
{{- end }}
{{- range $whole }}{{ if not .of.optional }}{{ $needs = append $needs (merge (dict "kind" "Secret") (omit . "of")) }}{{ end }}{{ end }}
{{- range $where, $env := include "dynamo-disagg.env.places" . | fromJson }}
{{- $keys := dict }}{{ $first := dict }}
{{- range $name, $value := $env }}
{{- if kindIs "map" $value }}
{{- with $value.secretKeyRef }}
{{- if not .optional }}
{{- $_ := set $keys .name (append (get $keys .name | default list) .key | uniq | sortAlpha) }}
{{- if not (hasKey $first .name) }}{{ $_ := set $first .name (printf "%s.%s" $where $name) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $secret, $of := $keys }}{{ $needs = append $needs (dict "kind" "Secret" "name" $secret "value" (get $first $secret) "keys" $of) }}{{ end }}
{{- end }}
{{- toJson $needs }}
{{- end }}

{{/* dynamo-disagg.apiFixes: what to do when the cluster does not serve an API group; the preflight says the same. out: YAML map */}}
{{- define "dynamo-disagg.apiFixes" -}}
leaderworkerset.x-k8s.io: install LeaderWorkerSet (https://lws.sigs.k8s.io), or set global.multiNode.controller=statefulset
disaggregatedset.x-k8s.io: install LeaderWorkerSet 0.9 or newer (https://lws.sigs.k8s.io), or set global.multiNode.controller=lws
resource.nvidia.com: install NVIDIA's DRA driver, or set global.hardwareSpec.computeDomain=false
keda.sh: install KEDA (https://keda.sh), or set prefill.autoscaling.enabled=false and decode.autoscaling.enabled=false
gateway.networking.k8s.io: install the Gateway API, or set frontend.httpRoute.enabled=false
monitoring.coreos.com: install the Prometheus operator, or set metrics.podMonitor.enabled=false and metrics.rules.enabled=false
resource.k8s.io: use Kubernetes 1.34 or newer, or set global.rdma.enabled=false
nvidia.com: apply crds/ of the chart (Helm does so at the first installation only)
{{- end }}

{{/*
dynamo-disagg.tls.names: what the certificate must be for: the name that pods ask for, and those of the release's etcd and NATS.
in: root context; out: YAML list
*/}}
{{- define "dynamo-disagg.tls.names" -}}
- {{ .Values.global.tls.serverName | quote }}
{{- range $component := list "etcd" "nats" }}
{{- with get $.Subcharts $component }}
- {{ include "dynamo-disagg.name" (dict "root" . "component" $component) }}
- {{ printf "*.%s.%s.svc" (include "dynamo-disagg.peers" (dict "root" . "component" $component)) .Release.Namespace | quote }}
{{- end }}
{{- end }}
{{- end }}
