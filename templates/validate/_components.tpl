{{/* dynamo-disagg.validate.labels: labels that the chart sets itself, and annotations that make an object one of Helm's hooks. */}}
{{- define "dynamo-disagg.validate.labels" -}}
{{- $labels := dict "global.labels" .Values.global.labels }}
{{- $annotations := dict "global.annotations" .Values.global.annotations }}
{{- range $component := concat (list "frontend" "etcd" "nats") (include "dynamo-disagg.roles" . | fromJsonArray) }}
{{- $values := get $.Values $component }}
{{- range list "labels" "podLabels" }}{{ $_ := set $labels (printf "%s.%s" $component .) (get $values .) }}{{ end }}
{{- range list "annotations" "podAnnotations" }}{{ $_ := set $annotations (printf "%s.%s" $component .) (get $values .) }}{{ end }}
{{- end }}
{{- range $where, $of := $labels }}
{{- range $label := keys ($of | default dict) | sortAlpha }}
{{- if regexMatch "^(app\\.kubernetes\\.io|helm\\.sh|dynamo-disagg)/" $label }}
{{ $where }}.{{ $label }}: the chart sets this label, and selects pods by it: remove it
{{- end }}
{{- end }}
{{- end }}
{{- range $where, $of := $annotations }}
{{- range $annotation := keys ($of | default dict) | sortAlpha }}
{{- if regexMatch "^((meta\\.)?helm\\.sh|dynamo-disagg)/|^argocd\\.argoproj\\.io/hook" $annotation }}
{{ $where }}.{{ $annotation }}: what the object is to Helm, Argo CD and the chart is not a choice: remove it
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.replicas: components that could not answer. */}}
{{- define "dynamo-disagg.validate.replicas" -}}
{{- range $component := include "dynamo-disagg.components" . | fromJsonArray }}
{{- if eq (int (get $.Values $component).replicas) 0 }}
{{ $component }}.replicas: without a pod of {{ $component }} no request is answered: write 1 or more{{ if eq $component "prefill" }}, or set global.serving=aggregated{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.frontend: flags, variables and updates of the frontend. */}}
{{- define "dynamo-disagg.validate.frontend" -}}
{{- $engine := .Values.global.engine }}
{{- with .Subcharts.frontend }}
{{- $owned := include "dynamo-disagg.frontend.owned" . | fromYaml }}
{{ include "dynamo-disagg.validate.flags" (dict
      "where" "frontend.args" "flags" .Values.args "raw" .Values.extraArgs "role" "frontend" "program" "frontend" "dynamo" (include "dynamo-disagg.dynamoVersion" .) "owned" $owned
      "other" $engine.name "otherIs" "the workers': move it to global.engine.args" "checked" (ne $engine.version "unchecked")) }}
{{ include "dynamo-disagg.validate.env" (dict "context" . "owned" (include "dynamo-disagg.frontend.ownedEnv" . | fromJson) "flags" $owned "prefixes" (list "DYN")) }}
{{- $facts := include "dynamo-disagg.validate.facts" (dict "context" . "program" "frontend") | fromJson }}
{{ include "dynamo-disagg.validate.listens" (dict "facts" $facts "given" (list "http-host" "env.DYN_HTTP_HOST") "who" "the frontend") }}
{{ include "dynamo-disagg.validate.checks" (dict "facts" $facts "table" (include "dynamo-disagg.validate.runtime.checks" . | fromYaml)) }}
{{- if and (ne $engine.version "unchecked") (or .Values.args .Values.extraArgs .Values.env) }}
{{ include "dynamo-disagg.validate.checks" (dict "facts" $facts "table" (include "dynamo-disagg.validate.frontend.checks" . | fromYaml)) }}
{{- $fields := list "policy" "eff_isl_threshold" "eff_isl_ratio_threshold" "prefill_busy_threshold" "decode_busy_threshold" }}
{{- range $fact := keys $facts.where | sortAlpha }}
{{- $field := trimPrefix "router-conditional-disagg-config." $fact }}
{{- if and (ne $field $fact) (not (has $field $fields)) }}
{{ get $facts.where $fact }}: Dynamo knows no {{ $field }} there: did you mean {{ include "dynamo-disagg.validate.nearest" (dict "word" $field "known" $fields) }}?
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.global.router.sessionAffinity }}
{{- if and (not .ttlSeconds) (ne .mode "hard") }}
global.router.sessionAffinity.mode: no session is remembered: set global.router.sessionAffinity.ttlSeconds, or remove it
{{- end }}
{{- end }}
{{ include "dynamo-disagg.validate.updates" (dict "context" . "rolling" .Values.rollingUpdate "byLws" "") }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.frontend.checks: what dynamo.frontend 1.6.1 checks of its flags (frontend/frontend_args.py:109-216). out: table of dynamo-disagg.validate.checks */}}
{{- define "dynamo-disagg.validate.frontend.checks" -}}
load-aware:
- {when: {router: not kv}, says: "Dynamo's frontend would make it a kv router: set global.router.mode=kv, or remove it"}
ais-perf-config:
- {when: {router-prefill-load-model: not ais}, says: "Dynamo takes it with router-prefill-load-model ais only: set that too, or remove this"}
router-prefill-load-model:
- {when: {it: ais, router: not kv}, says: "Dynamo models the load of a kv router: set global.router.mode=kv, or remove it"}
- {when: {it: ais, dyn-chat-processor: other than dynamo}, says: "Dynamo models it with dyn-chat-processor dynamo only: remove one of the two"}
- {when: {it: ais, router-track-prefill-tokens: false}, says: "Dynamo models the tokens that it tracks: remove router-track-prefill-tokens=false"}
serve-indexer:
- {when: {router: not kv}, says: "only a kv router has an index: set global.router.mode=kv, or remove it"}
- {when: {use-remote-indexer: true}, says: "Dynamo refuses it with use-remote-indexer: remove one of the two"}
router-conditional-disagg:
- {when: {router: not kv}, says: "Dynamo's kv router decides it: set global.router.mode=kv, or remove it"}
- {when: {router-kv-events: false}, says: "Dynamo decides it by KV events: remove router-kv-events=false"}
# common/configuration/groups/kv_router_args.py:120-290, frontend_args.py:183-205
router-conditional-disagg-config:
- {when: {it: a list}, says: "Dynamo takes a map: write {policy: isl_bounding, eff_isl_threshold: 10} or the like"}
- {when: {router-conditional-disagg: not true}, says: "Dynamo takes it with router-conditional-disagg only: set that too, or remove this"}
router-conditional-disagg-config.policy:
- {when: {it: not isl_bounding|prefill_load|isl_or_load}, says: "Dynamo has no policy {it}: choose isl_bounding, prefill_load or isl_or_load"}
- {when: {it: prefill_load|isl_or_load, router-conditional-disagg-config.prefill_busy_threshold: absent, router-queue-threshold: absent}, says: "Dynamo's {it} asks from when a worker is busy: set prefill_busy_threshold too"}
router-conditional-disagg-config.eff_isl_threshold, router-conditional-disagg-config.eff_isl_ratio_threshold, router-conditional-disagg-config.prefill_busy_threshold, router-conditional-disagg-config.decode_busy_threshold:
- {when: {it: no number}, says: "{it} is no number: write one"}
- {when: {it: below 0}, says: "{it} is out of range: write a number from 0"}
router-conditional-disagg-config.eff_isl_ratio_threshold:
- {when: {it: above 1}, says: "{it} is out of range: write a number from 0 and up to 1"}
{{- end }}

