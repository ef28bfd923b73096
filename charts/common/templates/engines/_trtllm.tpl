{{/*
TensorRT-LLM 1.3.0rc29 under dynamo.trtllm 1.6.1. Contract: engines/_vllm.tpl. Flags of dynamo.trtllm stay on the
command line; those that begin with "trtllm." are settings of TensorRT-LLM's LLM API and go into a mounted file, where
they keep their types (on the command line they would be text). What stands in the file wins over a flag.
*/}}
{{- define "common.engine.trtllm.image" -}}
registry: nvcr.io
repository: nvidia/ai-dynamo/tensorrtllm-runtime
tag: "1.6.1"
digest: ""
pullPolicy: IfNotPresent
{{- end }}

{{/* Attention data parallelism and expert parallelism divide the tensor-parallel GPUs; they do not multiply them. */}}
{{- define "common.engine.trtllm.gpus" -}}
{{- with .root.Values.parallelism }}{{ mul .tensor .pipeline }}{{ end }}
{{- end }}

{{- define "common.engine.trtllm.check" -}}
{{- $role := .role }}
{{- $global := .root.Values.global }}
{{- with .root.Values.parallelism }}
{{- if not (has (int .data) (list 1 (int .tensor))) }}
{{ $role }}.parallelism.data: TensorRT-LLM's attention data parallelism is over all {{ .tensor }} tensor-parallel GPUs: choose {{ .tensor }}, or 1 for none
{{- end }}
{{- if ne (mod (int .tensor) (int .expert)) 0 }}
{{ $role }}.parallelism.expert: TensorRT-LLM spreads experts over its {{ .tensor }} tensor-parallel GPUs: choose a divisor of {{ .tensor }}
{{- end }}
{{- end }}
{{- if and (eq $global.serving "disaggregated") (ne $global.kvTransfer.connector "nixl") }}
global.kvTransfer.connector: TensorRT-LLM does not move the KV cache with {{ $global.kvTransfer.connector }} here: choose nixl
{{- end }}
{{- if not (has (int $global.kvCache.blockSize) (list 1 2 4 8 16 32 64 128 256 512 1024)) }}
global.kvCache.blockSize: TensorRT-LLM's blocks hold a power of two of tokens, not {{ $global.kvCache.blockSize }}: choose 32, 64 or 128
{{- end }}
{{- if and (gt (include "common.worker.nodes" .root | int) 1) (not $global.multiNode.sshSecret) }}
global.multiNode.sshSecret: the ranks of a TensorRT-LLM worker of several nodes start over ssh: make a key ({{ include "common.sshSecretCommand" (dict "root" .root "name" "mpi-ssh") }}) and name its Secret
{{- end }}
{{- end }}

{{- define "common.engine.trtllm.command" -}}
{{- if eq (int .nodes) 1 }}
[python3, -m, dynamo.trtllm]
{{- else if eq .rank.class "leader" }}
- bash
- -c
- |-
  {{- include "common.engine.trtllm.lead" . | nindent 2 }}
- lead
- python3
- -m
- dynamo.trtllm
{{- else }}
- bash
- -c
- |-
  {{- include "common.engine.trtllm.join" . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "common.engine.trtllm.args" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- if or (eq (int .nodes) 1) (eq .rank.class "leader") }}
{{- $args := dict
  "model" (include "common.model" .root | fromYaml).path
  "served-model-name" $global.model.name
  "disaggregation-mode" .mode
  "kv-block-size" $global.kvCache.blockSize
  "extra-engine-args" "/etc/dynamo/engine.yaml" }}
{{- with $values.parallelism }}
{{- $_ := set $args "tensor-parallel-size" .tensor }}
{{- if gt (int .pipeline) 1 }}{{ $_ := set $args "pipeline-parallel-size" .pipeline }}{{ end }}
{{- if gt (int .data) 1 }}{{ $_ := set $args "enable-attention-dp" true }}{{ end }}
{{- if gt (int .expert) 1 }}{{ $_ := set $args "expert-parallel-size" .expert }}{{ end }}
{{- end }}
{{- if and (eq $global.router.mode "kv") (ne .mode "decode") }}{{ $_ := set $args "publish-kv-events" true }}{{ end }}
{{- $layers := list }}
{{- range $layer := list $global.engine.args $values.engineArgs $args }}
{{- $flags := dict }}
{{- range $flag, $value := $layer }}{{ if not (hasPrefix "trtllm." $flag) }}{{ $_ := set $flags $flag $value }}{{ end }}{{ end }}
{{- $layers = append $layers $flags }}
{{- end }}
{{- include "common.programArgs" (dict "program" "trtllm" "layers" $layers) }}
{{- end }}
{{- end }}

