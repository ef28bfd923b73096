{{/*
dynamo-disagg.workload.disaggregatedset: all pools of a release as one object, of which the controller makes a LeaderWorkerSet for
each role and each revision of any role's pods. It names them, so that the leader learns the name of its group from a label.
in:  dict "root" <root context> "pools" the roles
*/}}
{{- define "dynamo-disagg.workload.disaggregatedset" -}}
{{- $group := dict "DYNAMO_GROUP" (dict "fieldRef" (dict "fieldPath" "metadata.labels['leaderworkerset.sigs.k8s.io/name']")) }}
apiVersion: disaggregatedset.x-k8s.io/v1
kind: DisaggregatedSet
metadata:
  {{- include "dynamo-disagg.metadata" (dict "root" .root "component" "workers" "name" (include "dynamo-disagg.fullname" .root)) | nindent 2 }}
spec:
  roles:
    {{- range $role := .pools }}
    {{- $context := dict "root" (get $.root.Subcharts $role) "component" $role }}
    - name: {{ $role }}
      metadata: {{ pick (include "dynamo-disagg.lws.metadata" $context | fromYaml) "labels" "annotations" | toJson }}
      spec:
        {{- include "dynamo-disagg.lws.spec" (merge (dict "subdomain" "$(DYNAMO_GROUP)" "env" $group) $context) | nindent 8 }}
    {{- end }}
{{- end }}