{{/*
dynamo-disagg.validate.listens: a server at one address. Probes and the Service ask the pod's, and its preStop hook asks 127.0.0.1.
in: dict "facts" dynamo-disagg.validate.facts "given" the facts that say where, the one that wins first "who" for the message
*/}}
{{- define "dynamo-disagg.validate.listens" -}}
{{- range $fact := .given }}
{{- with get $.facts.values $fact }}
{{- if not (regexMatch "^(0([.]0){3}|\\[?(::|0(:0){7})\\]?)$" .) }}
{{ get $.facts.where $fact }}: {{ $.who }} would listen at {{ . }} alone, where probes or the preStop hook do not ask: remove it, or write 0.0.0.0, or :: where pods have IPv6 addresses
{{- end }}
{{- break }}
{{- end }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.validate.workers: flags, variables, sizes and updates of each worker pool. */}}
{{- define "dynamo-disagg.validate.workers" -}}
{{- $engine := .Values.global.engine }}
{{- $pools := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- $owned := include (printf "dynamo-disagg.engine.%s.owned" $engine.name) . | fromYaml }}
{{- if .Values.encode.replicas }}{{ $owned = merge $owned (include (printf "dynamo-disagg.engine.%s.encoders" $engine.name) . | fromYaml) }}{{ end }}
{{- $prefixes := list "DYN" (include (printf "dynamo-disagg.engine.%s.variables" $engine.name) .) }}
{{- $program := dict
      "program" $engine.name "dynamo" .knownFlags.dynamo "known" .knownFlags
      "types" (include (printf "dynamo-disagg.validate.types.%s.%s" $engine.name .knownFlags.dynamo) . | fromJson)
      "owned" $owned "checked" (ne $engine.version "unchecked")
      "other" "frontend" "otherIs" "the frontend's: move it to frontend.args" }}
{{ include "dynamo-disagg.validate.flags" (merge (dict "where" "global.engine.args" "flags" $engine.args "raw" list "role" (first $pools)) $program) }}
{{- range $role := include "dynamo-disagg.roles" . | fromJsonArray }}
{{- with get $.Subcharts $role }}
{{- $context := . }}
{{- $flags := dict "where" (printf "%s.engineArgs" $role) "flags" .Values.engineArgs "raw" .Values.extraArgs "role" $role }}
{{ include "dynamo-disagg.validate.flags" (merge $flags $program) }}
{{- $ownedEnv := include "dynamo-disagg.worker.ownedEnv" . | fromJson }}
{{- $rank := dict "nodes" (include "dynamo-disagg.worker.nodes" .) "rank" (dict "class" "leader" "env" (dict "DYNAMO_GROUP" "")) }}
{{- range $name := include "dynamo-disagg.worker.rankEnv" $rank | fromJson | keys }}{{ $_ := set $ownedEnv $name "" }}{{ end }}
{{ include "dynamo-disagg.validate.env" (dict "context" . "owned" $ownedEnv "flags" $owned "prefixes" $prefixes) }}
{{- if has $role $pools }}
{{ include "dynamo-disagg.validate.size" . }}
{{- $facts := include "dynamo-disagg.validate.facts" (dict "context" . "program" $engine.name "known" $.knownFlags) | fromJson }}
{{ include "dynamo-disagg.validate.listens" (dict "facts" $facts "given" (list "env.DYN_SYSTEM_HOST") "who" "the workers") }}
{{- end }}
{{- $rolling := include "dynamo-disagg.worker.rollingUpdate" . | fromJson }}
{{- if eq (include "dynamo-disagg.worker.kind" .) "statefulset" }}
{{- range $key, $usual := dict "maxSurge" (list "" "0" "0%") "maxUnavailable" (list "" "1") }}
{{- $given := toString (get $context.Values.rollingUpdate $key) }}
{{- if not (has $given $usual) }}
{{ $role }}.rollingUpdate.{{ $key }}: StatefulSets replace one worker after another, and none is above their number, so {{ $given }} would be ignored: remove it, or set global.multiNode.controller=lws
{{- end }}
{{- end }}
{{- end }}
{{ include "dynamo-disagg.validate.updates" (dict "context" . "rolling" $rolling "byLws" (include "dynamo-disagg.worker.runByLws" .)) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.updates: rolling updates that would never go on.
in: dict "context" <component context> "rolling" {maxSurge, maxUnavailable} "byLws" dynamo-disagg.worker.runByLws
*/}}
{{- define "dynamo-disagg.validate.updates" -}}
{{- $component := .context.Chart.Name }}
{{- $replicas := int .context.Values.replicas }}
{{- if has (toString .rolling.maxSurge) (list "0" "0%") }}
{{- $away := toString .rolling.maxUnavailable }}
{{- if has $away (list "0" "0%") }}
{{ $component }}.rollingUpdate: with maxSurge 0 and maxUnavailable 0 no pod could ever be replaced: raise one of them
{{- else if and .byLws (include "dynamo-disagg.isSet" .context) (regexMatch "^[0-9]{1,2}%$" $away) }}
{{ $component }}.rollingUpdate.maxUnavailable: new workers of a DisaggregatedSet come one by one, {{ $away }} of the first is none, and LeaderWorkerSet refuses that with maxSurge 0: write a number
{{- else if and .byLws (hasSuffix "%" $away) (lt (mul (trimSuffix "%" $away | int) $replicas) 100) }}
{{ $component }}.rollingUpdate.maxUnavailable: {{ $away }} of {{ $replicas }} is less than one worker, and LeaderWorkerSet refuses that with maxSurge 0: write 1
{{- end }}
{{- end }}
{{- end }}

