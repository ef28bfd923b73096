# The other nodes: an sshd for the leader's mpirun. Its processes get this pod's environment.
set -euo pipefail
trap 'exit 143' TERM
. "$(dirname "$0")/key.sh"
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