{{/* trtllm.a.b: 1 and trtllm.a: {b: 1} are the same setting. */}}
{{- define "common.engine.trtllm.config" -}}
{{- $values := .root.Values }}
{{- $global := $values.global }}
{{- $layers := list }}
{{- /* Workers that only prefill have no next step to overlap with; TensorRT-LLM does not support it there. */}}
{{- if eq .mode "prefill" }}{{ $layers = append $layers (dict "disable_overlap_scheduler" true) }}{{ end }}
{{- range $layer := list $global.engine.args $values.engineArgs }}
{{- range $flag, $value := $layer }}
{{- if hasPrefix "trtllm." $flag }}
{{- $setting := $value }}
{{- range $key := trimPrefix "trtllm." $flag | splitList "." | reverse }}{{ $setting = dict $key $setting }}{{ end }}
{{- $layers = append $layers $setting }}
{{- end }}
{{- end }}
{{- end }}
{{- $layers = append $layers (dict "kv_cache_config" (dict "tokens_per_block" $global.kvCache.blockSize)) }}
{{- if ne .mode "agg" }}
{{- $layers = append $layers (dict "cache_transceiver_config" (dict "backend" (upper $global.kvTransfer.connector))) }}
{{- end }}
{{- /* A JSON value a line: integers never print as floats, at any depth. */}}
{{- range $key, $value := include "common.overlay" $layers | fromYaml }}
{{ $key }}: {{ toJson $value }}
{{- end }}
{{- end }}

{{- define "common.engine.trtllm.env" -}}
{{- if eq (int .nodes) 1 -}}
{}
{{- else -}}
{{- $gpus := div (include "common.engine.trtllm.gpus" . | int) (int .nodes) }}
OMPI_MCA_orte_keep_fqdn_hostnames: "1"
{{- /* On pods with several NICs MPI would try those that reach no peer. */}}
{{- with (include "common.hardware" .root | fromYaml).env.GLOO_SOCKET_IFNAME }}
OMPI_MCA_btl_tcp_if_include: {{ . }}
OMPI_MCA_oob_tcp_if_include: {{ . }}
{{- end }}
{{- if eq .rank.class "leader" }}
{{- $hosts := list (printf "$(POD_NAME):%d" $gpus) }}
{{- range $rank := untilStep 1 (int .nodes) 1 }}
{{- $hosts = append $hosts (printf "%s:%d" (printf $.rank.memberAddress $rank) $gpus) }}
{{- end }}
MPI_HOSTS: {{ join "," $hosts | quote }}
MPI_RANKS: {{ mul $gpus .nodes | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "common.engine.trtllm.pod" -}}
{{- if eq (int .nodes) 1 -}}
{}
{{- else -}}
volumes:
  mpi-ssh:
    mountPath: /etc/mpi-ssh
    readOnly: true
    source: {secret: {secretName: {{ quote .root.Values.global.multiNode.sshSecret }}, defaultMode: 0440}}
{{- if and (eq .rank.class "worker") (include "common.hardware" .root | fromYaml).runAsRoot }}
# Where the machine makes the workers root, sshd is root too: it then confines each login before it trusts it
# (SYS_CHROOT, SETUID, SETGID) and refuses those it cannot record (AUDIT_WRITE). Any other user's sshd needs none.
capabilities: [AUDIT_WRITE, SETGID, SETUID, SYS_CHROOT]
{{- end }}
{{- end }}
{{- end }}

{{/*
The leader of several nodes: mpirun starts a process for every GPU, over ssh on the other nodes. bash stays process 1,
because mpirun ends all ranks at once on SIGTERM: only Dynamo's process gets it, finishes its requests, and the ranks
end after it.
*/}}
{{- define "common.engine.trtllm.lead" -}}
set -euo pipefail
trap 'exit 143' TERM
{{ include "common.engine.trtllm.key" . }}
# The other nodes' host key is the same, so that no other host can pass for one of them.
echo "* $public" >"$dir/known_hosts"
cat >"$dir/ssh" <<END
Port 2222
IdentityFile $dir/key
IdentitiesOnly yes
UserKnownHostsFile $dir/known_hosts
StrictHostKeyChecking yes
BatchMode yes
ConnectTimeout 5
LogLevel ERROR
END
# One word, because trtllm-llmapi-launch splits its command at spaces; and its exit code, because after a failure the
# launcher would leave the other ranks running.
{
  echo '#!/bin/bash'
  printf '%q ' "$@"
  echo "& echo \$! >$dir/pid; wait \$!; echo \$? >$dir/code"
} >"$dir/task"
chmod 700 "$dir/task"
IFS=, read -ra hosts <<<"$MPI_HOSTS"
for host in "${hosts[@]:1}"; do
  until ssh -F "$dir/ssh" "${host%:*}" true; do
    echo "waiting for ${host%:*}" >&2
    sleep 2
  done
