{{/* Only the block of the chosen source counts, so that a values file on top of a scenario can choose another. */}}
{{- define "dynamo-disagg.validate.model" -}}
{{- $model := include (printf "dynamo-disagg.model.%s" .Values.global.model.source.type) . | fromYaml }}
{{- range $model.problems }}
{{ . }}
{{- end }}
{{- with .Values.global.model.name }}
{{- if contains "://" . }}
global.model.name: {{ . }} is a URL: write {{ if contains "huggingface.co/" . }}{{ regexReplaceAll "^.*huggingface[.]co/([^/]*/[^/?#]*).*$" . "${1}" }}{{ else }}the name that clients ask for, and where the files are in global.model.source{{ end }}
{{- end }}
{{- end }}
{{- with .Values.global.model.source.gcsfuse.bucket }}
{{- if contains "://" . }}
global.model.source.gcsfuse.bucket: {{ . }} is a URL: write {{ regexReplaceAll "^[a-z0-9]+://([^/]*).*$" . "${1}" }}, and a folder in it as global.model.source.gcsfuse.path
{{- end }}
{{- end }}
{{- $path := get (get .Values.global.model.source .Values.global.model.source.type) "path" | default "" }}
{{- if has ".." (splitList "/" $path) }}
global.model.source.{{ .Values.global.model.source.type }}.path: {{ $path }} leads out of its folder: write it without ".."
{{- end }}
{{- if not .Values.global.simulation.enabled }}
{{ include "dynamo-disagg.validate.modelSize" .Values.global.model }}
{{- if and (eq .Values.global.model.source.type "huggingface") (not .Values.global.model.source.huggingface.download.enabled) }}
{{ include "dynamo-disagg.validate.offline" . }}
{{ include "dynamo-disagg.validate.hubFolder" . }}
{{ include "dynamo-disagg.validate.hubAuthorities" . }}
{{- end }}
{{- end }}
{{- with $model.claim }}
{{- if not .size }}
{{ .where }}.create.size: the claim has no size: set what the models in it need, e.g. {{ ceil (mulf 1.5 $.Values.global.model.sizeGiB) }}Gi
{{- end }}
{{- if and (ne (first .accessModes) "ReadWriteMany") (include "dynamo-disagg.validate.spreadReason" $) }}
{{ .where }}.create.accessModes: the workers may be on several nodes, and a {{ first .accessModes }} claim is on one: set [ReadWriteMany]{{ if eq (include "dynamo-disagg.validate.spreadReason" $) "pods" }}, or global.colocation.topologyKey=kubernetes.io/hostname{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.modelSize: a size that is no number, or less than any format makes of the parameters in the model's name: two bits
for each. Pods would be ended while they still load. in: global.model
*/}}
{{- define "dynamo-disagg.validate.modelSize" -}}
{{- $size := toString .sizeGiB }}
{{- if not (regexMatch "^[0-9]+([.][0-9]*)?(e[+][0-9]+)?$" $size) }}
global.model.sizeGiB: {{ $size }} is no number: write the size in GiB without a unit, such as {{ regexFind "^[0-9]+([.][0-9]+)?" $size | default "640" }}
{{- else }}
{{- $parameters := regexFind "(?i)(^|[-_:/])[0-9]+([.][0-9]+)?b([-_.]|$)" .name }}
{{- $least := regexFind "[0-9]+([.][0-9]+)?" $parameters | default "0" | float64 | mulf 0.23 }}
{{- if or (gt $least (float64 $size)) (eq (float64 $size) 0.0) }}
global.model.sizeGiB: the files of {{ .name }} are not {{ $size }} GiB: write their size, from which pods get the time to load them
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.offline: pods that may not download what nothing else brings. in: root chart's context */}}
{{- define "dynamo-disagg.validate.offline" -}}
{{- $cache := .Values.global.model.source.huggingface.cache }}
{{- $isFilled := and $cache.claimName (not $cache.create.enabled) }}
{{- $cut := dict }}
{{- range $component := prepend (include "dynamo-disagg.pools" . | fromJsonArray) "frontend" }}
{{- with get $.Subcharts $component }}
{{- range $path, $env := dict "global.env" .Values.global.env (printf "%s.env" $component) .Values.env }}
{{- range $name := list "HF_HUB_OFFLINE" "TRANSFORMERS_OFFLINE" }}
{{- $isOn := has (get $env $name | toString | lower) (list "1" "true" "yes" "on") }}
{{- $where := printf "%s.%s" $path $name }}
{{- if and $isOn (or (eq $component "frontend") (not $isFilled)) }}{{ $_ := set $cut $where (append (get $cut $where | default list) $component) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $components := $cut }}
{{ $where }}: nothing but the hub brings the model's files to {{ join ", " $components }}: set global.model.source.huggingface.download.enabled=true, or type=pvc with the snapshot's folder as path, or {{ if $isFilled }}move it to prefill.env and decode.env{{ else }}remove it{{ end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.hubFolder: the hub's cache where the frontend, whose root file system is read-only, cannot write. in: root chart's context */}}
{{- define "dynamo-disagg.validate.hubFolder" -}}
{{- with .Subcharts.frontend }}
{{- $mounts := merge (dict) .Values.volumes (include "dynamo-disagg.model" . | fromJson).mounts (include "dynamo-disagg.frontend.mounts" . | fromJson) }}
{{- $isReadOnly := (include "dynamo-disagg.securityContext" (dict "root" . "overrides" .Values.securityContext) | fromJson).readOnlyRootFilesystem }}
{{- range $name := list "HF_HOME" "HF_HUB_CACHE" }}
{{- $where := ternary "frontend.env" "global.env" (hasKey $.Values.frontend.env $name) }}
{{- $folder := get (ternary $.Values.frontend.env $.Values.global.env (hasKey $.Values.frontend.env $name)) $name }}
{{- $inVolume := false }}
{{- range $mounts }}{{ with . }}{{ if hasPrefix (printf "%s/" (clean .mountPath)) (printf "%v/" $folder) }}{{ $inVolume = true }}{{ end }}{{ end }}{{ end }}
{{- if and $isReadOnly (kindIs "string" $folder) $folder (not $inVolume) }}
{{ $where }}.{{ $name }}: the frontend cannot write {{ $folder }}, which is in none of its volumes: remove it, as the cache is global.model.source.huggingface.cache, or mount one there in frontend.volumes
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.hubAuthorities: certificates of pods that download for themselves, whose client reads SSL_CERT_FILE and SSL_CERT_DIR alone
(measured with Dynamo 1.6.1). Workers may find all in a cache that others filled. in: root chart's context
*/}}
{{- define "dynamo-disagg.validate.hubAuthorities" -}}
{{- $cache := .Values.global.model.source.huggingface.cache }}
{{- $isFilled := and $cache.claimName (not $cache.create.enabled) }}
{{- $hardware := include "dynamo-disagg.hardware" . | fromJson }}
{{- range $component := prepend (include "dynamo-disagg.pools" . | fromJsonArray) "frontend" }}
{{- if or (eq $component "frontend") (not $isFilled) }}
{{- with get $.Subcharts $component }}
{{- $own := pick .Values.env "SSL_CERT_FILE" "SSL_CERT_DIR" }}
{{- $shared := pick .Values.global.env "SSL_CERT_FILE" "SSL_CERT_DIR" }}
{{- range $name, $value := $own }}{{ $_ := unset $shared $name }}{{ end }}
{{- $mounts := merge (include "dynamo-disagg.model" . | fromJson).mounts (include "dynamo-disagg.tls.mounts" . | fromJson) }}
{{- if ne $component "frontend" }}{{ $mounts = merge $mounts ($hardware.hostPaths | default dict) }}{{ end }}
{{ include "dynamo-disagg.validate.authorities" (dict
      "root" $ "env" (dict "global.env" $shared (printf "%s.env" $component) $own) "who" (printf "%s asks the hub" $component)
      "where" (printf "%s.volumes" $component) "volumes" .Values.volumes "mounts" $mounts) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.spreadReason: "nodes" if one worker spans nodes, "pods" if several workers may land on different nodes, else empty.
in: root chart's context
*/}}
{{- define "dynamo-disagg.validate.spreadReason" -}}
{{- $pods := 0 }}{{ $nodes := 1 }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- with get $.Subcharts $role }}
{{- $pods = add $pods (ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled) }}
{{- $nodes = max $nodes (include "dynamo-disagg.worker.nodes" .) }}
{{- end }}
{{- end }}
{{- if gt (int $nodes) 1 }}nodes{{ else if and (gt (int $pods) 1) (ne .Values.global.colocation.topologyKey "kubernetes.io/hostname") }}pods{{ end }}
{{- end }}

{{/* dynamo-disagg.validate.warnings.claim: a claim on one node, and an only worker that an upgrade starts beside the old one. in: root chart's context */}}
{{- define "dynamo-disagg.validate.warnings.claim" -}}
{{- with (include "dynamo-disagg.model" . | fromJson).claim }}
{{- $isShared := or (eq (first .accessModes) "ReadWriteMany") (eq $.Values.global.colocation.topologyKey "kubernetes.io/hostname") }}
{{- if not (or $isShared (include "dynamo-disagg.validate.spreadReason" $)) }}
{{- $where := .where }}
{{- range $role := include "dynamo-disagg.pools" $ | fromJsonArray }}
{{- if include "dynamo-disagg.worker.surges" (get $.Subcharts $role) }}
{{ $where }}.create.accessModes: an upgrade starts a {{ $role }} worker beside the old one, maybe on another node than the claim, for which it would wait for ever: set [ReadWriteMany], or {{ $role }}.rollingUpdate.maxSurge=0 and maxUnavailable=1.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
