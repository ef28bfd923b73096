{{/*
Cross-field rules. Shapes, names and ranges are the schema's job; here is what needs arithmetic, two values, or
the cluster. Every rule is a define "common.validate.<rule>" that prints one line a problem:
"<where>: <what is wrong>: <what to write>". common.validate collects all of them and fails once. Those about pods,
amounts, the two pools and the release's surroundings are in validate/.
*/}}

{{/* common.validate. in: the root chart's context; out: nothing, or the chart fails */}}
{{- define "common.validate" -}}
{{- $problems := list }}
{{- range $rule := list "helm" "globals" "names" "model" "engineVersion" "etcd" "nats" "exposure" "tls" "account" "images" "components" "pools" "resources" "pods" "cluster" "apis" }}
{{- $text := include (printf "common.validate.%s" $rule) $ | trim }}
{{- range $line := splitList "\n" $text }}{{ with trim $line }}{{ $problems = append $problems . }}{{ end }}{{ end }}
{{- end }}
{{- with $problems | uniq }}
{{- fail (printf "\n\n%d problem(s) in the values, nothing was installed:\n  - %s\n" (len .) (join "\n  - " .)) }}
{{- end }}
{{- end }}

{{- define "common.validate.helm" -}}
{{- if semverCompare "<3.18.6-0" .Capabilities.HelmVersion.Version }}
helm: version {{ .Capabilities.HelmVersion.Version }} checks values.schema.json differently: use Helm 3.18.6 or newer
{{- end }}
{{- end }}