{{/*
dynamo-disagg.validate.env: variables the chart derives, and router settings that would reach a worker's model card.
in:  dict "context" <component context> "owned" variables that the chart sets, "flags" flags that it sets -> the value to
     set instead, "prefixes" of the variables that stand for flags
*/}}
{{- define "dynamo-disagg.validate.env" -}}
{{- $component := .context.Chart.Name }}
{{- $owned := .owned }}
{{- range $where, $env := dict (printf "%s.env" $component) .context.Values.env "global.env" .context.Values.global.env }}
{{- range $name := keys $env | sortAlpha }}
{{- if hasKey $owned $name }}
{{ $where }}.{{ $name }}: the chart sets this variable: remove it
{{- else if and (hasPrefix "DYN_ROUTER_" $name) (or (eq $where "global.env") (ne $component "frontend")) }}
{{ $where }}.{{ $name }}: a worker advertises router settings and they override the frontend's: move it to frontend.env
{{- else }}
{{- /* Dynamo reads a flag's variable too. */}}
{{- range $prefix := $.prefixes }}
{{- $flag := trimPrefix (printf "%s_" $prefix) $name | replace "_" "-" }}
{{- with ternary (get $.flags (lower $flag)) "" (and (hasPrefix (printf "%s_" $prefix) $name) (eq $flag (upper $flag))) }}
{{ $where }}.{{ $name }}: it stands for --{{ lower $flag }}, which the chart sets: {{ include "dynamo-disagg.validate.flags.owner" (dict "owner" . "role" $component) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
