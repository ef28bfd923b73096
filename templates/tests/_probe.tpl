{{/*
dynamo-disagg.probe: one Job whose two pods measure a KV transfer with files/kv_probe, with a GPU each. Both are as a
decode worker's pod: its machine, devices, environment and privileges, without the engine and the model. Hooks run one
after another, so the two have to be one Job. Where the launcher gives the roles different process numbers, the probe's
two pods have different ones too.
in:  dict "root" root context "name" of the objects, as a component "hook" when it runs "deadline" seconds
*/}}
{{- define "dynamo-disagg.probe" -}}
{{- $root := .root }}{{ $decode := .root.Subcharts.decode }}
{{- $hardware := include "dynamo-disagg.worker.hardware" $decode | fromJson }}
{{- $rank := dict "class" "leader" "labels" dict "number" 0 "leaderAddress" "" "memberAddress" "%d" }}
{{- $worker := include "dynamo-disagg.worker.podTemplate" (dict "root" $decode "rank" $rank) | fromYaml }}
{{- $engine := first $worker.spec.containers }}
{{- $name := include "dynamo-disagg.name" (dict "root" $root "component" .name) }}
{{- $labels := include "dynamo-disagg.selectorLabels" (dict "root" $root "component" .name) | fromYaml }}
{{- $hook := dict "helm.sh/hook" .hook "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" }}
{{- $first := dict "root" $root "component" .name "annotations" (merge (dict "helm.sh/hook-weight" "5") $hook) }}
{{- $then := dict "root" $root "component" .name "annotations"
      (merge (dict "helm.sh/hook-weight" "10" "helm.sh/hook-output-log-policy" "hook-succeeded,hook-failed") $hook) }}
{{- /* Who it is, what the machine, the engine and the values say of UCX; not what belongs to Dynamo and the model. */}}
{{- $ownedEnv := omit (include "dynamo-disagg.worker.ownedEnv" $decode | fromJson) "POD_NAME" "POD_NAMESPACE" "POD_UID" "POD_IP" }}
{{- $ownedEnv = merge $ownedEnv (include "dynamo-disagg.model" $decode | fromJson).env }}
{{- $env := list (dict "name" "NODE_NAME" "valueFrom" (dict "fieldRef" (dict "fieldPath" "spec.nodeName"))) }}
{{- range $engine.env }}{{ if not (hasKey $ownedEnv .name) }}{{ $env = append $env . }}{{ end }}{{ end }}
{{- /* A GPU each; of the other devices what a worker's pod has. */}}
{{- $devices := ternary dict (dict $hardware.gpuResource 1) (eq "true" (include "dynamo-disagg.hardware.claimsGpus" $hardware)) }}
{{- range $device, $count := include "dynamo-disagg.probe.devices" $root | fromJson }}{{ $_ := set $devices $device (int64 $count) }}{{ end }}
{{- $given := include "dynamo-disagg.withoutNulls" $root.Values.test.probe.resources | fromJson }}
{{- $resources := dict "requests" (merge (dict) $devices ($given.requests | default dict)) "limits" (merge (dict) $devices ($given.limits | default dict)) }}
{{- with $engine.resources.claims }}{{ $_ := set $resources "claims" . }}{{ end }}
{{- $floor := include "dynamo-disagg.verify.floor" $root | fromYaml }}
{{- $moves := list }}
{{- range include (printf "dynamo-disagg.engine.%s.moves" $root.Values.global.engine.name) (dict "root" $root "decode" $decode) | fromYamlArray }}
{{- $moves = append $moves (quote .) }}
{{- end }}
{{- $volumes := list }}{{ $mounts := list }}
{{- range $worker.spec.volumes }}{{ if or (eq .name "dshm") (hasKey $hardware.hostPaths .name) }}{{ $volumes = append $volumes . }}{{ end }}{{ end }}
{{- range $engine.volumeMounts }}{{ if or (eq .name "dshm") (hasKey $hardware.hostPaths .name) }}{{ $mounts = append $mounts . }}{{ end }}{{ end }}
{{- $volumes = append $volumes (dict "name" "probe" "configMap" (dict "name" $name)) }}
{{- $mounts = append $mounts (dict "name" "probe" "mountPath" "/opt/kv_probe" "readOnly" true) }}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "dynamo-disagg.metadata" $first | nindent 2 }}
data:
  {{- range $path, $text := $root.Files.Glob "files/kv_probe/*.py" }}
  {{ base $path }}: |-
    {{- toString $text | trim | nindent 4 }}
  {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "dynamo-disagg.metadata" $first | nindent 2 }}
