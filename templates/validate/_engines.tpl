{{/*
validate.engines: what the engine checks of each role, and what must fit between the two, or no KV cache gets across.
Its rules are in engines/.
*/}}
{{- define "validate.engines" -}}
{{- $engine := .Values.global.engine.name }}
{{- $checks := ternary "" (include (printf "validate.engine.%s.checks" $engine) .) (eq .Values.global.engine.version "unchecked") }}
{{- $ofWorkers := include "validate.worker.checks" . | fromYaml }}
{{- $roles := dict }}
{{- range $role := without (include "common.pools" . | fromJsonArray) "encode" }}
{{- with get $.Subcharts $role }}
{{- $facts := include "validate.facts" (dict "context" . "program" $engine "known" $.knownFlags) | fromJson }}
{{- $of := dict "context" . "parallelism" .Values.parallelism "facts" $facts }}
{{- $_ := set $roles $role $of }}
{{ include "validate.checks" (dict "facts" $facts "table" (include "validate.checks.of" (dict "facts" $facts "table" $checks) | fromYaml)) }}
{{ include "validate.checks" (dict "facts" $facts "table" $ofWorkers) }}
{{ include "validate.checks" (dict "facts" $facts "table" (include "validate.runtime.checks" . | fromYaml)) }}
{{ include "validate.hostMemory" (merge (dict "table" (include (printf "validate.engine.%s.hostMemory" $engine) . | fromYamlArray)) $of) }}
{{ include (printf "validate.engine.%s.role" $engine) $of }}
{{- end }}
{{- end }}
{{- if hasKey $roles "prefill" }}
{{ include "validate.alike" (dict "roles" $roles "table" (include (printf "validate.engine.%s.alike" $engine) . | fromYamlArray)) }}
{{ include (printf "validate.engine.%s.pair" $engine) $roles }}
{{ include "validate.lengths" $roles }}
{{- end }}
{{ include "validate.responsePlane" (dict "root" . "roles" $roles) }}
{{- if and .Values.global.multiNode.sshSecret (not (contains "global.multiNode.sshSecret" (include (printf "common.engine.%s.needs" $engine) (dict "root" .)))) }}
global.multiNode.sshSecret: {{ $engine }} starts the ranks of a worker without ssh: remove it
{{- end }}
{{- end }}
