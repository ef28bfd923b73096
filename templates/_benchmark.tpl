{{/*
dynamo-disagg.benchmark.workloads: the loads that have a name. Those of the sources have their lengths at most; where the
source varies them by a fifth, they are fixed here, so that two arms do the same work.
*/}}
{{- define "dynamo-disagg.benchmark.workloads" -}}
sizing: {promptTokens: [8192], answerTokens: 200, concurrencies: [8, 16, 32], requests: 128}
a3u-guide: {promptTokens: [8192], answerTokens: 200, concurrencies: [2000], requests: 2000}
a3u-guide-even: {promptTokens: [1000], answerTokens: 1000, concurrencies: [1100], requests: 1100}
a4x-1p1d: {promptTokens: [8192], answerTokens: 1024, concurrencies: [512], requests: 2560}
a4x-10p8d: {promptTokens: [8192], answerTokens: 1024, concurrencies: [2048], requests: 10240}
{{- end }}

{{/* dynamo-disagg.benchmark.workload: the named one under what the values say. in: root context; out: JSON map */}}
{{- define "dynamo-disagg.benchmark.workload" -}}
{{- with .Values.benchmark.workload }}
{{- $named := get (include "dynamo-disagg.benchmark.workloads" $ | fromYaml) .name }}
{{- range $key := list "promptTokens" "answerTokens" "concurrencies" "requests" }}
{{- with get $.Values.benchmark.workload $key }}{{ $_ := set $named $key . }}{{ end }}
{{- end }}
{{- dict
      "name" .name
      "prompt_tokens" $named.promptTokens
      "answer_tokens" (int64 $named.answerTokens)
      "concurrencies" $named.concurrencies
      "requests" (int64 $named.requests)
      "shared_prefix_tokens" (int64 .sharedPrefixTokens) | toJson }}
{{- end }}
{{- end }}

{{/* dynamo-disagg.benchmark.asksHub: "true" where the Job fetches its tokenizer from the hub, else empty. in: root context */}}
{{- define "dynamo-disagg.benchmark.asksHub" -}}
{{- $own := .Values.benchmark.tokenizer }}
{{- $model := include "dynamo-disagg.model" . | fromJson }}
{{- if ternary (not (hasPrefix "/" $own)) (and $model.fetches (not $model.volume)) (ne $own "") }}true{{ end }}
{{- end }}

{{/*
dynamo-disagg.benchmark.authorities: the frontends' volumes with the certificates that the hub needs: no other is read by the Job,
which otherwise asks the frontends alone. Their names could be those of its own. in: root context; out: JSON map name -> volume
*/}}
{{- define "dynamo-disagg.benchmark.authorities" -}}
{{- $found := dict }}
{{- if include "dynamo-disagg.benchmark.asksHub" . }}
{{- range include "dynamo-disagg.env.authorities" .Values.global.env | fromJson }}
{{- range $path := . }}
{{- range $name, $volume := include "dynamo-disagg.volumes.holding" (dict "volumes" $.Subcharts.frontend.Values.volumes "path" $path) | fromJson }}
{{- $_ := set $found (printf "authorities-%s" (sha256sum $name | trunc 8)) $volume }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/* dynamo-disagg.benchmark.plan: what files/benchmark measures; its keys are in files/benchmark/plan.py. in: root context; out: JSON */}}
{{- define "dynamo-disagg.benchmark.plan" -}}
{{- $global := .Values.global }}{{ $limits := .Values.benchmark.limits }}
{{- $pools := dict }}
{{- range $role := include "dynamo-disagg.pools" . | fromJsonArray }}
{{- $pool := get $.Subcharts $role }}
{{- $_ := set $pools $role (dict "replicas" (int64 $pool.Values.replicas) "gpus" (include "dynamo-disagg.worker.gpus" $pool | int64)) }}
{{- end }}
{{- /* The Job waits for the model, but not until Kubernetes ends it without a word. */}}
{{- $frontends := printf "%s.%s.svc:%s" (include "dynamo-disagg.name" (dict "root" . "component" "benchmark")) .Release.Namespace (include "dynamo-disagg.port.http" .) }}
{{- dict
      "model" $global.model.name
      "url" (include "dynamo-disagg.frontendUrl" . | trim)
      "frontends" $frontends
      "tokenizer" (.Values.benchmark.tokenizer | default (include "dynamo-disagg.model" . | fromJson).path)
      "workload" (include "dynamo-disagg.benchmark.workload" . | fromJson)
      "ttft_ms" (mulf $limits.timeToFirstTokenSeconds 1000)
      "itl_ms" (mulf $limits.interTokenLatencySeconds 1000)
      "pools" $pools
      "engine" $global.engine.name
      "simulated" $global.simulation.enabled
      "wait_seconds" (min 300 (div .Values.benchmark.timeoutSeconds 2)) | toJson }}
{{- end }}
