{{/*
dynamo-disagg.validate.containers: containers of one's own that the API server would refuse, after the rest of the release was created.
in: dict "context" <component context> "component" "containers" list "volumes" names of the pod's "hardware" of workers
*/}}
{{- define "dynamo-disagg.validate.containers" -}}
{{- $of := dict "root" .context "overrides" .context.Values.podSecurityContext "runAsRoot" .hardware.runAsRoot }}
{{- $pod := include "dynamo-disagg.podSecurityContext" $of | fromJson }}
{{- $taken := list "engine" "frontend" "wait-for-model" "rendezvous" }}
{{- $ports := ternary (dict (printf "%s/TCP" (include "dynamo-disagg.port.http" .context)) "the frontend") (dict (printf "%s/TCP" (include "dynamo-disagg.port.system" .context)) "the engine") (eq .component "frontend") }}
{{- $portNames := list (ternary "http" "system" (eq .component "frontend")) }}
{{- range $index, $container := .containers }}
{{- $where := printf "%s.initContainers[%d]" $.component $index }}
{{- if has .name $taken }}
{{ $where }}.name: a pod has one container {{ .name }}: choose another name
{{- end }}
{{- $taken = append $taken .name }}
{{- $security := include "dynamo-disagg.securityContext" (dict "root" $.context "overrides" .securityContext "writable" true) | fromJson }}
{{ include "dynamo-disagg.validate.security.escalation" (dict "where" (printf "%s.securityContext" $where) "container" $security) }}
{{- $both := include "dynamo-disagg.overlay" (list $pod $security) | fromJson }}
{{- if and (hasKey (.securityContext | default dict) "runAsUser") (eq (toString $both.runAsUser) "0") $both.runAsNonRoot }}
{{ $where }}.securityContext: the kubelet starts no container as user 0 with runAsNonRoot: set runAsNonRoot=false, or another runAsUser
{{- end }}
{{- $names := list }}
{{- range .env }}
{{- if and .value .valueFrom }}
{{ $where }}.env.{{ .name }}: a variable has one source, not value and valueFrom: keep one
{{- else if has .name $names }}
{{ $where }}.env.{{ .name }}: a container has each variable once: keep one
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- range .envFrom }}
{{- with include "dynamo-disagg.validate.kinds" (omit . "prefix") }}
{{ $where }}.envFrom: variables come from one source, not {{ . }}: write secretRef or configMapRef
{{- end }}
{{- end }}
{{- $paths := list }}
{{- range .volumeMounts }}
{{- if not (has .name $.volumes) }}
{{ $where }}.volumeMounts: the pod has no volume {{ .name }}: add it to {{ $.component }}.volumes
{{- end }}
{{- if has (clean .mountPath) $paths }}
{{ $where }}.volumeMounts: two volumes are mounted at {{ clean .mountPath }}: choose another path
{{- end }}
{{- $paths = append $paths (clean .mountPath) }}
{{- if and .subPath .subPathExpr }}
{{ $where }}.volumeMounts: {{ .name }} has subPath and subPathExpr: keep one
{{- end }}
{{- if and (eq (.mountPropagation | default "") "Bidirectional") (not $security.privileged) }}
{{ $where }}.volumeMounts: Kubernetes refuses mountPropagation Bidirectional of {{ .name }} without privileged: write HostToContainer, or remove it
{{- end }}
{{- end }}
{{ include "dynamo-disagg.validate.resources.requests" (dict "where" (printf "%s.resources" $where) "amounts" (.resources | default dict) "devices" true) }}
{{- range (.resources | default dict).claims }}
{{- if not (hasKey ($.hardware.claims | default dict) .name) }}
{{ $where }}.resources.claims: the pod has no claim {{ .name }}: remove it{{ with keys ($.hardware.claims | default dict) }}, or write {{ sortAlpha . | join " or " }}{{ end }}
{{- end }}
{{- end }}
{{- $stays := eq ($container.restartPolicy | default "") "Always" }}
{{- range $key := list "livenessProbe" "readinessProbe" "startupProbe" "lifecycle" }}
{{- with get $container $key }}
{{- if not $stays }}
{{ $where }}.{{ $key }}: only a container that stays has one: write restartPolicy Always, or remove it
{{- end }}
{{- $handlers := dict $key . }}
{{- if eq $key "lifecycle" }}{{ $handlers = dict }}{{ range $hook, $of := omit . "stopSignal" }}{{ $_ := set $handlers (printf "lifecycle.%s" $hook) $of }}{{ end }}{{ end }}
{{- range $path, $of := $handlers }}
{{- with include "dynamo-disagg.validate.kinds" (pick $of "exec" "httpGet" "tcpSocket" "grpc" "sleep") }}
{{ $where }}.{{ $path }}: it asks in one way, not {{ . }}: write one of exec, httpGet or tcpSocket
{{- end }}
{{- end }}
{{- if and (has $key (list "livenessProbe" "startupProbe")) (gt (int .successThreshold) 1) }}
{{ $where }}.{{ $key }}.successThreshold: Kubernetes takes 1 here: remove it
{{- end }}
{{- end }}
{{- end }}
{{- range .ports }}
{{- $port := printf "%v/%s" .containerPort (.protocol | default "TCP") }}
{{- if and $stays (hasKey $ports $port) }}
{{ $where }}.ports: the containers of a pod share its network, and {{ get $ports $port }} listens at {{ .containerPort }}: choose another port
{{- end }}
{{- if $stays }}{{ $_ := set $ports $port $container.name }}{{ end }}
{{- if and .name (has .name $portNames) }}
{{ $where }}.ports.{{ .name }}: whoever asks for a port of the pod by this name gets another container's, too: choose another name
{{- end }}
{{- with .name }}{{ $portNames = append $portNames . }}{{ end }}
{{- if and $.context.Values.hostNetwork .hostPort (ne (int .hostPort) (int .containerPort)) }}
{{ $where }}.ports: with {{ $.component }}.hostNetwork a container's port is the node's, and {{ .hostPort }} is not {{ .containerPort }}: remove hostPort
{{- end }}
{{- end }}
{{- end }}
{{- end }}
