{{/*
dynamo-disagg.validate.engines: what the engine checks of each role, and what must fit between the two, or no KV cache gets across.
Its rules are in engines/.
*/}}
{{- define "dynamo-disagg.validate.engines" -}}
{{- $engine := .Values.global.engine.name }}
{{- $checks := ternary "" (include (printf "dynamo-disagg.validate.engine.%s.checks" $engine) .) (eq .Values.global.engine.version "unchecked") }}
{{- $ofWorkers := include "dynamo-disagg.validate.worker.checks" . | fromYaml }}
{{- $roles := dict }}
{{- range $role := without (include "dynamo-disagg.pools" . | fromJsonArray) "encode" }}
{{- with get $.Subcharts $role }}
{{- $facts := include "dynamo-disagg.validate.facts" (dict "context" . "program" $engine "known" $.knownFlags) | fromJson }}
{{- $of := dict "context" . "parallelism" .Values.parallelism "facts" $facts }}
{{- $_ := set $roles $role $of }}
{{ include "dynamo-disagg.validate.checks" (dict "facts" $facts "table" (include "dynamo-disagg.validate.checks.of" (dict "facts" $facts "table" $checks) | fromYaml)) }}
{{ include "dynamo-disagg.validate.checks" (dict "facts" $facts "table" $ofWorkers) }}
{{ include "dynamo-disagg.validate.checks" (dict "facts" $facts "table" (include "dynamo-disagg.validate.runtime.checks" . | fromYaml)) }}
{{ include "dynamo-disagg.validate.hostMemory" (merge (dict "table" (include (printf "dynamo-disagg.validate.engine.%s.hostMemory" $engine) . | fromYamlArray)) $of) }}
{{ include (printf "dynamo-disagg.validate.engine.%s.role" $engine) $of }}
{{- end }}
{{- end }}
{{- if hasKey $roles "prefill" }}
{{ include "dynamo-disagg.validate.alike" (dict "roles" $roles "table" (include (printf "dynamo-disagg.validate.engine.%s.alike" $engine) . | fromYamlArray)) }}
{{ include (printf "dynamo-disagg.validate.engine.%s.pair" $engine) $roles }}
{{ include "dynamo-disagg.validate.lengths" $roles }}
{{- end }}
{{ include "dynamo-disagg.validate.responsePlane" (dict "root" . "roles" $roles) }}
{{- if and .Values.global.multiNode.sshSecret (not (contains "global.multiNode.sshSecret" (include (printf "dynamo-disagg.engine.%s.needs" $engine) (dict "root" .)))) }}
global.multiNode.sshSecret: {{ $engine }} starts the ranks of a worker without ssh: remove it
{{- end }}
{{- end }}
