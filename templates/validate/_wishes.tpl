{{/*
dynamo-disagg.validate.wishes: keys that users look for and that are not there. The schema lets these through (patternProperties), because
Helm would only say that they are not allowed.
*/}}
{{- define "dynamo-disagg.validate.wishes" -}}
{{- range include "dynamo-disagg.validate.wishes.table" . | fromJsonArray }}
{{- $row := . }}
{{- range $at := .at }}
{{- $map := $.Values }}
{{- range splitList "." $at | compact }}{{ $map = get $map . | default dict }}{{ end }}
{{- range $key, $says := $row.keys }}
{{- if hasKey $map $key }}
{{ printf "%s.%s" $at $key | trimPrefix "." }}: {{ $says | replace "{key}" $key | replace "{at}" $at }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.wishes.table: a list of {at: paths of maps, keys: key -> "<what is wrong>: <what to write>"}, in JSON, which is read faster */}}
{{- define "dynamo-disagg.validate.wishes.table" -}}
[
{"at": [""], "keys": {
  {{- range $key := list "model" "engine" "env" "serving" "hardware" "hardwareSpec" "rdma" "colocation" "telemetry"
          "multiNode" "kvTransfer" "kvCache" "router" "discovery" "requestPlane" "eventPlane" "natsUrl" "natsSecret"
          "simulation" "imageRegistry" "imagePullSecrets" "serviceAccount" "nameOverride"
          "fullnameOverride" "labels" "annotations" "schedulerName" "tls" "podSecurityContext" "securityContext" }}
  "{{ $key }}": "it stands in global: write global.{key}",
  {{- end }}
  "runtimeClassName": "it belongs to the machine: write global.hardwareSpec.runtimeClassName",
  "image": "the image of all pods is the engine's: write global.engine.image",
  {{- range $key := list "replicas" "resources" "nodeSelector" "tolerations" "affinity" "parallelism"
          "engineArgs" "extraArgs" "volumes" "podLabels" "podAnnotations" "initContainers" }}
  "{{ $key }}": "it belongs to one component: write prefill.{key}, decode.{key} or frontend.{key}",
  {{- end }}
  "replicaCount": "each pool has its number: write prefill.replicas and decode.replicas"}},
{"at": ["prefill", "decode", "encode"], "keys": {
  "args": "the engine's flags have another name: write {at}.engineArgs",
  "flags": "the engine's flags have another name: write {at}.engineArgs",
  "image": "both roles run one image: write global.engine.image",
  "model": "both roles serve one model: write global.model",
  "hardware": "both roles run on one machine type: write global.hardware, and make a release of its own for another machine",
  "hardwareSpec": "both roles run on one machine type: write global.hardwareSpec, and make a release of its own for another machine",
  "router": "the frontend routes: write global.router",
  "kvCache": "both roles have one KV cache format: write global.kvCache",
  "shmSize": "the size of /dev/shm has another name: write {at}.sharedMemory"}},
{"at": ["encode"], "keys": {
  {{- range $key := list "tensor" "pipeline" "data" "expert" "tensorParallelSize" "gpus" }}
  "{{ $key }}": "an encoder has one GPU: remove it, and set encode.replicas",
  {{- end }}
  "nodes": "an encoder is one pod: remove it, and set encode.replicas"}},
{"at": ["prefill", "decode"], "keys": {
  "tensor": "it is a size of the worker: write {at}.parallelism.{key}",
  "pipeline": "it is a size of the worker: write {at}.parallelism.{key}",
  "data": "it is a size of the worker: write {at}.parallelism.{key}",
  "expert": "it is a size of the worker: write {at}.parallelism.{key}",
  "tensorParallelSize": "it is a size of the worker: write {at}.parallelism.tensor",
  "gpus": "the GPUs of a worker follow from its sizes: write {at}.parallelism.tensor",
  "nodes": "the nodes of a worker follow from its sizes: write {at}.parallelism.tensor"}},
{"at": ["prefill", "decode", "encode", "frontend"], "keys": {
  "hostPID": "it is for workers of one node that move the KV cache over cuda_ipc: write global.colocation.hostPID",
  "shareProcessNamespace": "the containers of a pod share no processes: remove it",
  "extraInitContainers": "it has another name: write {at}.initContainers",
  {{- range $key := list "sidecars" "extraContainers" }}
  "{{ $key }}": "a container that stays beside the chart's is an init container that does not end: write {at}.initContainers, with restartPolicy Always",
  {{- end }}
  {{- range $key := list "extraEnv" "envFrom" }}
  "{{ $key }}": "variables are a map, of texts or of {secretKeyRef: ...}: write {at}.env",
  {{- end }}
  {{- range $key := list "extraVolumes" "volumeMounts" "extraVolumeMounts" }}
  "{{ $key }}": "a volume and its mount are one entry, with mountPath and source: write {at}.volumes",
  {{- end }}
  {{- range $key := list "serviceAccount" "serviceAccountName" }}
  "{{ $key }}": "all pods of Dynamo have one: write global.serviceAccount",
  {{- end }}
  {{- range $key := list "startupProbe" "livenessProbe" "readinessProbe" }}
  "{{ $key }}": "what is asked is the chart's, how often is yours: write {at}.probes",
  {{- end }}
  {{- range $key := list "strategy" "updateStrategy" }}
  "{{ $key }}": "it has another name: write {at}.rollingUpdate",
  {{- end }}
  "command": "the command is derived, its flags are yours: write {at}.extraArgs"}},
{"at": ["frontend.probes.startup", "prefill.probes.startup", "decode.probes.startup", "encode.probes.startup"], "keys": {
  "failureThreshold": "it follows from the time that workers may take: write {at}.budgetSeconds"}},
{"at": ["frontend"], "keys": {
  {{- range $key := list "hostIPC" "hostNetwork" }}
  "{{ $key }}": "it is for the machine of the workers: write prefill.{key} and decode.{key}",
  {{- end }}
  "engineArgs": "the frontend's flags have another name: write frontend.args",
  "router": "the router is the whole release's: write global.router",
  "model": "all components serve one model: write global.model",
  "parallelism": "the frontend has no GPUs: write prefill.parallelism and decode.parallelism"}}
]
{{- end }}
