{{/*
Weights in a PersistentVolumeClaim. One that the chart creates is empty at first: the pods wait for the marker that
whoever fills it leaves. Contract: _model.tpl
*/}}
{{- define "dynamo-disagg.model.pvc" -}}
{{- with .Values.global.model.source.pvc }}
{{- $path := include "dynamo-disagg.modelFolder" .path }}
{{- $claim := include "dynamo-disagg.claim" (dict "root" $ "values" . "where" "global.model.source.pvc") | fromYaml }}
path: {{ $path }}
volume: {persistentVolumeClaim: {claimName: {{ $claim.name | quote }}, readOnly: true}}
{{- with $claim.claim }}
claim: {{ toJson . }}
wait:
  marker: {{ $path }}/.complete
  expected: {}
  hint: {{ printf "Copy the model into claim %s, to %s, then create the file .complete in that folder." .name (trimPrefix "/models" $path | default "/") | quote }}
{{- end }}
needs: {{ toJson $claim.needs }}
{{- if not $claim.name }}
problems: ["global.model.source.pvc.claimName: weights of type pvc have no claimName: set it, or create.enabled=true"]
{{- end }}
{{- end }}
{{- end }}
