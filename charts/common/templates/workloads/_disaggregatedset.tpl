{{/*
common.workload.disaggregatedset: all pools of a release as one object, of which the controller makes a LeaderWorkerSet for
each role and each revision of any role's pods. It names them, so that the leader learns the name of its group from a label.
in:  dict "root" <root context> "pools" the roles
*/}}
{{- define "common.workload.disaggregatedset" -}}
{{- $group := dict "DYNAMO_GROUP" (dict "fieldRef" (dict "fieldPath" "metadata.labels['leaderworkerset.sigs.k8s.io/name']")) }}
apiVersion: disaggregatedset.x-k8s.io/v1
kind: DisaggregatedSet
metadata:
  {{- include "common.metadata" (dict "root" .root "component" "workers" "name" (include "common.fullname" .root)) | nindent 2 }}
spec:
  roles:
    {{- range $role := .pools }}
    {{- $context := dict "root" (get $.root.Subcharts $role) "component" $role }}
    - name: {{ $role }}
      metadata: {{ pick (include "common.lws.metadata" $context | fromYaml) "labels" "annotations" | toJson }}
      spec:
        {{- include "common.lws.spec" (merge (dict "subdomain" "$(DYNAMO_GROUP)" "env" $group) $context) | nindent 8 }}
    {{- end }}
{{- end }}
