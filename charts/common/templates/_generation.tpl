{{/*
Generations. Workers that differ in what makes KV caches, or the model's card in discovery, must not meet: decode would
read what prefill of another version wrote, and the frontend refuses a second card in one namespace. So workers have a
namespace of their own, the release's and eight hex digits of all that both roles' workers are (as Dynamo's operator does), and
the frontends serve all namespaces of the release (--namespace-prefix, strict). docs/adr/0006-generations-of-workers.md
*/}}

{{/*
dynamo-disagg.worker.identity: what of a pool counts, as text: the real engine's command line and configuration, also in simulation,
without the flags that change neither cache nor card (.tuning of the engine); the variables of the engine, those that stand for
Dynamo's flags, and those that choose how caches travel; the image, the nodes, by whose GPUs engines choose the cache's layout,
and the model, with the volume that it is read from; and how workers are found and asked. in: component context
*/}}
{{- define "dynamo-disagg.worker.identity" -}}
{{- $engine := .Values.global.engine.name }}
{{- $tuning := include (printf "dynamo-disagg.engine.%s.tuning" $engine) . | fromYaml }}
{{- $context := include "dynamo-disagg.worker.context" . | fromJson | merge (dict "root" . "rank" (dict "class" "leader" "memberAddress" "")) }}
{{- $arguments := list }}{{ $counts := true }}
{{- range include (printf "dynamo-disagg.engine.%s.args" $engine) $context | fromYamlArray }}
{{- $word := toString . }}
{{- if hasPrefix "--" $word }}{{ $counts = not (has (trimPrefix "--" $word) $tuning.flags) }}{{ end }}
{{- if $counts }}{{ $arguments = append $arguments $word }}{{ end }}
{{- end }}
{{- $config := dict }}
{{- $text := include "dynamo-disagg.worker.config" . }}
{{- if ne $engine (include "dynamo-disagg.engineName" .) }}{{ $text = include (printf "dynamo-disagg.engine.%s.config" $engine) $context }}{{ end }}
{{- range $key, $value := fromYaml $text }}
{{- $name := replace "_" "-" $key }}
{{- if kindIs "map" $value }}
{{- range $inner := keys $value }}
{{- if has (printf "%s.%s" $name (replace "_" "-" $inner)) $tuning.flags }}{{ $value = omit $value $inner }}{{ end }}
{{- end }}
{{- end }}
{{- if not (has $name $tuning.flags) }}{{ $_ := set $config $key $value }}{{ end }}
{{- end }}
{{- $variables := dict }}
{{- $counted := printf "%s|^(DYN|MC|MOONCAKE)_|^UCX_TLS$" $tuning.variables }}
{{- $uncounted := "^DYN_(LOG|LOGGING|HTTP|RUNTIME|SYSTEM|HEALTH|CANARY|TCP|KVBM|SKIP)(_|$)" }}
{{- $hardware := include "dynamo-disagg.hardware" . | fromJson }}
{{- $ofEngine := include (printf "dynamo-disagg.engine.%s.env" $engine) $context | fromYaml }}
{{- range $name, $value := include "dynamo-disagg.overlay" (list $hardware.env $ofEngine .Values.global.env .Values.env) | fromJson }}
{{- if and (regexMatch $counted $name) (not (regexMatch $uncounted $name)) }}{{ $_ := set $variables $name $value }}{{ end }}
{{- end }}
{{- $image := include "dynamo-disagg.runtimeImage" . | fromJson }}
{{- $model := include "dynamo-disagg.model" . | fromJson }}
{{- /* What a Job downloads is known by its repository and revision, on whatever claim; an image of weights is the same in a mirror. */}}
{{- $volume := ternary dict ($model.weights | default $model.volume) (hasKey $model "download") }}
{{- dict "role" .Chart.Name "arguments" $arguments "raw" .Values.extraArgs "config" $config "variables" $variables
         "image" (printf "%s@%s" $image.repository ($image.digest | default $image.tag))
         "found" (prepend .Values.global.discovery.etcdEndpoints .Values.global.discovery.backend | join " ")
         "asked" (list .Values.global.requestPlane .Values.global.natsUrl | join " " | trim)
         "nodes" $hardware.nodeSelector
         "model" (dict "path" $model.path "content" ($model.wait | default dict).expected "volume" $volume) | toJson }}
{{- end }}

{{/*
dynamo-disagg.worker.placed: seconds until a pod of the pool runs, from the moment that it is created: where an update ends a worker before
it starts one, the old one's GPUs are free when it has stopped. in: component context
*/}}
{{- define "dynamo-disagg.worker.placed" -}}
{{- $model := include "dynamo-disagg.model" . | fromJson }}
{{- $leaves := ternary 0 (int64 .Values.terminationGracePeriodSeconds) (eq (include "dynamo-disagg.worker.surges" .) "true") }}
{{- add (include "dynamo-disagg.progressDeadline" (dict "root" . "model" $model)) $leaves }}
{{- end }}

{{/* dynamo-disagg.worker.untilHealthy: and until the worker is healthy. in: component context */}}
{{- define "dynamo-disagg.worker.untilHealthy" -}}
{{- add (include "dynamo-disagg.worker.placed" .) (include "dynamo-disagg.startupBudget" .) }}
{{- end }}
