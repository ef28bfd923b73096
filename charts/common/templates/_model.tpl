{{/*
common.model: where the weights come from, as the pods see it. Each source is one file in models/ with one define,
"common.model.<type>". What it returns, all but path optional:
  path         what the engine's --model gets
  volume       volume source with the weights, mounted read-only at /models in all pods: nothing is downloaded
  volumes, mounts, env   maps by name, where pods download for themselves
  annotations  of the pods
  claim        claim that the chart creates: {name, where, and the values of `create`}
  wait         what the pods wait for before they start: {marker: file, expected: {} of its content, hint: text}
  download     what the Job needs that fills the volume: {folder, identity, env, and the values of `download`}
  needs        list of objects that must exist: {kind, name, key, value (where it is set)}
  problems     list of lines for common.validate
in:  component or root context
out: YAML map, with empty maps for missing ones, and oneNode where all pods with the volume must share one node
*/}}
{{- define "common.model" -}}
{{- $model := include (printf "common.model.%s" (include "common.worker.modelSource" .)) . | fromYaml }}
{{- $model = merge $model (dict "volumes" dict "mounts" dict "env" dict "annotations" dict "needs" list) }}
{{- with $model.volume }}
{{- $_ := set $model "volumes" (dict "model" .) }}
{{- $_ := set $model "mounts" (dict "model" (dict "mountPath" "/models" "readOnly" true)) }}
{{- $_ := set $model "env" (dict "HF_HUB_OFFLINE" "1" "TRANSFORMERS_OFFLINE" "1") }}
{{- end }}
{{- if $model.wait }}
{{- $_ := set $model.volumes "model-scripts" (dict "configMap" (dict "name" (include "common.name" (dict "root" . "component" "model")))) }}
{{- end }}
{{- if and $model.volume $model.claim }}{{ $_ := set $model "oneNode" (ne (first $model.claim.accessModes) "ReadWriteMany") }}{{ end }}
{{- toYaml $model }}
{{- end }}

{{/* common.model.folder: the path of a folder of the mounted volume. in: relative path, or nothing */}}
{{- define "common.model.folder" -}}
/models{{ with . }}/{{ trimAll "/" . }}{{ end }}
{{- end }}

{{/*
common.claim: an existing claim, or one that the chart creates.
in:  dict "root" <context> "values" {claimName, create} "where" their path; out: YAML map {name, needs, [claim]}
*/}}
{{- define "common.claim" -}}
{{- if .values.create.enabled }}
{{- $name := .values.claimName | default (include "common.name" (dict "root" .root "component" "model")) }}
name: {{ $name | quote }}
needs: []
claim: {{ set (set (omit .values.create "enabled") "name" $name) "where" .where | toJson }}
{{- else }}
name: {{ .values.claimName | quote }}
needs:
  {{- if .values.claimName }}
  - {kind: PersistentVolumeClaim, name: {{ .values.claimName | quote }}, value: {{ .where }}.claimName}
  {{- end }}
{{- end }}
{{- end }}

{{/*
common.model.initContainers: the pods wait, in place of failing or loading half a model.
in:  dict "root" <component context> "model" common.model "image" {}
*/}}
{{- define "common.model.initContainers" -}}
{{- with .model.wait }}
initContainers:
  - name: wait-for-model
    image: {{ include "common.image" $ }}
    imagePullPolicy: {{ $.image.pullPolicy }}
    command: [python3, /opt/model-scripts/wait.py]
    env:
      - {name: MODEL_MARKER, value: {{ .marker | quote }}}
      - {name: MODEL_EXPECTED, value: {{ .expected | toJson | quote }}}
      - {name: MODEL_HINT, value: {{ .hint | quote }}}
    resources:
      requests: {cpu: 10m, memory: 64Mi}
      limits: {memory: 256Mi}
    securityContext:
      {{- include "common.securityContext" (dict "overrides" dict) | nindent 6 }}
    volumeMounts:
      {{- include "common.volumeMounts" (list $.model.mounts (dict "model-scripts" (dict "mountPath" "/opt/model-scripts" "readOnly" true))) | trim | nindent 6 }}
{{- end }}
{{- end }}

{{/*
common.model.placement: as common.pod.placement, for pods that are no workers but have their image. It is that of the
machine's architecture, but the machines themselves are for those who need GPUs, where there are others. A claim for one
node takes them to the workers, whom the GPUs lead.
in:  dict "root" <component context> "model" common.model "values" {nodeSelector, tolerations, ...}
*/}}
{{- define "common.model.placement" -}}
{{- $machine := include "common.hardware" .root | fromYaml }}
{{- $hardware := pick $machine "arch" }}{{ $affinity := .values.affinity | default dict }}
{{- with get .values.nodeSelector "kubernetes.io/arch" }}{{ $_ := set $hardware "arch" . }}{{ end }}
{{- if .model.oneNode }}
{{- $_ := set $hardware "tolerations" $machine.tolerations }}
{{- $affinity = include "common.company" (dict "root" .root "affinity" $affinity "topologyKey" "kubernetes.io/hostname") | fromYaml }}
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
{{- include "common.pod.placement" (dict "root" (dict "Values" .values) "of" .root "hardware" $hardware "affinity" $affinity) }}
{{- end }}
