#!/usr/bin/env bash
# NIXL: with Prometheus telemetry the second process of a pod cannot make an agent in 1.4.1, and is silent in 1.5.0.
#
# Date:     2026-11-29
# Versions: nixl and nixl-cu13 1.4.1 (Dynamo 1.6.1 with vLLM) and 1.5.0 (with SGLang), numpy 2.3.5 (PyPI); no GPU
# Guess:    telemetry is extra: when NIXL_TELEMETRY_PROMETHEUS_PORT is taken, by the first rank of a tensor-parallel
#           worker say, the next process takes another port or goes without.
# Seen:     1.4.1: RuntimeError "Failed to create telemetry exporter: prometheus", so there is no agent and no KV
#           transfer. 1.5.0: a warning, and the agent works without metrics. Neither takes the next port.
# Output:   1.4.1, first:  ['UCX']
#           1.4.1, second: RuntimeError Failed to create telemetry exporter: prometheus
#           1.5.0, first:  ['UCX']
#           1.5.0, second: ['UCX']
set -euo pipefail

work=$(mktemp -d)
trap 'kill -9 $(jobs -p) 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
cat > agent.py << 'END'
import sys, time
from nixl._api import nixl_agent, nixl_agent_config

try:
    agent = nixl_agent(sys.argv[1], nixl_agent_config(backends=["UCX"]))
    print(list(agent.backends), flush=True)
except RuntimeError as error:
    print("RuntimeError", error, flush=True)
time.sleep(float(sys.argv[2]))
END
export NIXL_TELEMETRY_ENABLE=y NIXL_TELEMETRY_EXPORTER=prometheus NIXL_TELEMETRY_PROMETHEUS_LOCAL=y
export UCX_TLS=tcp,self UCX_NET_DEVICES=lo NIXL_LOG_LEVEL=WARN

for version in 1.4.1 1.5.0; do
  python3 -m venv "$version"
  "$version/bin/pip" install --quiet --no-compile --no-deps "nixl==$version" "nixl-cu13==$version" numpy==2.3.5
  NIXL_TELEMETRY_PROMETHEUS_PORT=$((20000 + RANDOM % 10000))
  export NIXL_TELEMETRY_PROMETHEUS_PORT
  "$version/bin/python" agent.py first 600 > "$version-first" 2> log-first &
  until [ -s "$version-first" ]; do kill -0 $! || { cat log-first; exit 1; }; sleep 0.2; done
  "$version/bin/python" agent.py second 0 > "$version-second" 2> "$version-log"
  kill $!
  echo "$version, first:  $(cat "$version-first")"
  echo "$version, second: $(cat "$version-second")"
done
grep "could not be bound" 1.5.0-log

test "$(cat 1.4.1-first 1.5.0-first 1.5.0-second | sort -u)" = "['UCX']"
test "$(cat 1.4.1-second)" = "RuntimeError Failed to create telemetry exporter: prometheus"
