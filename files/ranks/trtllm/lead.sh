# The leader of a worker of several nodes: mpirun starts a process for every GPU, over ssh on the other nodes. bash stays
# process 1, because mpirun ends all ranks at once on SIGTERM: only Dynamo's process gets it, finishes its requests, and
# the ranks end after it. Arguments: Dynamo's command line.
set -euo pipefail
trap 'exit 143' TERM
. "$(dirname "$0")/key.sh"
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
# Open MPI takes a host for its own by the host's name, which is the pod's in a network of its own only.
MPI_HOSTS=$(uname -n):${MPI_HOSTS#*:}
mpirun --allow-run-as-root --oversubscribe --bind-to none -n "$MPI_RANKS" -H "$MPI_HOSTS" \
  --mca pml ob1 --mca plm_rsh_args "-F $dir/ssh" --mca plm_rsh_no_tree_spawn 1 \
  trtllm-llmapi-launch "$dir/task" &
mpi=$!
trap 'kill "$(cat "$dir/pid" 2>/dev/null || echo "$mpi")"' TERM
while kill -0 "$mpi" 2>/dev/null; do wait "$mpi" || true; done
exit "$(cat "$dir/code" 2>/dev/null || echo 1)"