spec:
  clusterIP: None
  # The side that moves waits for the other by its name.
  publishNotReadyAddresses: true
  selector:
    {{- toYaml $labels | nindent 4 }}
  ports:
    - {name: probe, port: 18515, targetPort: probe}
---
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "dynamo-disagg.metadata" $then | nindent 2 }}
spec:
  completionMode: Indexed
  completions: 2
  parallelism: 2
  backoffLimit: 0
  activeDeadlineSeconds: {{ .deadline }}
  template:
    metadata:
      labels:
        {{- include "dynamo-disagg.labels" (dict "root" $root "component" .name) | nindent 8 }}
      {{- with $worker.metadata.annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- /* A platform may grant privileges by the account; the release's own is not there before an installation. */}}
      {{- $spec := $worker.spec }}
      {{- if and (ne .hook "test") $root.Values.global.serviceAccount.create }}{{ $spec = omit $spec "serviceAccountName" }}{{ end }}
      {{- omit $spec "containers" "initContainers" "volumes" "automountServiceAccountToken" "terminationGracePeriodSeconds"
            "affinity" "topologySpreadConstraints"
          | toYaml | nindent 6 }}
      restartPolicy: Never
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 5
      # With this and the name of the Job a pod has a name in DNS: <Job>-<index>.<Service>.
      subdomain: {{ $name }}
      affinity:
        {{- include "dynamo-disagg.probe.affinity" (dict "values" $decode.Values "labels" $labels) | nindent 8 }}
      containers:
        - name: probe
          {{- pick $engine "image" "imagePullPolicy" "securityContext" | toYaml | nindent 10 }}
          command: [python3, -m, kv_probe, pod, {{ $name }}-0.{{ $name }}.{{ $root.Release.Namespace }}.svc]
          workingDir: /opt
          args: [{{ join ", " $moves }}, --backend, {{ first $root.Values.global.kvTransfer.backends }}, --connector, {{ $root.Values.global.kvTransfer.connector }}, --memory, gpu, {{ if include "dynamo-disagg.sameNode.launches" $decode }}--apart, {{ end }}--min-gbps, {{ $floor.floor | quote }}, {{ if and $floor.floor (not $floor.floor_set) }}--no-tcp, {{ end }} --wait, {{ sub .deadline 20 | quote }}]
          env:
            {{- toYaml $env | nindent 12 }}
          ports:
            - {name: probe, containerPort: 18515}
          resources:
            {{- toYaml $resources | nindent 12 }}
          volumeMounts:
            {{- toYaml $mounts | nindent 12 }}
      volumes:
        {{- toYaml $volumes | nindent 8 }}
{{- end }}

{{/*
dynamo-disagg.probe.devices: what each of the two pods has of a machine's devices but GPUs: as much as a decode worker, and on one node at most
half of what that has. in: root context; out: JSON map, 0 where two are too many
*/}}
{{- define "dynamo-disagg.probe.devices" -}}
{{- $has := (include "dynamo-disagg.hardware" . | fromJson).extendedResources }}
{{- $together := eq .Values.global.colocation.topologyKey "kubernetes.io/hostname" }}
{{- $devices := dict }}
{{- range $device, $count := (include "dynamo-disagg.hardware" .Subcharts.decode | fromJson).extendedResources }}
{{- if and $together (hasKey $has $device) }}{{ $count = min (int $count) (div (int (get $has $device)) 2) }}{{ end }}
{{- $_ := set $devices $device $count }}
{{- end }}
{{- toJson $devices }}
{{- end }}

{{/*
dynamo-disagg.probe.affinity: the two pods are together or apart as the workers are: in one domain with
global.colocation, else on two nodes where there are two with a free GPU.
in:  dict "values" of the decode pool "labels" of the two pods; out: YAML map
*/}}
{{- define "dynamo-disagg.probe.affinity" -}}
{{- $affinity := pick .values.affinity "nodeAffinity" }}
{{- $others := dict "labelSelector" (dict "matchLabels" .labels) }}
{{- with .values.global.colocation.topologyKey }}
{{- $_ := set $affinity "podAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list (merge (dict "topologyKey" .) $others))) }}
{{- else }}
{{- $term := dict "weight" 100 "podAffinityTerm" (merge (dict "topologyKey" "kubernetes.io/hostname") $others) }}
{{- $_ := set $affinity "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list $term)) }}
{{- end }}
{{- toYaml $affinity }}
{{- end }}