{{/* A chart that wraps this one may keep its own keys under global; typed directly, an unknown key is a typo. */}}
{{- define "common.validate.globals" -}}
{{- if .Chart.IsRoot }}
{{- $known := list "nameOverride" "imageRegistry" "imagePullSecrets" "clusterChecks" "serviceAccount" "model" "engine" "env" "serving" "hardware" "hardwareSpec" "rdma" "colocation" "multiNode" "kvTransfer" "kvCache" "router" "discovery" "requestPlane" "eventPlane" "natsUrl" "simulation" }}
{{- range $key := keys .Values.global | sortAlpha }}
{{- if not (has $key $known) }}
global.{{ $key }}: there is no such value: write global.{{ include "common.nearest" (dict "word" $key "known" $known) }}
{{- end }}
{{- end }}
{{- /* Helm lays global over a component's own copy, so that only what global has not is seen here. */}}
{{- range $component := list "frontend" "prefill" "decode" }}
{{- with (get $.Values $component).global }}
{{- if ne (toJson .) (toJson $.Values.global) }}
{{ $component }}.global: global is for all components alike: write it in global
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "common.validate.names" -}}
{{- $name := include "common.fullname" . }}
{{- if gt (len $name) 34 }}
release name: "{{ $name }}" has {{ len $name }} characters, and the names of objects and their pods leave room for 34: choose a shorter release name or global.nameOverride
{{- end }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
release name: "{{ $name }}" cannot name a Service: begin with a letter and use only a-z, 0-9 and "-"
{{- end }}
{{- end }}

{{/* Only the block of the chosen source counts, so that a values file on top of a scenario can choose another. */}}
{{- define "common.validate.model" -}}
{{- $model := include (printf "common.model.%s" .Values.global.model.source.type) . | fromYaml }}
{{- range $model.problems }}
{{ . }}
{{- end }}
{{- $path := get (get .Values.global.model.source .Values.global.model.source.type) "path" | default "" }}
{{- if has ".." (splitList "/" $path) }}
global.model.source.{{ .Values.global.model.source.type }}.path: {{ $path }} leads out of its folder: write it without ".."
{{- end }}
{{- with $model.claim }}
{{- if not .size }}
{{ .where }}.create.size: the claim has no size: set what the models in it need, e.g. {{ ceil (mulf 1.5 $.Values.global.model.sizeGiB) }}Gi
{{- end }}
{{- if and (ne (first .accessModes) "ReadWriteMany") (include "common.workersAreSpread" $) }}
{{ .where }}.create.accessModes: the workers may be on several nodes, and a {{ first .accessModes }} claim is on one: set [ReadWriteMany]{{ if eq (include "common.workersAreSpread" $) "pods" }}, or global.colocation.topologyKey=kubernetes.io/hostname{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.workersAreSpread: why the workers may be on several nodes: "nodes" one worker is, "pods" there are several; or nothing. in: root chart's context */}}
{{- define "common.workersAreSpread" -}}
{{- $pods := 0 }}{{ $nodes := 1 }}
{{- range $role := list "prefill" "decode" }}
{{- $seen := dict "root" $ "component" $role }}{{ include "common.asComponent" $seen }}
{{- if include "common.worker.mode" $seen.context }}
{{- $pods = add $pods $seen.context.Values.replicas }}
{{- $nodes = max $nodes (include "common.worker.nodes" $seen.context) }}
{{- end }}
{{- end }}
{{- if gt (int $nodes) 1 }}nodes{{ else if and (gt (int $pods) 1) (ne .Values.global.colocation.topologyKey "kubernetes.io/hostname") }}pods{{ end }}
{{- end }}

{{- define "common.validate.etcd" -}}
{{- $used := eq .Values.global.discovery.backend "etcd" }}
{{- $external := .Values.global.discovery.etcdEndpoints }}
{{- if and $used (not .Values.etcd.enabled) (not $external) }}
global.discovery.backend: etcd discovery has no etcd: set etcd.enabled=true, or global.discovery.etcdEndpoints
{{- end }}
{{- if and .Values.etcd.enabled $external }}
etcd.enabled: global.discovery.etcdEndpoints names another etcd: set one of the two
{{- end }}
{{- if and (not $used) .Values.etcd.enabled }}
etcd.enabled: nothing would use this etcd: set global.discovery.backend=etcd, or etcd.enabled=false
{{- end }}
{{- if and (not $used) $external }}
global.discovery.etcdEndpoints: nothing would use them: set global.discovery.backend=etcd, or remove them
{{- end }}
{{- if .Values.etcd.enabled }}
{{- $seen := dict "root" . "component" "etcd" }}{{ include "common.asComponent" $seen }}
{{ include "etcd.problems" $seen.context }}
{{- end }}
{{- end }}

{{- define "common.validate.nats" -}}
{{- $used := include "common.usesNats" . }}
{{- $external := .Values.global.natsUrl }}
{{- if and $used (not .Values.nats.enabled) (not $external) }}
global.{{ if eq .Values.global.requestPlane "nats" }}requestPlane{{ else }}eventPlane{{ end }}: the nats plane has no NATS: set nats.enabled=true, or global.natsUrl
{{- end }}
{{- if and .Values.nats.enabled $external }}
nats.enabled: global.natsUrl names another NATS: set one of the two
{{- end }}
{{- if and (not $used) .Values.nats.enabled }}
nats.enabled: nothing would use this NATS: set global.requestPlane=nats or global.eventPlane=nats, or nats.enabled=false
{{- end }}
{{- if and (not $used) $external }}
global.natsUrl: nothing would use it: set global.requestPlane=nats or global.eventPlane=nats, or remove it
{{- end }}
{{- if .Values.nats.enabled }}
{{- $seen := dict "root" . "component" "nats" }}{{ include "common.asComponent" $seen }}
{{ include "nats.problems" $seen.context }}
{{- end }}
{{- end }}

{{- define "common.validate.exposure" -}}
{{- with .Values.frontend }}
{{- if and .service.nodePort (eq .service.type "ClusterIP") }}
frontend.service.nodePort: a ClusterIP Service has no node port: set frontend.service.type=NodePort, or nodePort=0
{{- end }}
{{- if and .ingress.enabled (not .ingress.hosts) }}
frontend.ingress.hosts: an Ingress without a host takes all traffic of its class: name at least one host
{{- end }}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) }}
frontend.httpRoute.parentRefs: the route belongs to no Gateway: name at least one, e.g. [{name: inference, namespace: gateways}]
{{- end }}
{{- end }}
{{- end }}

{{/* common.runByLws: "true" for a pool that is a LeaderWorkerSet, else empty. in: component context */}}
{{- define "common.runByLws" -}}
{{- if ne .Chart.Name "frontend" }}
{{- if and (include "common.worker.mode" .) (gt (include "common.worker.nodes" . | int) 1) (eq .Values.global.multiNode.controller "lws") }}true{{ end }}
{{- end }}
{{- end }}

{{/* common.asComponent: a subchart's context, seen from the root chart. in: dict "root" $ "component" string; out: sets "context" */}}
{{- define "common.asComponent" -}}
{{- $values := merge (dict "global" .root.Values.global) (get .root.Values .component) }}
{{- $chart := dict "Name" .component "Version" .root.Chart.Version "AppVersion" .root.Chart.AppVersion }}
{{- $_ := set . "context" (dict "Values" $values "Chart" $chart "Release" .root.Release "Capabilities" .root.Capabilities) }}
{{- end }}

