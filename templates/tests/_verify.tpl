{{/*
dynamo-disagg.verify.promise: over what the values promise that the KV cache moves, for people; nothing where that is
TCP. Simulation drops the fabric, and so the promise.
in:  root context
*/}}
{{- define "dynamo-disagg.verify.promise" -}}
{{- $paths := dict
      "rdma" "RDMA (global.rdma)"
      "nvlink" (printf "NVLink (a ComputeDomain of %s)" .Values.global.hardware) }}
{{- get $paths (include "dynamo-disagg.kvPath" . | trim) }}
{{- end }}

{{/*
dynamo-disagg.verify.floor: the slowest KV transfer that the test accepts.
in:  root context; out: YAML map {floor: GB/s, floor_set: bool, floor_reason: text}
*/}}
{{- define "dynamo-disagg.verify.floor" -}}
{{- $floor := .Values.test.transport.minGBps }}
{{- $promise := include "dynamo-disagg.verify.promise" . | trim }}
{{- if ne (toString $floor) "auto" }}
floor: {{ $floor }}
floor_set: true
floor_reason: test.transport.minGBps
{{- else if $promise }}
floor: 1
floor_set: false
floor_reason: {{ printf "test.transport.minGBps is auto, and the values promise %s" $promise | quote }}
{{- else }}
floor: 0
floor_set: false
floor_reason: test.transport.minGBps is auto, and the values promise no RDMA and no ComputeDomain
{{- end }}
{{- end }}

{{/*
dynamo-disagg.verify.plan: what files/verify is to prove, as JSON; its keys are in files/verify/plan.py.
in:  dict "root" root context "promptTokens" "requests" "waitSeconds"
*/}}
{{- define "dynamo-disagg.verify.plan" -}}
{{- $global := .root.Values.global }}
{{- $pools := dict }}
{{- range $role := ternary (list "prefill" "decode") (list "decode") (eq $global.serving "disaggregated") }}
{{- $_ := set $pools $role (include "dynamo-disagg.name" (dict "root" $.root "component" $role)) }}
{{- end }}
{{- merge (include "dynamo-disagg.verify.floor" .root | fromYaml) (dict
      "release" (include "dynamo-disagg.fullname" .root)
      "namespace" .root.Release.Namespace
      "model" $global.model.name
      "engine" $global.engine.name
      "connector" $global.kvTransfer.connector
      "simulated" $global.simulation.enabled
      "url" (include "dynamo-disagg.frontendUrl" .root)
      "pools" $pools
      "block_size" (int64 $global.kvCache.blockSize)
      "prompt_tokens" (int64 .promptTokens)
      "answer_tokens" (int64 .root.Values.test.answerTokens)
      "requests" (int64 .requests)
      "require_code_word" .root.Values.test.requireCodeWord
      "wait_seconds" .waitSeconds) | toJson }}
{{- end }}

{{/*
dynamo-disagg.verify.podSpec: a pod that runs files/verify. It runs where the frontends run and needs no GPU.
in:  dict "root" root context "plan" key of the ConfigMap
*/}}
{{- define "dynamo-disagg.verify.podSpec" -}}
{{- $root := .root }}
{{- $image := include "dynamo-disagg.runtimeImage" $root | fromJson }}
{{- $frontend := $root.Subcharts.frontend }}
{{- with include "dynamo-disagg.imagePullSecrets" $root | trim }}{{ . }}{{ end }}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 5
securityContext: {{ include "dynamo-disagg.podSecurityContext" (dict "root" $root) }}
{{- with include "dynamo-disagg.model.placement" (dict "root" $frontend "model" dict "values" $frontend.Values "apart" true) | trim }}
{{ . }}
{{- end }}
containers:
  - name: verify
    image: {{ include "dynamo-disagg.image" (dict "root" $root "image" $image) }}
    imagePullPolicy: {{ $image.pullPolicy }}
    command: [python3, -m, verify, verify/{{ .plan }}]
    workingDir: /opt
    # The verdict, for whoever looks at the pod and not at its log.
    terminationMessagePolicy: FallbackToLogsOnError
    resources: {{ include "dynamo-disagg.withoutNulls" $root.Values.test.resources }}
    securityContext: {{ include "dynamo-disagg.securityContext" (dict "root" $root) }}
    volumeMounts:
      - {name: verify, mountPath: /opt/verify, readOnly: true}
volumes:
  - name: verify
    configMap: {name: {{ include "dynamo-disagg.name" (dict "root" $root "component" "verify") }}}
{{- end }}
