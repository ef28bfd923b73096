{{/*
dynamo-disagg.image: one image reference.
in:  dict "root" $ "image" {registry, repository, tag, digest}; global.imageRegistry replaces the registry
out: registry/repository:tag, or registry/repository@digest when a digest is given
*/}}
{{- define "dynamo-disagg.image" -}}
{{- $registry := .root.Values.global.imageRegistry | default .image.registry }}
{{- with $registry }}{{ . }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag }}{{ end }}
{{- end }}

{{/*
dynamo-disagg.mergedImage: an image in which empty fields are filled from a fallback. A digest belongs to one
repository, so a given repository or tag never inherits a digest.
in:  dict "image" {...} "fallback" {...}
out: JSON map
*/}}
{{- define "dynamo-disagg.mergedImage" -}}
{{- $image := dict "digest" .image.digest }}
{{- if not (or .image.repository .image.tag .image.digest) }}{{ $_ := set $image "digest" .fallback.digest }}{{ end }}
{{- range $field := list "registry" "repository" "tag" "pullPolicy" }}
{{- $_ := set $image $field (get $.image $field | default (get $.fallback $field)) }}
{{- end }}
{{- toJson $image }}
{{- end }}

{{- define "dynamo-disagg.imagePullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ quote . }}
  {{- end }}
{{- end }}
{{- end }}