{{/* Rules for the frontend and each worker pool. */}}
{{- define "common.validate.components" -}}
{{- range $component := list "frontend" "prefill" "decode" "etcd" "nats" }}
{{- range $label := keys ((get $.Values $component).podLabels | default dict) | sortAlpha }}
{{- if regexMatch "^(app\\.kubernetes\\.io|helm\\.sh|dynamo-disagg)/" $label }}
{{ $component }}.podLabels.{{ $label }}: the chart sets this label, and selects pods by it: remove it
{{- end }}
{{- end }}
{{- end }}
{{- $engine := .Values.global.engine }}
{{- $checked := ne $engine.version "unchecked" }}
{{- $owned := include (printf "common.engine.%s.owned" $engine.name) . | fromYaml }}
{{- $ofFrontend := dict "program" "frontend" "other" $engine.name "otherIs" "the workers': move it to global.engine.args" "checked" $checked }}
{{- $ofWorkers := dict "program" $engine.name "other" "frontend" "otherIs" "the frontend's: move it to frontend.args" "checked" $checked "owned" $owned }}
{{ include "common.validate.flags" (merge (dict "where" "global.engine.args" "flags" $engine.args "raw" list "role" (ternary "decode" "prefill" (eq .Values.global.serving "aggregated"))) $ofWorkers) }}
{{- range $component := list "frontend" "prefill" "decode" }}
{{- $seen := dict "root" $ "component" $component }}
{{- include "common.asComponent" $seen }}
{{- $context := $seen.context }}
{{- $values := $context.Values }}
{{- $ownedEnv := dict }}{{ $ownedFlags := $owned }}{{ $prefixes := list "DYN" (include (printf "common.engine.%s.variables" $engine.name) .) }}
{{- if eq $component "frontend" }}
{{- $ownedEnv = include "frontend.ownedEnv" $context | fromYaml }}
{{- $ownedFlags = include "frontend.owned" $context | fromYaml }}{{ $prefixes = list "DYN" }}
{{ include "common.validate.flags" (merge (dict "where" "frontend.args" "flags" $values.args "raw" $values.extraArgs "role" $component "owned" $ownedFlags) $ofFrontend) }}
{{- else }}
{{- $ownedEnv = include "common.worker.ownedEnv" $context | fromYaml }}
{{- range $name, $_ := include "common.worker.rankEnv" (dict "nodes" (include "common.worker.nodes" $context) "rank" (dict "env" (dict "DYNAMO_GROUP" ""))) | fromYaml }}{{ $_ := set $ownedEnv $name "" }}{{ end }}
{{- $_ := set $ownedEnv "DYN_NAMESPACE_WORKER_SUFFIX" "" }}
{{- $hardware := include "common.hardware" $context | fromYaml }}
{{ include "common.validate.flags" (merge (dict "where" (printf "%s.engineArgs" $component) "flags" $values.engineArgs "raw" $values.extraArgs "role" $component) $ofWorkers) }}
{{ if include "common.worker.mode" $context }}{{ include "common.validate.gpus" (dict "context" $context "hardware" $hardware) }}{{ end }}
{{- end }}
{{ include "common.validate.env" (dict "component" $component "context" $context "owned" $ownedEnv "flags" $ownedFlags "prefixes" $prefixes) }}
{{- if has (toString $values.rollingUpdate.maxSurge) (list "0" "0%") }}
{{- $away := toString $values.rollingUpdate.maxUnavailable }}
{{- if has $away (list "0" "0%") }}
{{ $component }}.rollingUpdate: with maxSurge 0 and maxUnavailable 0 no pod could ever be replaced: raise one of them
{{- else if and (include "common.runByLws" $context) (hasSuffix "%" $away) (lt (mul (trimSuffix "%" $away | int) (int $values.replicas)) 100) }}
{{ $component }}.rollingUpdate.maxUnavailable: {{ $away }} of {{ $values.replicas }} is less than one worker, and LeaderWorkerSet refuses that with maxSurge 0: write 1
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.validate.env: variables the chart derives, and router settings that would reach a worker's model card. */}}
{{- define "common.validate.env" -}}
{{- $component := .component }}{{ $owned := .owned }}
{{- /* Dynamo reads a flag's variable too. */}}
{{- $twins := dict }}
{{- range $flag, $instead := .flags }}
{{- $twin := dict "flag" $flag "instead" (replace "{role}" $component $instead) }}
{{- range $.prefixes }}{{ $_ := set $twins (printf "%s_%s" . ($flag | upper | replace "-" "_")) $twin }}{{ end }}
{{- end }}
{{- range $where, $env := dict (printf "%s.env" .component) .context.Values.env "global.env" .context.Values.global.env }}
{{- range $name := keys $env | sortAlpha }}
{{- if hasKey $owned $name }}
{{ $where }}.{{ $name }}: the chart sets this variable: remove it
{{- else if and (hasPrefix "DYN_ROUTER_" $name) (or (eq $where "global.env") (ne $component "frontend")) }}
{{ $where }}.{{ $name }}: a worker advertises router settings and they override the frontend's: move it to frontend.env
{{- else }}
{{- with get $twins $name }}
{{ $where }}.{{ $name }}: it stands for --{{ .flag }}, which the chart sets: use {{ .instead }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* common.validate.gpus: does a worker fit on a node. in: dict "context" <component context> "hardware" {} */}}
{{- define "common.validate.gpus" -}}
{{- $role := .context.Chart.Name }}
{{- $gpus := include "common.worker.gpus" .context | int }}
{{- $node := .hardware.gpusPerNode | int }}
{{- if and (gt $gpus $node) (ne (mod $gpus $node) 0) }}
{{ $role }}.parallelism: a worker of {{ $gpus }} GPUs does not divide into nodes of {{ .context.Values.global.hardware }} with {{ $node }}: choose at most {{ $node }}, or a multiple of {{ $node }}
{{- end }}
{{- if and .context.Values.exclusiveTopologyKey (or (le $gpus $node) (ne .context.Values.global.multiNode.controller "lws")) }}
{{ $role }}.exclusiveTopologyKey: only a worker of several nodes can have a domain for itself, and only with global.multiNode.controller=lws: remove it
{{- end }}
{{ include (printf "common.engine.%s.check" .context.Values.global.engine.name) (dict "root" .context "role" $role "perNode" $node) }}
{{- if hasKey .hardware.extendedResources .hardware.gpuResource }}
global.hardwareSpec.rdma.extendedResources: {{ .hardware.gpuResource }} is derived from {{ $role }}.parallelism: remove it
{{- end }}
{{- end }}

