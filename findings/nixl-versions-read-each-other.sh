#!/usr/bin/env bash
# NIXL: agents of 1.4.1 and 1.5.0, with two versions of UCX, read each other's memory.
#
# Date:     2026-11-29
# Versions: nixl and nixl-cu13 1.4.1 (Dynamo 1.6.1 with vLLM) and 1.5.0 (with SGLang), numpy 2.3.5 (PyPI), UCX over
#           loopback; no GPU
# Guess:    both wheels bring the same UCX, with ucx_info to look at its transports, and agents of two minor versions
#           refuse each other's metadata.
# Seen:     UCX 1.22.0 and 1.23.0, no ucx_info, and a reader of either version reads from a target of the other. So in a
#           rollout that changes the version NIXL alone does not stop mixed pairs.
# Output:   1.4.1: UCX 1.22.0   1.5.0: UCX 1.23.0
#           1.5.0 reads from 1.4.1: DONE   1.4.1 reads from 1.5.0: DONE
set -euo pipefail

work=$(mktemp -d)
trap 'kill -9 $(jobs -p) 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
cat > side.py << 'END'
import os, pickle, sys, time
import numpy as np
from nixl._api import nixl_agent, nixl_agent_config

role, offer = sys.argv[1:]
memory = np.full(1 << 20, 7 if role == "target" else 0, dtype=np.uint8)
agent = nixl_agent(role, nixl_agent_config(backends=["UCX"]))
agent.register_memory([(memory.ctypes.data, memory.nbytes, 0, "")], "DRAM")
blocks = agent.get_xfer_descs([(memory.ctypes.data, memory.nbytes, 0)], "DRAM")
if role == "target":
    with open(offer + ".new", "wb") as file:
        pickle.dump((agent.get_agent_metadata(), agent.get_serialized_descs(blocks)), file)
    os.rename(offer + ".new", offer)
    while True:
        agent.get_new_notifs()
        time.sleep(0.05)
with open(offer, "rb") as file:
    metadata, remote = pickle.load(file)
name = agent.add_remote_agent(metadata)
handle = agent.initialize_xfer("READ", blocks, agent.deserialize_descs(remote), name, b"read")
state, end = agent.transfer(handle), time.monotonic() + 60
while state not in ("DONE", "ERR") and time.monotonic() < end:
    state = agent.check_xfer_state(handle)
print(state if (memory == 7).all() else "WRONG")
END
cat > ucx.py << 'END'
import ctypes, glob, sys

library = ctypes.CDLL(glob.glob(f"{sys.argv[1]}/lib/python*/site-packages/nixl_cu13.libs/libucp-*")[0])
library.ucp_get_version_string.restype = ctypes.c_char_p
print(library.ucp_get_version_string().decode())
END
export UCX_TLS=tcp UCX_NET_DEVICES=lo UCX_LOG_LEVEL=error NIXL_LOG_LEVEL=WARN

for version in 1.4.1 1.5.0; do
  python3 -m venv "$version"
  "$version/bin/pip" install --quiet --no-compile --no-deps "nixl==$version" "nixl-cu13==$version" numpy==2.3.5
done
echo "1.4.1: UCX $(python3 ucx.py 1.4.1)   1.5.0: UCX $(python3 ucx.py 1.5.0)" | tee seen
for pair in "1.4.1 1.5.0" "1.5.0 1.4.1"; do
  read -r target reader <<< "$pair"
  "$target/bin/python" side.py target "offer-$target" 2> log &
  until [ -e "offer-$target" ]; do kill -0 $! || { cat log; exit 1; }; sleep 0.2; done
  echo "$reader reads from $target: $("$reader/bin/python" side.py reader "offer-$target")" | tee -a seen
  kill $!
done
test "$(cat seen)" = "1.4.1: UCX 1.22.0   1.5.0: UCX 1.23.0
1.5.0 reads from 1.4.1: DONE
1.4.1 reads from 1.5.0: DONE"
test -z "$(find . -name 'ucx_info*')"