done
mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$MPI_RANKS" -H "$MPI_HOSTS" \
  --mca pml ob1 --mca plm_rsh_args "-F $dir/ssh" --mca plm_rsh_no_tree_spawn 1 \
  trtllm-llmapi-launch "$dir/task" &
mpi=$!
trap 'kill "$(cat "$dir/pid" 2>/dev/null || echo "$mpi")"' TERM
while kill -0 "$mpi" 2>/dev/null; do wait "$mpi" || true; done
exit "$(cat "$dir/code" 2>/dev/null || echo 1)"
{{- end }}

{{/* The other nodes: an sshd for the leader's mpirun. Its processes get this pod's environment. */}}
{{- define "common.engine.trtllm.join" -}}
set -euo pipefail
trap 'exit 143' TERM
{{ include "common.engine.trtllm.key" . }}
echo "$public" >"$dir/authorized"
export -p >"$dir/environment"
if [ "$(id -u)" = 0 ]; then mkdir -p /run/sshd; fi
/usr/sbin/sshd -D -e -f /dev/null -p 2222 -h "$dir/key" \
  -o AuthorizedKeysFile="$dir/authorized" -o PasswordAuthentication=no -o StrictModes=no -o PidFile=none \
  -o ForceCommand="bash -c '. $dir/environment; eval \"\$SSH_ORIGINAL_COMMAND\"'" &
daemon=$!
trap 'kill "$daemon"' TERM
wait "$daemon" || true
# The leader may still be answering; its ranks here end when it has.
while pgrep -x orted >/dev/null; do sleep 1; done
{{- end }}

{{/* ssh accepts no key that others can read, and a mounted Secret belongs to root. */}}
{{- define "common.engine.trtllm.key" -}}
dir=$(mktemp -d)
install -m 600 /etc/mpi-ssh/private.key "$dir/key"
public=$(ssh-keygen -y -f "$dir/key")
{{- end }}

{{/* common.sshSecretCommand: makes the Secret of global.multiNode.sshSecret. in: dict "root" $ "name" string */}}
{{- define "common.sshSecretCommand" -}}
ssh-keygen -t ed25519 -N '' -f id && kubectl -n {{ .root.Release.Namespace }} create secret generic {{ .name }} --from-file=private.key=id
{{- end }}

{{/* The cache transceiver takes any sizes of both roles, but one dtype (cacheFormatter.cpp inquireSupport). */}}
{{- define "common.engine.trtllm.pair" -}}
{{ include "common.validate.alike" (dict "roles" . "flags" (list "trtllm.kv_cache_config.dtype")) }}
{{- end }}

{{- define "common.engine.trtllm.variables" -}}
DYN_TRTLLM
{{- end }}

{{- define "common.engine.trtllm.owned" -}}
model: global.model.source
served-model-name: global.model.name
disaggregation-mode: global.serving (the role is set by the chart)
kv-block-size: global.kvCache.blockSize
tensor-parallel-size: "{role}.parallelism.tensor"
pipeline-parallel-size: "{role}.parallelism.pipeline"
expert-parallel-size: "{role}.parallelism.expert"
enable-attention-dp: "{role}.parallelism.data"
gpus-per-node: nothing; it is the number of a pod's GPUs
publish-kv-events: global.router.mode
publish-events-and-metrics: global.router.mode for events and publish-metrics for metrics
extra-engine-args: trtllm.<key> in engineArgs; the chart mounts the file
override-engine-args: trtllm.<key> in engineArgs
namespace: nothing; it is derived from the release
endpoint: nothing; it is derived from the role
discovery-backend: global.discovery.backend
request-plane: global.requestPlane
event-plane: global.eventPlane
router-mode: global.router.mode
trtllm.model: global.model.source
trtllm.tensor_parallel_size: "{role}.parallelism.tensor"
trtllm.pipeline_parallel_size: "{role}.parallelism.pipeline"
trtllm.moe_expert_parallel_size: "{role}.parallelism.expert"
trtllm.enable_attention_dp: "{role}.parallelism.data"
trtllm.gpus_per_node: nothing; it is the number of a pod's GPUs
trtllm.kv_cache_config.tokens_per_block: global.kvCache.blockSize
trtllm.cache_transceiver_config.backend: global.kvTransfer.connector
{{- end }}