{{/*
common.needs: objects that must exist before the release: those of the model source and the engine, and the pull secrets.
in:  root context; out: YAML list of {kind, name, value: where it is set, [key], [command that makes it], [pull: true]}
*/}}
{{- define "common.needs" -}}
{{- $needs := (include "common.model" . | fromYaml).needs }}
{{- if not .Values.global.simulation.enabled }}
{{- with .Values.global.multiNode.sshSecret }}
{{- $needs = append $needs (dict "kind" "Secret" "name" . "value" "global.multiNode.sshSecret" "key" "private.key" "command" (include "common.sshSecretCommand" (dict "root" $ "name" .))) }}
{{- end }}
{{- end }}
{{- range .Values.global.imagePullSecrets }}{{ $needs = append $needs (dict "kind" "Secret" "name" . "value" "global.imagePullSecrets" "pull" true) }}{{ end }}
{{- toYaml $needs }}
{{- end }}

{{/*
common.validate.cluster: objects the release names must exist. `helm template` and GitOps renderers have no
cluster; lookup then finds no service accounts at all, and every real namespace can list them.
*/}}
{{- define "common.validate.cluster" -}}
{{- if include "common.seesCluster" . }}
{{- range include "common.needs" . | fromYamlArray }}
{{- $object := lookup "v1" .kind $.Release.Namespace .name }}
{{- if not $object }}
{{ .value }}: there is no {{ .kind }} "{{ .name }}" in namespace {{ $.Release.Namespace }}: create it
{{- if .command }} ({{ .command }}){{ else if eq .kind "Secret" }} (kubectl -n {{ $.Release.Namespace }} create secret {{ if .pull }}docker-registry {{ .name }} ...{{ else }}generic {{ .name }} --from-literal={{ .key | default "<key>" }}=...{{ end }}){{ end }}, or set global.clusterChecks=false
{{- else if and .key (not (hasKey ($object.data | default dict) .key)) }}
{{ .value }}: Secret "{{ .name }}" has no key "{{ .key }}" (it has: {{ keys ($object.data | default dict) | sortAlpha | join ", " }}): add it{{ if not .command }}, or set {{ .value }}.key{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
