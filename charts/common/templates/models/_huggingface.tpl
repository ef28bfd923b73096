{{/*
Weights from the Hugging Face hub. With a download Job they are in the claim before any pod loads them; without, each
pod downloads for itself. Contract: _model.tpl
*/}}
{{- define "dynamo-disagg.model.huggingface" -}}
{{- $source := .Values.global.model.source.huggingface }}
{{- $where := "global.model.source.huggingface" }}
{{- $download := $source.download }}
{{- $repository := $source.repository | default .Values.global.model.name }}
{{- $claim := include "dynamo-disagg.claim" (dict "root" . "values" $source.cache "where" (printf "%s.cache" $where)) | fromYaml }}
{{- $token := dict }}
{{- with $source.tokenSecret }}
{{- if .name }}{{ $_ := set $token "HF_TOKEN" (dict "secretKeyRef" (dict "name" .name "key" .key)) }}{{ end }}
{{- end }}
{{- if $download.enabled }}
{{- $identity := dict
      "repository" $repository "revision" $download.revision
      "allowPatterns" $download.allowPatterns "ignorePatterns" $download.ignorePatterns }}
{{- /* Each choice has a folder of its own, so that an upgrade never changes files that running pods read. */}}
{{- $folder := printf "/models/%s-%s" ($repository | replace "/" "--") (toJson $identity | sha256sum | trunc 8) }}
{{- $labels := printf "app.kubernetes.io/instance=%s,app.kubernetes.io/component=model" (include "dynamo-disagg.fullname" .) }}
path: {{ $folder }}
volume: {persistentVolumeClaim: {claimName: {{ $claim.name | quote }}}}
wait:
  marker: {{ $folder }}/.complete
  expected: {{ pick $identity "repository" "revision" | toJson }}
  hint: "A Job downloads it; its log: kubectl -n {{ .Release.Namespace }} logs -f --tail=-1 -l {{ $labels }}"
{{- $job := omit $download "enabled" "revision" "allowPatterns" "ignorePatterns" }}
download: {{ set (set (set $job "folder" $folder) "identity" $identity) "env" $token | toJson }}
{{- else }}
path: {{ $repository | quote }}
fetches: true
volumes:
  model-cache:
    {{- /* The frontend reads the tokenizer only, and need not run where a ReadWriteOnce claim is. */}}
    {{- if and $claim.name (ne .Chart.Name "frontend") }}
    persistentVolumeClaim: {claimName: {{ $claim.name | quote }}}
    {{- else }}
    emptyDir: {{ with $source.cache.sizeLimit }}{sizeLimit: {{ . }}}{{ else }}{}{{ end }}
    {{- end }}
mounts: {model-cache: {mountPath: /model-cache}}
env: {{ merge (dict "HF_HOME" "/model-cache") $token | toJson }}
{{- end }}
{{- with $claim.claim }}
claim: {{ toJson . }}
{{- end }}
needs:
  {{- with $claim.needs }}{{ toYaml . | nindent 2 }}{{ end }}
  {{- if $token }}
  - {kind: Secret, name: {{ $source.tokenSecret.name | quote }}, key: {{ $source.tokenSecret.key | quote }}, value: {{ $where }}.tokenSecret}
  {{- end }}
problems:
  {{- /* The rules of huggingface_hub's validate_repo_id. */}}
  {{- $isPath := gt (len (splitList "/" $repository)) 2 }}
  {{- $isWrong := or $isPath (regexMatch "--|:|[.][.]|/$|[.]git$|[-.](/|$)|/[-.]" $repository) }}
  {{- if and $isWrong (not (contains "://" $repository)) (not .Values.global.simulation.enabled) }}
  - "{{ ternary (printf "%s.repository" $where) "global.model.name" (ne $source.repository "") }}: the hub cannot have a repository {{ $repository }}: write owner/name{{ if not $source.repository }}, or name the repository in {{ $where }}.repository{{ end }}"
  {{- end }}
  {{- if and $download.enabled (not $claim.name) }}
  - "{{ $where }}.download.enabled: the download has no claim to fill: set {{ $where }}.cache.claimName, or cache.create.enabled=true"
  {{- end }}
  {{- if and (not $download.enabled) (ne $download.revision "main") }}
  - "{{ $where }}.download.revision: pods that download for themselves take main: set {{ $where }}.download.enabled=true, or revision=main"
  {{- end }}
  {{- if and (not $token) (ne $source.tokenSecret.key "HF_TOKEN") }}
  - "{{ $where }}.tokenSecret.key: the key of no Secret: set {{ $where }}.tokenSecret.name"
  {{- end }}
{{- end }}
