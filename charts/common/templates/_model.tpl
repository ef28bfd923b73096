{{/*
dynamo-disagg.model: where the weights come from, as the pods see it. Each source is one file in models/ with one define,
"dynamo-disagg.model.<type>". What it returns, all but path optional:
  path         what the engine's --model gets
  volume       volume source with the weights, mounted read-only at /models in all pods: nothing is downloaded
  weights      which weights those are, where not all of the volume says so
  volumes, mounts, env   maps by name, where pods download for themselves
  annotations  of the pods
  claim        claim that the chart creates: {name, where, and the values of `create`}
  wait         what the pods wait for before they start: {marker: file, expected: {} of its content, hint: text}
  download     what the Job needs that fills the volume: {folder, identity, env, and the values of `download`}
  fetches      true where the pods themselves get it over the network; servers, a list of {cidr, port} that they ask beside
  needs        list of objects that must exist: {kind, name, key, value (where it is set)}
  problems     list of lines for templates/validate
in:  component or root context, which keeps it
out: JSON map, with empty maps for missing ones, and oneNode where all pods with the volume must share one node
*/}}
{{- define "dynamo-disagg.model" -}}
{{- if not (hasKey . "model") }}
{{- $model := include (printf "dynamo-disagg.model.%s" (include "dynamo-disagg.modelSource" .)) . | fromYaml }}
{{- $model = merge $model (dict "volumes" dict "mounts" dict "env" dict "annotations" dict "needs" list) }}
{{- with $model.volume }}
{{- $_ := set $model "volumes" (dict "model" .) }}
{{- $_ := set $model "mounts" (dict "model" (dict "mountPath" "/models" "readOnly" true)) }}
{{- $_ := set $model "env" (dict "HF_HUB_OFFLINE" "1" "TRANSFORMERS_OFFLINE" "1") }}
{{- end }}
{{- if $model.wait }}
{{- $_ := set $model.volumes "model-scripts" (dict "configMap" (dict "name" (include "dynamo-disagg.name" (dict "root" . "component" "model")))) }}
{{- end }}
{{- if and $model.volume $model.claim }}{{ $_ := set $model "oneNode" (ne (first $model.claim.accessModes) "ReadWriteMany") }}{{ end }}
{{- $_ := set . "model" (toJson $model) }}
{{- end }}
{{- .model }}
{{- end }}

{{/*
dynamo-disagg.model.wait: the container with which pods wait until the model is complete, so that none fails or loads half of it;
a YAML list, or nothing.
in:  dict "root" <component context> "model" dynamo-disagg.model "image" {} "resources" of the pod's own container
*/}}
{{- define "dynamo-disagg.model.wait" -}}
{{- with .model.wait }}
- name: wait-for-model
  image: {{ include "dynamo-disagg.image" $ }}
  imagePullPolicy: {{ $.image.pullPolicy }}
  command: [python3, /opt/model-scripts/wait.py]
  env:
    - {name: MODEL_MARKER, value: {{ .marker | quote }}}
    - {name: MODEL_EXPECTED, value: {{ .expected | toJson | quote }}}
    - {name: MODEL_HINT, value: {{ .hint | quote }}}
  {{- /*
  As much as the pod's own container has, so that quotas, LimitRanges and policies which admit that one admit this one, too.
  It costs nothing: an init container ends before, and of the two the larger counts, not the sum. A GPU does not help to wait.
  */}}
  {{- $resources := dict }}
  {{- range $kind, $amounts := $.resources }}
  {{- if has $kind (list "requests" "limits") }}{{ $_ := set $resources $kind (pick $amounts "cpu" "memory" "ephemeral-storage") }}{{ end }}
  {{- end }}
  resources: {{ toJson $resources }}
  securityContext: {{ include "dynamo-disagg.securityContext" (dict "root" $.root) }}
  volumeMounts:
    {{- $scripts := dict "model-scripts" (dict "mountPath" "/opt/model-scripts" "readOnly" true) }}
    {{- include "dynamo-disagg.volumeMounts" (list $.model.mounts $scripts) | trim | nindent 4 }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.model.placement: placement of pods that use the worker image but no GPU (frontend, Jobs, test): same CPU
architecture, preferably not on GPU nodes. If the model claim fits one node only, they run with the workers.
in:  dict "root" <component context> "model" dynamo-disagg.model "values" {nodeSelector, tolerations, ...} ["apart" true: of another
component, whose rules about its own pods (away from each other, spread) are none for this one]
*/}}
{{- define "dynamo-disagg.model.placement" -}}
{{- $machine := include "dynamo-disagg.hardware" .root | fromJson }}
{{- $hardware := pick $machine "arch" }}{{ $affinity := .values.affinity | default dict }}{{ $values := .values }}
{{- if .apart }}
{{- $affinity = pick $affinity "nodeAffinity" }}{{ $values = omit $values "affinity" "topologySpreadConstraints" }}
{{- end }}
{{- with get .values.nodeSelector "kubernetes.io/arch" }}{{ $_ := set $hardware "arch" . }}{{ end }}
{{- if .model.oneNode }}
{{- $_ := set $hardware "tolerations" $machine.tolerations }}
{{- $affinity = include "dynamo-disagg.colocation" (dict "root" .root "affinity" $affinity "topologyKey" "kubernetes.io/hostname") | fromJson }}
{{- else }}
{{- $ofArch := list }}
{{- range $machine.tolerations }}{{ if eq (.key | default "") "kubernetes.io/arch" }}{{ $ofArch = append $ofArch . }}{{ end }}{{ end }}
{{- $_ := set $hardware "tolerations" $ofArch }}
{{- $elsewhere := list }}
{{- range $label, $value := $machine.nodeSelector }}{{ $elsewhere = append $elsewhere (dict "key" $label "operator" "NotIn" "values" (list $value)) }}{{ end }}
{{- if and $elsewhere (not $affinity.nodeAffinity) }}
{{- $preferred := list (dict "weight" 100 "preference" (dict "matchExpressions" $elsewhere)) }}
{{- $affinity = merge (dict "nodeAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" $preferred)) $affinity }}
{{- end }}
{{- end }}
{{- include "dynamo-disagg.pod.placement" (dict "context" .root "values" $values "hardware" $hardware "affinity" $affinity) }}
{{- end }}

{{/* dynamo-disagg.modelSource: the type of the model's source. */}}
{{- define "dynamo-disagg.modelSource" -}}
{{ if .Values.global.simulation.enabled }}simulated{{ else }}{{ .Values.global.model.source.type }}{{ end }}
{{- end }}
